"""After a thousand hostile runs: the same endings whoever runs beside whom, no process and no file left."""

import os
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from selfimp_bench.tasks.sandbox import cells
from selfimp_bench.tasks.sandbox.cell import Cell, Ending, Order
from selfimp_bench.tasks.sandbox.corpus import read_corpus
from selfimp_bench.tasks.sandbox.outside import outside
from selfimp_bench.tasks.sandbox.policy import Limits

WAITING = {Ending.CPU, Ending.WALL}


def processes():
    """The numbers of all processes on the machine that are ours or descend from us."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(path.parent.name)] = int(fields[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def test_endings_are_the_same_in_any_order_beside_any_other(monkeypatch):
    monkeypatch.setattr(cells, "limits_by_reference", lambda _: Limits(cpu_seconds=0.3, wall_seconds=10))
    monkeypatch.setattr(cells, "SIEVE", Limits(cpu_seconds=0.2, wall_seconds=10))
    chosen = [attack for attack in read_corpus() if attack.ends not in {Ending.WALL, Ending.MEMORY}][::4]
    with outside() as prepared:
        orders = {attack.name: attack.order(prepared.places) for attack in chosen}
        expected = {attack.name: attack.ends for attack in chosen}
        for workers, seed in ((1, 1), (4, 2)):
            names = sorted(orders)
            random.Random(seed).shuffle(names)
            with ThreadPoolExecutor(workers) as pool:
                found = dict(zip(names, pool.map(lambda name: cells.examine(orders[name], None), names), strict=True))
            assert {name: each.ending for name, each in found.items()} == expected
        assert prepared.traces() == ()


@pytest.mark.slow
def test_a_thousand_hostile_runs_leave_no_process_and_no_file(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # others write into the common one
    quick = [attack for attack in read_corpus() if attack.ends not in {*WAITING, Ending.MEMORY}]
    before = processes()
    with outside() as prepared:
        cell = Cell(cells.sandbox_status().mechanism)
        try:
            for run in range(1000):
                attack = quick[run % len(quick)]
                found = cell.examine(attack.order(prepared.places), Limits(cpu_seconds=2, wall_seconds=30))
                assert found.ending is attack.ends, attack.name
        finally:
            cell.end()
        assert prepared.traces() == ()
    assert processes() - before == set()
    assert list(tmp_path.iterdir()) == []
    assert not [path for place in ("/tmp", "/var/tmp", "/dev/shm") for path in Path(place).glob("selfimp-attack*")]


def test_ending_a_cell_ends_a_program_that_is_running():
    before = processes()
    cell = Cell(cells.sandbox_status().mechanism)
    order = Order(program="while True: pass", setup="", tests=["assert f() == 1"], entry_point=None, rescue=False)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(cell.examine, order, Limits(cpu_seconds=60, wall_seconds=60))
        while len(processes() - before) < 3:
            time.sleep(0.01)
        cell._kill()
        with pytest.raises(Exception, match="zygote"):
            running.result()
    cell.end()
    assert processes() - before == set()
