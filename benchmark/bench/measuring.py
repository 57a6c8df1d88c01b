"""How long measuring paper A's MATH takes, and how much memory, beside reading its files once.

One model of `math-iter-sft`: 5,000 problems, 64 samples each of 5 iterations, 50 samples each of 7,500 training
problems of 4, and greedy answers. The texts are made up.
"""

import json
from collections import Counter
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from bench.child import child
from bench.made import write_generated
from bench.row import Bar, Figure, Row, Setting
from bench.stored import do, put
from bench.turns import commands, figure, times_as_fast
from selfimp_bench.manifest.model import Profile
from selfimp_bench.measurement import mean_over_problems
from selfimp_bench.protocols.post_training.embed import EMBEDDINGS, SIDE_VALUE_SCHEMA
from selfimp_bench.protocols.post_training.measure import STAGE, MeasureBlock
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.measured import MEASUREMENTS
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.rows import GRADES, SAMPLES, Role
from selfimp_bench.steps.store import StepFolder, Store

SIZES = {Role.GREEDY: (5000, 1), Role.SAMPLE: (5000, 64), Role.TRAIN: (7500, 50)}
"""Problems and samples of each."""


def math(setting: Setting) -> dict[str, Figure]:
    """The measuring stage and one reading of every column that its inputs have, each in a process of its own."""
    make(setting.folder, share=0.02 if setting.quick else 1.0)
    wanted = {
        "ours": child(measured, setting.folder),
        "theirs": child(read_once, setting.folder),
        "arrow": child(read_in_arrow, setting.folder),
    }
    spent = commands(wanted, turns=1)
    rows = pq.read_table(setting.folder / "ours" / MEASUREMENTS).to_pylist()
    read = json.loads((setting.folder / "theirs.json").read_text())
    for iteration, coverage in read.items():
        own = {
            row["metric"]: row["value"] for row in rows if (row["iteration"], row["split"]) == (int(iteration), "test")
        }
        assert own["coverage"] == coverage, (iteration, own["coverage"], coverage)
    seconds = {name: [one.processor for one in each] for name, each in spent.items()}
    return {
        "time": times_as_fast(seconds["theirs"], seconds["ours"]),
        "beside Arrow's reading": times_as_fast(seconds["arrow"], seconds["ours"]),
        "memory": figure([one.peak_bytes / 1e9 for one in spent["ours"]]),
    }


def step() -> Step:
    """The first measuring step of `math-iter-sft`."""
    plan = open_experiment("math-iter-sft", profile=Profile.PAPER, only=None, replicates=1).plan()
    return next(each for each in plan.steps if isinstance(each.block, MeasureBlock))


def make(folder: Path, share: float) -> None:
    """What the step reads, with this share of the problems."""
    store = Store(folder / "store")
    for name in step().inputs:
        kind, _, rest = name.partition(".")
        if kind == "embeddings":
            put(store, name, _no_embeddings)
        if kind != "samples":
            continue
        role, iteration = rest.split(".")
        problems, samples = SIZES[Role(role)]
        write = partial(
            write_generated,
            role=Role(role),
            iteration=int(iteration),
            problems=round(share * problems),
            samples=samples,
        )
        put(store, f"generated.{rest}", write)


def _no_embeddings(folder: Path) -> None:
    StepFolder(folder).write_table(EMBEDDINGS, [], SIDE_VALUE_SCHEMA)


def measured(folder: str) -> None:
    """The stage, on what lies in ``folder``."""
    asked, store = step(), Store(Path(folder) / "store")
    inputs = {
        name: name if name.startswith("embeddings") else f"generated.{name.partition('.')[2]}" for name in asked.inputs
    }
    do(STAGE, asked.block, store, inputs, Path(folder) / "ours")


def read_once(folder: str) -> None:
    """Every column of every file, batch by batch, as Python's own values; and the coverage of the test problems."""
    coverage = {}
    for path in (Path(folder) / "store").glob(f"*/{GRADES}"):
        samples = judged = 0
        correct: Counter[str] = Counter()
        count: Counter[str] = Counter()
        role, iteration = "", 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    judged += 1
                    count[row["problem_id"]] += 1
                    correct[row["problem_id"]] += row["outcome"] == "correct"
                    role, iteration = row["role"], row["iteration"]
        with pq.ParquetFile(path.with_name(SAMPLES)) as file:
            for batch in file.iter_batches():
                samples += sum(len(column) for column in batch.to_pydict().values()) // batch.num_columns
        assert samples == judged
        if role == Role.SAMPLE:
            coverage[iteration] = mean_over_problems([correct[name] / count[name] for name in count]).value
    (Path(folder) / "theirs.json").write_text(json.dumps(coverage))


def read_in_arrow(folder: str) -> None:
    """Every column of every file, batch by batch, as Arrow has it: no value is looked at."""
    for path in (Path(folder) / "store").glob("*/*.parquet"):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                assert batch.num_columns


ROWS = (
    Row(
        name="measure-math",
        what="measuring a model of `math-iter-sft` at full size",
        against="reading its files once",
        bars={
            "time": Bar(unit="x", at_most=5),
            "beside Arrow's reading": Bar(unit="x"),
            "memory": Bar(unit="GB", at_most=2),
        },
        measure=math,
    ),
)
