"""`--live`: a page of what there is so far of a run that goes on, rewritten as it goes; it has no verdict."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import pyarrow as pa

from selfimp_bench.durable import write_atomically
from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Measurement
from selfimp_bench.report.summary import number, seconds, undefined
from selfimp_bench.report.templates import template
from selfimp_bench.runs.so_far import Growing
from selfimp_bench.runs.status import Status
from selfimp_bench.runs.study import Study
from selfimp_bench.steps.store import Store

LIVE: Final = "live.html"
EVERY: Final = 5
"""Seconds between two versions of the page, and after which a browser asks for it again."""


class LivePage:
    """Writes the page of a study's run, at most every ``EVERY`` seconds until it has ended."""

    def __init__(self, study: Study, home: Path) -> None:
        self._store, self.path = Store(home / "store"), study.run_folder(home) / LIVE
        self._experiments = [Growing(experiment) for experiment in study.experiments]
        self._written = 0.0

    def __call__(self, status: Status) -> None:
        """Write it anew. What cannot be read or written is passed over: the run itself says so."""
        if status.state == "running" and time.monotonic() - self._written < EVERY:
            return
        self._written = time.monotonic()
        with suppress(OSError, InputError, ValueError, pa.ArrowException):
            found = [experiment.so_far(self._store) for experiment in self._experiments]
            page = template("live.html.j2").render(
                status=status,
                experiments=found,
                every=EVERY,
                number=number,
                shown=_shown,
                elapsed=seconds(status.elapsed),
                left=None if status.left is None else seconds(status.left),
            )
            write_atomically(self.path, page.encode())


def _shown(measured: Measurement) -> str:
    return undefined(measured.reason) if measured.value is None else number(measured.value)
