"""The tables that more than one stage writes."""

from collections.abc import Mapping
from typing import Final

from selfimp_bench.protocols.post_training.measure import Measured
from selfimp_bench.steps import rows as schemas
from selfimp_bench.steps.select import TrainingSet
from selfimp_bench.steps.store import StepFolder

TRAINING_SET: Final = "training_set.parquet"
MEASUREMENTS: Final = "measurements.parquet"
PROBLEM_VALUES: Final = "problem_values.parquet"

Counts = Mapping[str, int]


def write_training_set(folder: StepFolder, chosen: TrainingSet, *, pairs: bool) -> Counts:
    """Write a training set of pairs, or of single completions."""
    folder.write_table(TRAINING_SET, chosen.rows, schemas.PAIR_SCHEMA if pairs else schemas.SFT_SCHEMA)
    return chosen.counts


def write_measured(folder: StepFolder, measured: Measured) -> Counts:
    """Write measurements and the values by problem that they are means of."""
    folder.write_table(MEASUREMENTS, measured.measurements, schemas.MEASUREMENT_SCHEMA)
    folder.write_table(PROBLEM_VALUES, measured.problem_values, schemas.PROBLEM_VALUE_SCHEMA)
    return {"measurements": len(measured.measurements)}
