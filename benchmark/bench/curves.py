"""How the kit's own work grows with problems, samples, iterations, models, steps and workers.

Each line is one piece of work at several sizes, in processor seconds; its exponent is the slope of a line through the
logarithms. 1 is linear; what does not grow brings it down at small sizes. The full tier draws
``benchmark/curves/curves.svg`` and writes the numbers beside it.
"""

import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from bench import gaps, judging
from bench.made import write_generated
from bench.measuring import step
from bench.row import Bar, Figure, Row, Setting
from bench.stored import do, put
from bench.turns import figure
from selfimp_bench.canonical import digest
from selfimp_bench.manifest.model import Measure, Metric, Profile
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.post_training.measure import STAGE, MeasureBlock
from selfimp_bench.protocols.registry import protocol_of
from selfimp_bench.protocols.verification.measure import STAGE as GAP_STAGE
from selfimp_bench.runs.calibrate import HONEST, calibrate, simulated
from selfimp_bench.runs.study import open_experiment, open_study
from selfimp_bench.steps.plan import plan_keys
from selfimp_bench.steps.rows import Role
from selfimp_bench.steps.store import Store
from selfimp_bench.tasks.grading.gsm8k import grade_gsm8k_both
from selfimp_bench.tasks.tiny_gsm import generate
from selfimp_bench.verdict.simulated import simulate

FOLDER: Final = Path(__file__).resolve().parent.parent / "curves"
MOST: Final = 1.15
"""The exponent of what is linear, with room for memory that is further away at larger sizes."""

Work = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """``make`` prepares the work of a size, which is then timed; ``axis`` is what the size counts."""

    axis: str
    sizes: Sequence[int]
    make: Callable[[int, Path], Work]


# ---- the work ----


def _plan_by_steps(size: int, _: Path) -> Work:
    """Of replicates of `math-iter-sft`, 143 steps each."""
    opened = open_experiment("math-iter-sft", profile=Profile.PAPER, only=None, replicates=1)
    plan = protocol_of(opened.manifest).plan
    return lambda: plan_keys(plan(opened.manifest, opened.models, size, opened.path.parent))


def _plan_by_models(size: int, _: Path) -> Work:
    opened = open_experiment("gsm8k-gv-gap", profile=Profile.PAPER, only=None, replicates=1)
    plan = protocol_of(opened.manifest).plan
    return lambda: plan_keys(plan(opened.manifest, opened.models[:size], 8, opened.path.parent))


def _measure(size: int, folder: Path, *, axis: str) -> Work:
    sizes = {"problems": 25, "samples": 16, "iterations": 2} | {axis: size}
    store, asked = Store(folder / f"{axis}-{size}"), step().block
    assert isinstance(asked, MeasureBlock)
    inputs: dict[str, str] = {}
    for iteration in range(1, sizes["iterations"] + 1):
        for role, samples in ((Role.GREEDY, 1), (Role.SAMPLE, sizes["samples"])):
            name = f"{role}.{iteration}"
            put(
                store,
                name,
                partial(
                    write_generated,
                    role=role,
                    iteration=iteration,
                    problems=sizes["problems"],
                    samples=samples,
                    tokens=1,
                ),
            )
            inputs |= {f"samples.{name}": name, f"grades.{name}": name}
    metrics = (Metric.PASS_AT_1, Metric.PASS_AT_K, Metric.COVERAGE, Metric.DISTINCT_N, Metric.DISTINCT_EQUATIONS)
    block = replace(asked, iterations=sizes["iterations"], measure=Measure(metrics=metrics, k=(2, 4), ngram_max=5))
    return partial(do, STAGE, block, store, inputs, folder / "measured")


def _gaps(size: int, folder: Path) -> Work:
    gaps.make(folder / f"gaps-{size}", problems=size)
    store = Store(folder / f"gaps-{size}" / "store")
    return partial(do, GAP_STAGE, gaps.block(), store, gaps.INPUTS, folder / "gaps")


def _grade(size: int, _: Path) -> Work:
    solved = [(each.answer or "") for each in generate(Split.TEST, count=1000, seed=1)]
    golds = [each.rpartition("#### ")[2] for each in solved]
    return lambda: [
        grade_gsm8k_both(f"{index} {solved[index % 1000]}", golds[index % 1000], truncated=False)
        for index in range(size)
    ]


def _judge(size: int, _: Path) -> Work:
    ready = simulated(open_study("gsm8k-iter-sft", profile=Profile.PAPER, only=None, replicates=1))
    problems = {place: replace(each, digest=None, count=size) for place, each in ready.problems.items()}
    evidence = simulate(ready.columns[HONEST][0], judging.design(replace(ready, problems=problems)), seed=1)
    return lambda: judging.judged(ready, evidence)


def _store(size: int, folder: Path) -> Work:
    """So many finished steps written, into a store without any, and then found."""
    tries = itertools.count()

    def work() -> None:
        store = Store(folder / f"store-{size}-{next(tries)}")
        for number in range(size):
            put(store, str(number), lambda made: (made / "rows.json").write_text("[]"))
        assert all(store.find(digest(str(number))) for number in range(size))

    return work


def curves(setting: Setting) -> dict[str, Curve]:
    """Every line, with the sizes of the tier: two or three in the small one."""

    def sizes(*full: int) -> tuple[int, ...]:
        return full[:3] if setting.quick else full

    return {
        "plan by steps": Curve(axis="replicates of 143 steps", sizes=sizes(4, 9, 18, 35, 70), make=_plan_by_steps),
        "plan by models": Curve(axis="models", sizes=sizes(3, 6, 12, 21), make=_plan_by_models),
        **{
            f"measure by {axis}": Curve(axis=axis, sizes=sizes(*full), make=partial(_measure, axis=axis))
            for axis, full in (
                ("problems", (25, 50, 100, 400, 1600)),
                ("samples", (16, 32, 64, 128, 256)),
                ("iterations", (2, 4, 8, 16)),
            )
        },
        "gaps by problems": Curve(axis="problems", sizes=sizes(40, 80, 160, 640, 1280), make=_gaps),
        "grade by samples": Curve(axis="samples", sizes=sizes(5000, 10_000, 20_000, 100_000, 400_000), make=_grade),
        "judge by problems": Curve(axis="problems", sizes=sizes(2000, 8000, 32_000, 128_000), make=_judge),
        "store by steps": Curve(axis="steps", sizes=sizes(50, 100, 200, 800, 3200), make=_store),
    }


# ---- the exponents ----


def exponents(setting: Setting) -> dict[str, Figure]:
    """The exponent of every line; in the full tier the figure, too."""
    found, lines = {}, {}
    for name, curve in curves(setting).items():
        seconds = [_seconds(curve.make(size, setting.folder / name)) for size in curve.sizes]
        found[name] = figure([exponent(curve.sizes, seconds)])
        lines[name] = {
            "axis": curve.axis,
            "sizes": list(curve.sizes),
            "seconds": seconds,
            "exponent": found[name].value,
        }
    if not setting.quick:
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / "curves.json").write_text(json.dumps(lines, indent=2) + "\n")
        draw(lines, FOLDER / "curves.svg")
    return found


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of the line through the logarithms, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def _seconds(work: Work) -> float:
    """Processor seconds, the least of three tries, or of one that takes long."""
    tries = []
    for _ in range(3):
        before = time.process_time()
        work()
        tries.append(time.process_time() - before)
        if tries[0] > 2:
            break
    return min(tries)


def workers(setting: Setting) -> dict[str, Figure]:
    """Wall seconds of a calibration by one process over those by two, with equal counts."""
    study = open_study("gsm8k-iter-sft", profile=Profile.PAPER, only=None, replicates=1)
    found, seconds = {}, {}
    for processes in (1, 2):
        before = time.perf_counter()
        found[processes] = calibrate(study, draws=20 if setting.quick else 200, replicates=(1,), processes=processes)
        seconds[processes] = time.perf_counter() - before
    assert found[1] == found[2], "counts depend on the number of processes"
    return {"speedup": figure([seconds[1] / seconds[2]])}


def draw(lines: Mapping[str, Mapping[str, object]], path: Path) -> None:
    """All lines in one figure, each by its largest size and its seconds there, beside what is linear."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Drawing

    with mpl.rc_context({"svg.hashsalt": "curves", "svg.fonttype": "none", "font.size": 9}):
        drawing = Drawing(figsize=(10, 6), layout="constrained")
        places = drawing.subplots(3, 3).flat
        for place, (name, line) in zip(places, lines.items(), strict=True):
            sizes, seconds = np.array(line["sizes"], float), np.array(line["seconds"], float)
            place.loglog(sizes, seconds, "o-", color="#1f5fa8")
            place.loglog(sizes, seconds[-1] * sizes / sizes[-1], ":", color="#777777")
            place.set_title(f"{name}: exponent {line['exponent']:.2f}", fontsize=9)
            place.set_xlabel(str(line["axis"]))
            place.set_xticks(sizes, [f"{size:g}" if size < 5000 else f"{size / 1000:g}k" for size in sizes])
            place.set_yticks(seconds, [f"{each:.2g}" for each in seconds])
            place.minorticks_off()
            place.set_ylabel("processor s")
            place.grid(visible=True, color="#dddddd")
        drawing.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


ROWS = (
    Row(
        name="curves",
        what="how the kit's own work grows, as an exponent",
        against="1, which is linear",
        bars={name: Bar(unit="", at_most=MOST) for name in curves(Setting(tier="quick", folder=Path(), peers=Path()))},
        measure=exponents,
    ),
    Row(
        name="workers",
        what="a calibration by two processes",
        against="one process, wall seconds",
        bars={"speedup": Bar(unit="x", at_least=1.6)},
        measure=workers,
        tiers=("full",),
    ),
)
