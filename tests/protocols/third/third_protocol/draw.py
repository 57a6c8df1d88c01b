"""Drawing answers: a stage."""

import random
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from selfimp_bench.canonical import derive_seed
from selfimp_bench.manifest.model import DatasetRef
from selfimp_bench.steps.dataset import load_dataset
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.work import Work

DRAWN: Final = "drawn.parquet"
SCHEMA: Final = pa.schema([("problem_id", pa.string()), ("answer", pa.string())])


@dataclass(frozen=True, kw_only=True)
class DrawBlock:
    """Draw so many answers without replacement. No inputs."""

    dataset: DatasetRef
    seed: int
    draws: int


@dataclass(frozen=True, kw_only=True)
class DrawnRow:
    """A drawn answer."""

    problem_id: str
    answer: str


def _do(block: DrawBlock, work: Work) -> Counts:
    places = work.inputs.places
    problems = load_dataset(block.dataset, "gsm8k", places.base, places.hub)
    chosen = random.Random(derive_seed(block.seed, "draw")).sample(problems, block.draws)
    rows = [DrawnRow(problem_id=problem.problem_id, answer=problem.answer or "") for problem in chosen]
    work.folder.write_table(DRAWN, rows, SCHEMA)
    return {"rows": len(rows)}


STAGE: Final = Stage(name="draw", block=DrawBlock, do=_do, rated_by_rows=True)
