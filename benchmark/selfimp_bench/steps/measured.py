"""What a measuring stage writes: measurements, and the values by problem that they are means of."""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from selfimp_bench.measurement import Measurement, ProblemValue
from selfimp_bench.steps.plan import Counts
from selfimp_bench.steps.store import StepFolder

MEASUREMENTS: Final = "measurements.parquet"
PROBLEM_VALUES: Final = "problem_values.parquet"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The measurements of one model and replicate, and the values per problem that they are means of."""

    measurements: tuple[Measurement, ...]
    problem_values: tuple[ProblemValue, ...]


_CELL = [
    ("model", pa.string()),
    ("metric", pa.string()),
    ("split", pa.string()),
    ("iteration", pa.int32()),
    ("replicate", pa.int32()),
]
PROBLEM_VALUE_SCHEMA = pa.schema([*_CELL, ("problem_id", pa.string()), ("value", pa.float64())])
MEASUREMENT_SCHEMA = pa.schema(
    [
        *_CELL,
        ("value", pa.float64()),
        ("unit", pa.string()),
        ("n", pa.int32()),
        ("undefined", pa.int32()),
        ("standard_error", pa.float64()),
        ("reason", pa.string()),
    ]
)


def write_measured(folder: StepFolder, measured: Measured) -> Counts:
    """Write measurements and the values by problem that they are means of."""
    folder.write_table(MEASUREMENTS, measured.measurements, MEASUREMENT_SCHEMA)
    folder.write_table(PROBLEM_VALUES, measured.problem_values, PROBLEM_VALUE_SCHEMA)
    return {"measurements": len(measured.measurements)}
