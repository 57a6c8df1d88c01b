"""Begin a run again and again, and shoot it (SIGKILL) each time something is newly done; how often is printed.

``python shot_runs.py MANIFEST HOME``. Each run is a process forked from this one, which has imported everything: that
takes a tenth of the time of starting anew, and shares no memory that is written.
"""

import os
import signal
import sys
from pathlib import Path

import pyarrow.dataset  # noqa: F401  # else every run imports it

from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.study import Experiment, open_experiment
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.progress import Silent


class Shooting(Silent):
    """Ends its own process at once after a first new step: as it is finished, or in the middle of a later one."""

    def __init__(self, *, midway: bool) -> None:
        self._midway = midway
        self._new = 0

    def advance(self, done: int, of: int) -> None:
        """A part of a step is there."""
        if self._midway and self._new:
            os.kill(os.getpid(), signal.SIGKILL)

    def finish(self, step: Step, seconds: float, reused: bool) -> None:
        """A step is finished."""
        self._new += not reused
        if self._new and not self._midway:
            os.kill(os.getpid(), signal.SIGKILL)


def _is_shot(experiment: Experiment, home: Path, *, midway: bool) -> bool:
    """Whether a run was shot, or else came to its end."""
    child = os.fork()
    if not child:
        execute(experiment, home, Shooting(midway=midway))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def main(manifest: str, home: str) -> None:
    """Count the shots until a run comes to its end."""
    experiment = open_experiment(manifest, profile=Profile.PAPER, only=None, replicates=1)
    experiment.plan()  # the versions of the stages, once for all
    shots = 0
    while _is_shot(experiment, Path(home), midway=shots % 2 == 1):
        shots += 1
    sys.stdout.write(f"{shots}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
