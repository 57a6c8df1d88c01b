"""A slot of ``LocalPool``: does one task after the other, and keeps open what they opened.

``python -m selfimp_bench.runs.cluster.slot FILE_DESCRIPTOR``: tasks come and results go over that connection.
"""

import signal
import sys
import time
import traceback
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Final

from selfimp_bench.engines.worker.child import die_with_parent

EVERY: Final = 0.5
"""Seconds between two words of how far a step is, at least."""


def serve(connection: Connection) -> None:
    """Do tasks until there are no more. What a task may not raise is sent as it is, with its traceback as a note."""
    from selfimp_bench.engines.open import open_embedder, open_sampler
    from selfimp_bench.runs.cluster.work import StepTask, do_steps
    from selfimp_bench.runs.study import Experiment
    from selfimp_bench.steps.plan import Step
    from selfimp_bench.steps.progress import Silent
    from selfimp_bench.steps.runner import OpenedEngines

    class Sent(Silent):
        """Tells the pool how far a step is."""

        told = 0.0

        def advance(self, _: Step, done: int, of: int) -> None:
            if time.monotonic() - self.told >= EVERY:
                self.told = time.monotonic()
                connection.send((done, of))

    known: dict[str, Experiment] = {}  # with their plans, which are the same for all their tasks
    opened = OpenedEngines(open_sampler, open_embedder)
    try:
        while True:
            task = connection.recv()
            assert isinstance(task, StepTask)
            task = replace(task, experiment=known.setdefault(task.experiment.run_id, task.experiment))
            try:
                connection.send(do_steps(task, opened=opened, progress=Sent()))
            except Exception as error:
                error.add_note(traceback.format_exc())
                connection.send(error)
    except (EOFError, KeyboardInterrupt):
        pass
    finally:
        opened.close()


if __name__ == "__main__":
    die_with_parent()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    serve(Connection(int(sys.argv[1])))
