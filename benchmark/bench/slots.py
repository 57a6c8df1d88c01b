"""Real runs on this machine: side by side beside one after the other, and what keeping results takes.

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
from bench.turns import Command, figure, run
from selfimp_bench.engines.base import PLAIN_TRAINING
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.cluster.executors import Executor, do_elsewhere
from selfimp_bench.runs.execute import Before, run_study
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.study import Study, open_study
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.store import StepFolder, Store

TINY: Final = "tiny-iter-sft"
CI_SMOKE: Final = Path(__file__).resolve().parents[2] / "ci" / "smoke"
SMOKED: Final = ("csqa-iter-sft-dpo", "gsm8k-iter-dpo", "math-iter-sft", "mbpp-iter-sft")
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
    """`ci/smoke` of some experiments: one after the other on one core, and as it comes."""
    wanted = {"one": {"SMOKE_JOBS": "1", "SELFIMP_BENCH_CORES": "1"}, "two": {}}
    seconds = {
        home: run(
            Command(
                argv=(str(CI_SMOKE), *SMOKED), environment={"SMOKE_HOME": str(setting.folder / home), **environment}
            )
        ).wall
        for home, environment in wanted.items()
    }
    for name in SMOKED:
        _same(open_study(name, profile=Profile.SMOKE, only=None, replicates=1), setting.folder)
    return {"side by side": figure([seconds["two"] / seconds["one"]])}


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


ROWS: Sequence[Row] = (
    Row(
        name="reproduce",
        what="`reproduce tiny-iter-sft`, two slots",
        against="one step after the other, wall seconds; the store beside the engines",
        bars={"two slots": Bar(unit="x", at_most=0.65), "bookkeeping": Bar(unit="%", at_most=5)},
        measure=tiny,
        tiers=("full",),
    ),
    Row(
        name="smoke",
        what="`ci/smoke` of four experiments",
        against="one after the other, wall seconds",
        bars={"side by side": Bar(unit="x", at_most=0.6)},
        measure=smoke,
        tiers=("full",),
    ),
)
