"""What a machine offers a run, read from small trees and lists."""

from pathlib import Path

import pytest

from selfimp_bench import machine


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    8000 kB\n"


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [("max", "100", 8000 * 1024), ("4096000", "96000", 4_000_000), ("900000000", "0", 8000 * 1024)],
)
def test_a_container_s_limit_bounds_the_memory_that_the_kernel_calls_available(
    tmp_path: Path, limit: str, used: str, expected: int
) -> None:
    group = {"sys/fs/cgroup/memory.max": limit, "sys/fs/cgroup/memory.current": used}
    assert machine.available_memory(_tree(tmp_path, {"proc/meminfo": MEMINFO, **group})) == expected


def test_without_control_groups_the_kernel_s_number_stands(tmp_path: Path) -> None:
    assert machine.available_memory(_tree(tmp_path, {"proc/meminfo": MEMINFO})) == 8000 * 1024


def test_a_folder_that_is_not_there_yet_has_its_nearest_parent_s_disk(tmp_path: Path) -> None:
    assert machine.free_disk(tmp_path / "a" / "b") > 0
    assert not list(tmp_path.iterdir())


def test_requirements_are_unmet_when_missing_or_of_another_version_than_pinned() -> None:
    asked = [
        "pytest>=1",
        "pytest==0.0.1",
        "no-such-thing-of-ours[x]>=2; python_version > '3'",
        'absent; extra == "dev"',
        'ruamel.yaml==0.0.1; extra == "run"',
    ]
    found = machine.unmet_requirements(asked)
    expected = [("pytest", "0.0.1"), ("no-such-thing-of-ours", None), ("ruamel.yaml", "0.0.1")]
    assert [(each.name, each.wanted) for each in found] == expected
    assert found[0].installed == pytest.__version__ and found[1].installed is None


def test_a_lock_is_compared_without_builds_and_without_what_is_not_installed(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    lines = [
        "# made",
        f"pytest=={pytest.__version__}+cpu \\",
        "    --hash=sha256:00",
        "ruamel.yaml==0.0.1 \\",
        "absent==1",
    ]
    lock.write_text("\n".join(lines))
    assert [each.name for each in machine.unlocked_packages(lock)] == ["ruamel.yaml"]


def test_the_lock_of_a_checkout_is_found_and_a_wheel_has_none(tmp_path: Path) -> None:
    assert machine.find_lock(tmp_path) is None
    _tree(tmp_path, {"ci/locks/cpu.lock": "", "ci/locks/cuda.lock": ""})
    assert machine.find_lock(tmp_path) in (tmp_path / "ci/locks/cpu.lock", tmp_path / "ci/locks/cuda.lock")
