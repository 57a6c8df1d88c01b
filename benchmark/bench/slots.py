"""Real runs on this machine: steps side by side beside steps one after the other, and what keeping results takes.

Wall seconds, so on idle cores only. What is done is the same: every artifact of both runs has the same digest.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from bench.row import Bar, Figure, Row, Setting
from bench.turns import figure
from selfimp_bench.engines.base import PLAIN_TRAINING
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.cluster.executors import Executor, do_elsewhere
from selfimp_bench.runs.execute import Before, run_study
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.study import Study, open_study
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.store import StepFolder, Store

TINY: Final = "tiny-iter-sft"
SMOKED: Final = ("csqa-iter-sft-dpo", "gsm8k-iter-dpo", "mbpp-iter-sft")
ENGINES: Final = ("sample", "train", "embed")
KEEPING: Final = (
    *((StepFolder, name) for name in ("write_table", "write_columns", "write_json", "artifacts")),
    *((Store, name) for name in ("find", "finish", "proved")),
)
"""What a step asks of the store."""


def tiny(setting: Setting) -> dict[str, Figure]:
    """The miniature in one process, and in two slots; of the first how long the store took beside the engines."""
    study = open_study(TINY, profile=Profile.PAPER, only=None, replicates=1)
    with _timed() as kept:
        one = _seconds(study, setting.folder / "one", cores=1)
    two = _seconds(study, setting.folder / "two", cores=2)
    steps = read_record(study.run_folder(setting.folder / "one")).steps
    _same(study, setting.folder)
    engines = sum(each.seconds for each in steps if each.stage in ENGINES)
    around = one - sum(each.seconds for each in steps)
    return {
        "two slots": figure([two / one]),
        "bookkeeping": figure([100 * (sum(kept.values()) + around) / engines]),
    }


def smoke(setting: Setting) -> dict[str, Figure]:
    """Three smoke runs one after the other, in one process and in two slots."""
    seconds: dict[int, float] = defaultdict(float)
    for name in SMOKED:
        study = open_study(name, profile=Profile.SMOKE, only=None, replicates=1)
        for cores, home in ((1, "one"), (2, "two")):
            seconds[cores] += _seconds(study, setting.folder / home, cores)
        _same(study, setting.folder)
    return {"two slots": figure([seconds[2] / seconds[1]])}


def _seconds(study: Study, home: Path, cores: int) -> float:
    """How long a run takes from the start."""
    executor = Executor(
        name="local", address=None, gpus_per_step=None, machines_per_step=None, slurm=(), slurm_image=None, cores=cores
    )
    began, before = time.perf_counter(), Before.now()
    made = do_elsewhere(executor, study.experiments, home, PLAIN_TRAINING, Silent())
    run_study(study, home, Silent(), before=replace(before, made=made))
    return time.perf_counter() - began


def _same(study: Study, folder: Path) -> None:
    one, two = (
        [(each.id, each.fingerprint, each.artifacts) for each in read_record(study.run_folder(folder / home)).steps]
        for home in ("one", "two")
    )
    assert one == two, f"{study.name}: steps side by side wrote something else"


@contextmanager
def _timed() -> Iterator[dict[str, float]]:
    """Seconds in each of ``KEEPING``, as they are called meanwhile."""
    spent: dict[str, float] = defaultdict(float)
    with ExitStack() as stack:
        for owner, name in KEEPING:
            stack.enter_context(patch.object(owner, name, _timing(getattr(owner, name), name, spent)))
        yield spent


def _timing(function: Callable[..., Any], name: str, spent: dict[str, float]) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            spent[name] += time.perf_counter() - began

    return timed


def _bars(most: float) -> dict[str, Bar]:
    return {"two slots": Bar(unit="x", at_most=most)}


ROWS: Sequence[Row] = (
    Row(
        name="reproduce",
        what="`reproduce tiny-iter-sft`, two slots",
        against="one step after the other, wall seconds; the store beside the engines",
        bars={**_bars(0.65), "bookkeeping": Bar(unit="%", at_most=5)},
        measure=tiny,
        tiers=("full",),
    ),
    Row(
        name="smoke",
        what="three smoke runs, two slots",
        against="one step after the other, wall seconds",
        bars=_bars(0.6),
        measure=smoke,
        tiers=("full",),
    ),
)
