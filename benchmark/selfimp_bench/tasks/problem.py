"""The problem: one row of a data set, in the form every stage shares."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

Level = Annotated[int, Meta(ge=1, le=2**31 - 1)]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One row of a problems file (JSONL or Parquet). Fields a task does not use are None.

    ``answer`` is the reference solution as the data set gives it (GSM8K: solution lines, then ``#### 18``).
    ``level`` counts from 1, the easiest.
    """

    problem_id: str
    question: str
    answer: str | None = None
    choices: tuple[str, ...] | None = None
    answers: tuple[str, ...] | None = None
    tests: tuple[str, ...] | None = None
    setup: str | None = None
    entry_point: str | None = None
    puzzle: str | None = None
    level: Level | None = None
    subject: str | None = None
