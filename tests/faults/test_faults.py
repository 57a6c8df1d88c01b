"""Runs are killed, starved and damaged: ``python -m faults`` says how often, and finds nothing lost or changed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from faults.forked import Telling
from faults.kills import kill
from faults.kinds import KINDS

ROOT = Path(__file__).parents[2]
REAL = frozenset(kind for kind in KINDS if "-real-" in kind)


def disturb(*arguments: str) -> str:
    """What the command says of these kinds. It finds no fault."""
    command = [sys.executable, "-m", "faults", *arguments]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'benchmark'}:{ROOT / 'tests'}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.stdout.write(done.stdout)
    return done.stdout


def kills(said: str) -> int:
    """How often a process was killed, by what the command says."""
    return sum(int(number) for number in re.findall(r"(\d+) (?:killed|clock moved and killed)", said))


class Instant:
    """What has ended before any moment that is drawn."""

    name, seconds, changes = "instant", 0.0, 1

    def run(self, home: Path, telling: Telling) -> None:
        (home / "done").touch()

    def results(self, home: Path) -> dict[str, bool]:
        return {"done": (home / "done").exists()}


def test_where_no_kill_is_ever_in_time_that_is_said_and_not_tried_for_ever(tmp_path: Path) -> None:
    tally = kill(Instant(), tmp_path / "kill", "instant", 1, seed=1)
    assert tally.faults == ["instant: 10 runs for 1 kills at instant; they end before these"]


@pytest.mark.slow
def test_two_hundred_kills_full_disks_and_damaged_files_change_nothing_of_a_run_on_fake_engines() -> None:
    assert kills(disturb(*sorted(KINDS.keys() - REAL))) >= 200


@pytest.mark.slow
def test_kills_and_full_disks_change_nothing_of_a_run_on_real_engines() -> None:
    assert kills(disturb(*sorted(REAL))) >= 4
