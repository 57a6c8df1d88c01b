"""What every format becomes: a file of generations, its problems where it has some, and a generation of one problem."""

import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from selfimp_bench.plain_json import shortened
from selfimp_bench.tasks.problem import Problem

Number = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""What the 32 bits of a column hold."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One completion as a file has it; what the file does not say is None.

    place: where it stands (``samples.jsonl:7``). score: a verifier's, finite. correct: the file's own judgement.
    """

    place: str
    problem_id: str
    sample_index: int
    completion: str
    iteration: int | None = None
    role: str | None = None
    finish_reason: str | None = None
    score: float | None = None
    correct: bool | None = None


def no_failures() -> Sequence[str]:
    """Of a format that does not tell."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file of generations. ``format`` names its kind, ``evaluation`` the evaluation that made it, if it says so.

    problems: reads those that the file holds, by id; empty where it holds none. generations: reads them one by one;
    both raise InputError with file and line. named_by_requests: ids are a batch's ``custom_id``, which may hold more
    than the problem's. failed: what was asked for and gave no generation, each in words. judged_by: what the file's own
    judgement is called, where it has one.
    """

    path: Path
    format: str
    problems: Callable[[], Mapping[str, Problem]]
    generations: Callable[[], Iterator[Generation]]
    evaluation: str | None = None
    named_by_requests: bool = False
    failed: Callable[[], Sequence[str]] = no_failures
    judged_by: str | None = None


def shown(value: object) -> str:
    """What a file has, as a message quotes it."""
    return shortened(repr(value)) if isinstance(value, str) else reprlib.repr(value)


def no_problems() -> Mapping[str, Problem]:
    """Of a format that holds none."""
    return {}
