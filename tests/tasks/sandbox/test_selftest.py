"""The attack corpus against both mechanisms, as root and as an ordinary user."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from mechanisms import every_mechanism

import selfimp_bench
from selfimp_bench.tasks.sandbox.cell import Cell, Ending, Order
from selfimp_bench.tasks.sandbox.corpus import read_corpus
from selfimp_bench.tasks.sandbox.policy import OPEN_FILES, Limits
from selfimp_bench.tasks.sandbox.selftest import try_mechanisms

PAGE = Path(__file__).parents[3] / "docs/explanation/sandbox.md"
SYSTEM_PYTHON = "/usr/bin/python3"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def test_every_attack_is_a_hostile_program_or_a_control_and_only_controls_pass():
    corpus = read_corpus()
    hostile = [attack for attack in corpus if not attack.name.startswith("control_")]
    assert len(hostile) >= 40
    assert f"shows {len(hostile)} hostile programs" in PAGE.read_text("utf-8")
    assert {attack.name for attack in corpus if attack.ends is Ending.PASSED} == {"control_right", "control_shapes"}
    assert all(attack.what and attack.tests and attack.program for attack in corpus)


@pytest.mark.slow
@every_mechanism
def test_the_isolation_holds_against_every_attack_whatever_the_grader_has_open(mechanism):
    with ExitStack() as files:
        for _ in range(2 * OPEN_FILES):
            files.enter_context(Path(os.devnull).open())
        (tested,) = try_mechanisms([mechanism])
    assert tested.missing is None
    assert [result for result in tested.results if not result.held] == []
    assert len(tested.results) == len(read_corpus())
    assert [result.remark for result in tested.results if not (result.remark or "-").isprintable()] == []


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests are run by an ordinary user already")
@pytest.mark.skipif(not Path(SYSTEM_PYTHON).exists(), reason="no interpreter that an ordinary user can start")
@every_mechanism
def test_the_isolation_holds_for_an_ordinary_user(mechanism):
    version = subprocess.run([SYSTEM_PYTHON, "-V"], capture_output=True, text=True, check=True).stdout
    if version.split()[1].rpartition(".")[0] != f"{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip("its packages are for another Python")
    sources, found = (Path(package.__file__).parents[1] for package in (selfimp_bench, msgspec))
    command = [*NOBODY, SYSTEM_PYTHON, "-P", "-m", "selfimp_bench", "sandbox", "selftest", "--mechanism", mechanism]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{sources}:{found}", "LC_ALL": "C.UTF-8"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/")
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{mechanism}: {len(read_corpus())} of {len(read_corpus())} attacks ended as they should" in run.stdout


@every_mechanism
def test_the_right_answer_is_needed_even_where_the_test_hides_every_error(mechanism):
    cell = Cell(mechanism)
    try:
        found = cell.examine(
            Order(
                program="import os\ndef f():\n    os._exit(0)\n",
                setup="",
                tests=["try:\n    assert f() == 1\nexcept BaseException:\n    pass"],
                entry_point=None,
                rescue=False,
            ),
            Limits(cpu_seconds=2, wall_seconds=10),
        )
    finally:
        cell.end()
    assert found.ending is Ending.DIED
