"""What `assess` says: frozen, typed, and the same as its JSON. This is the Python API's contract.

Measurements are called as in runs (``protocols/post_training/cells.py``); checkpoints count from 1, in the order given.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Split

if TYPE_CHECKING:
    import pandas


class Direction(StrEnum):
    """The headline in a word; ``headline.py`` has the rules."""

    PROGRESS = "progress"
    REGRESS = "regress"
    REVERSAL = "reversal"
    NO_CHANGE_SHOWN = "no change shown"
    MEASURED = "measured"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What was read of one checkpoint. problems, answered: how many it has samples of, and how many of them count here.

    samples: all of them. graded_by: a task's grader, or the file's own judgement.
    """

    number: int
    files: tuple[str, ...]
    format: str
    task: str
    graded_by: str
    problems: int
    answered: int
    samples: int
    ood_files: tuple[str, ...] = ()
    ood_task: str | None = None
    ood_problems: int = 0


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A metric of a checkpoint: the mean over the ``n`` problems where it is defined, in its unit.

    None, with the reason, where it is defined on none; standard_error is None for fewer than two.
    """

    metric: str
    split: Split
    checkpoint: int
    value: float | None
    standard_error: float | None
    n: int
    undefined: int
    unit: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Change:
    """A metric at checkpoint ``last`` minus at ``first``, each problem compared with itself.

    estimate, low, high: the mean over the ``n`` problems defined at both, and its 95 % interval, of this row alone.
    p_up, p_down: how often numbers so far up (down) come out where nothing changes; 1 where the numbers decide nothing.
    essential: whether the headline rests on it. good: the direction that is
    better, of essentials. shown: the direction, where it is
    shown in Holm's procedure over all that the headline rests on; None of rows that it does not rest on.
    reason: why there is no estimate, or why it decides nothing.
    """

    metric: str
    split: Split
    first: int
    last: int
    estimate: float | None
    low: float | None
    high: float | None
    p_up: float
    p_down: float
    n: int
    essential: bool
    good: Literal["up", "down"] | None
    shown: Literal["up", "down"] | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The answer. accuracy: the measurement that it is about. worse, better: essentials shown to be so, in words.

    unseen: essentials that were not measured or not comparable, so that a fall of theirs could not have been seen.
    """

    direction: Direction
    sentence: str
    accuracy: str
    better: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ProblemOutcome:
    """A metric of a checkpoint on one problem; value is None where it is undefined there."""

    metric: str
    split: Split
    checkpoint: int
    problem_id: str
    value: float | None


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """Progress or regress. ``missing`` says what could not be measured and why; ``left_out`` what was not counted.

    common: how many problems every checkpoint has, on which everything is measured. schema: of the JSON.
    """

    schema: int
    headline: Headline
    checkpoints: tuple[Checkpoint, ...]
    common: int
    ood_common: int
    measurements: tuple[Measured, ...]
    changes: tuple[Change, ...]
    missing: tuple[str, ...]
    left_out: tuple[str, ...]
    problem_values: tuple[ProblemOutcome, ...] = ()

    def value(self, metric: str, checkpoint: int, split: str = "test") -> float | None:
        """A measurement's value. Raises KeyError for one that was not made."""
        for each in self.measurements:
            if (each.metric, each.checkpoint, str(each.split)) == (metric, checkpoint, split):
                return each.value
        raise KeyError(f"{metric} on {split} of checkpoint {checkpoint}")

    def as_json(self) -> dict[str, Any]:
        """Plain data, without the values by problem: what ``--json`` prints."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        del found["problem_values"]
        return found

    def to_pandas(
        self, table: Literal["measurements", "changes", "problem_values"] = "measurements"
    ) -> "pandas.DataFrame":
        """One of the tables as a DataFrame, a row an entry, its fields as columns.

        Raises InputError where pandas is not installed, and ValueError for another table.
        """
        if table not in ("measurements", "changes", "problem_values"):
            raise ValueError(f"no table {table!r}; there are measurements, changes and problem_values")
        try:
            import pandas
        except ImportError:
            raise InputError("to_pandas needs pandas, which is not installed: pip install pandas") from None
        kinds = {"measurements": Measured, "changes": Change, "problem_values": ProblemOutcome}
        rows: list[dict[str, Any]] = msgspec.to_builtins(getattr(self, table))
        return pandas.DataFrame(rows, columns=[each.name for each in fields(kinds[table])])
