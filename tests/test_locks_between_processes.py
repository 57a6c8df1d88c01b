"""Locks on one home: one holder at a time, and none that outlives its process, or the machine that it was on."""

import multiprocessing
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from selfimp_bench.locks import held, on_network
from selfimp_bench.mounts import file_system

LEASE = 1.5
MOUNTS = """\
22 1 0:20 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:30 / /proc rw - proc proc rw
40 22 0:40 / /shared rw,relatime - nfs4 server:/export rw,vers=4.2,local_lock=none
41 40 0:41 / /shared/local\\040disk rw - xfs /dev/sdb1 rw
42 22 0:42 / /ssh rw - fuse.sshfs me@there: rw
43 22 0:43 / /shared2 rw - tmpfs tmpfs rw
44 22 0:44 / /données rw - nfs4 server:/more rw
"""


def _hold(path: str, lease: float | None, ready: str) -> None:
    with held(Path(path), lease=lease):
        Path(ready).touch()
        time.sleep(60)


def _held_by_another(path: Path, lease: float | None) -> multiprocessing.process.BaseProcess:
    ready = path.parent / "ready"
    process = multiprocessing.get_context("spawn").Process(target=_hold, args=(str(path), lease, str(ready)))
    process.start()
    while not ready.exists():
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("lease", [None, 600.0])
def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path, lease: float | None) -> None:
    path = tmp_path / "locks" / "a.lock"
    path.parent.mkdir()
    process = _held_by_another(path, lease)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    began = time.monotonic()
    with held(path, lease=lease):
        assert time.monotonic() - began < 5


@pytest.mark.slow
def test_the_lease_of_a_machine_that_died_is_taken_over_and_that_of_one_that_lives_is_not(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "a.lock"
    path.parent.mkdir()
    process = _held_by_another(path, LEASE)
    began = time.monotonic()
    try:
        time.sleep(2 * LEASE)
        (marker,) = path.parent.glob("*.lease")
        assert socket.gethostname() in marker.read_text()
    finally:
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    marker.write_text(marker.read_text().replace(socket.gethostname(), "a-machine-that-died"))
    with held(path, lease=LEASE):
        assert time.monotonic() - began > 3 * LEASE


@pytest.mark.slow
def test_two_at_a_time_wait_for_each_other_by_lease_too(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "a.lock"
    path.parent.mkdir()
    process = _held_by_another(path, 60.0)
    threads = multiprocessing.get_context("spawn").Process(
        target=_hold, args=(str(path), 60.0, str(tmp_path / "second"))
    )
    threads.start()
    time.sleep(1.5)
    assert not (tmp_path / "second").exists()
    for each in (process, threads):
        os.kill(each.pid or 0, signal.SIGKILL)
        each.join()


@pytest.mark.parametrize(
    ("folder", "kind", "shared"),
    [
        ("/home/me", "ext4", False),
        ("/shared/home", "nfs4", True),
        ("/shared", "nfs4", True),
        ("/shared/local disk/x", "xfs", False),
        ("/shared2/x", "tmpfs", False),
        ("/ssh/x", "fuse.sshfs", True),
        ("/données/x", "nfs4", True),
    ],
)
def test_the_file_system_says_which_kind_of_lock(folder: str, kind: str, shared: bool, tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text(MOUNTS, encoding="utf-8")
    assert file_system(Path(folder), tmp_path / "mounts") == kind
    assert on_network(Path(folder), tmp_path / "mounts") is shared


def test_this_disk_is_one_that_the_kernel_lists(tmp_path: Path) -> None:
    assert file_system(tmp_path)
