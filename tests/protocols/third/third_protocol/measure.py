"""Measuring drawn answers: a stage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from selfimp_bench.measurement import Measurement, ProblemValue, Split, mean_over_problems
from selfimp_bench.steps.measured import Measured, write_measured
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.work import Work
from third_protocol.draw import DRAWN, DrawnRow

LETTERS_OF_A_WORD: Final = 1
METRICS: Final[Mapping[str, Callable[[str], float]]] = {
    "words": lambda answer: float(len(answer.split())),
    "letters": lambda answer: float(len(answer) * LETTERS_OF_A_WORD),
}


@dataclass(frozen=True, kw_only=True)
class LengthBlock:
    """Measure the answers of the input ``drawn``."""

    model: str
    replicate: int


def _do(block: LengthBlock, work: Work) -> Counts:
    rows = work.inputs.rows("drawn", DRAWN, DrawnRow)
    measurements, values = [], []
    for metric, length in METRICS.items():
        own = {row.problem_id: length(row.answer) for row in rows}
        mean = mean_over_problems(list(own.values()))
        measurements.append(
            Measurement(
                model=block.model,
                metric=metric,
                split=Split.TEST,
                iteration=1,
                replicate=block.replicate,
                value=mean.value,
                unit=metric,
                n=mean.n,
                undefined=mean.undefined,
                standard_error=mean.standard_error,
                reason=mean.reason,
            )
        )
        values += [
            ProblemValue(
                model=block.model,
                metric=metric,
                split=Split.TEST,
                iteration=1,
                replicate=block.replicate,
                problem_id=problem_id,
                value=value,
            )
            for problem_id, value in own.items()
        ]
    return write_measured(work.folder, Measured(measurements=tuple(measurements), problem_values=tuple(values)))


STAGE: Final = Stage(name="length", block=LengthBlock, do=_do)
