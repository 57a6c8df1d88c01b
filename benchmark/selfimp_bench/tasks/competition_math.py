r"""MATH (competition mathematics) as a task: a worked solution whose last ``\boxed{...}`` holds the answer.

(Not named ``math``, because that name is the standard library's.)
"""

import re
from dataclasses import dataclass
from typing import Final

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.columns import Row, identity, refuse, text
from selfimp_bench.tasks.problem import Problem

HARDEST_LEVEL: Final = 5

_BOX: Final = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])[ \t]*")
_BRACES: Final = re.compile(r"\\.|[{}]", re.DOTALL)
_BARE_END: Final = re.compile(r"\$|\\\)|\\\]|\n|\Z")
_LEVEL: Final = re.compile(r"(?:Level )?([0-9]+)")


def problem_from_row(row: Row, problem_id: str) -> Problem:
    """A problem from a row of the original layout or of one of its mirrors (``level`` a text or a number).

    ``unique_id``, which some mirrors have, is the problem's id; else ``problem_id``. Two rows of the original have
    ``Level ?``: their level is None. Raises InputError by row and column.
    """
    return Problem(
        problem_id=identity(row, problem_id, "unique_id"),
        question=text(row, problem_id, "problem", "question"),
        answer=text(row, problem_id, "solution"),
        level=_level(row, problem_id),
        subject=text(row, problem_id, "type", "subject"),
    )


def gold_answer(problem: Problem) -> str:
    r"""The content of the last ``\boxed{...}`` of the solution. Raises InputError, naming the problem, without one."""
    gold = last_box(problem.answer or "")
    if not gold:
        raise InputError(
            f"problem {problem.problem_id}: its answer ends in {(problem.answer or '')[-40:]!r}; "
            r"expected a \boxed{...} that holds the answer: mend the problems file"
        )
    return gold


@dataclass(frozen=True, kw_only=True)
class Box:
    r"""What a ``\boxed`` or ``\fbox`` holds, and where it stands, closing brace included."""

    text: str
    start: int
    end: int


def last_box(solution: str) -> str | None:
    r"""What the last ``\boxed`` or ``\fbox`` holds, to its closing brace (``\boxed 5$``: to the end of the formula).

    None without a box, or where the last one is never closed.
    """
    boxes = last_boxes(solution, at_most=1)
    return boxes[-1].text if boxes else None


def last_boxes(solution: str, *, at_most: int) -> tuple[Box, ...]:
    """The last boxes of a text, in order; none where the last one is never closed, and none before an open one."""
    found: list[Box] = []
    for place in list(_BOX.finditer(solution))[-1 : -at_most - 1 : -1]:
        box = _box(solution, place)
        if box is None:
            break
        found.append(box)
    return tuple(reversed(found))


def _box(solution: str, place: re.Match[str]) -> Box | None:
    start = place.end()
    if solution[start : start + 1] != "{":
        found = _BARE_END.search(solution, start)
        end = found.start() if found else len(solution)
        text = solution[start:end].strip().rstrip(".")
        return Box(text=text, start=place.start(), end=end) if text else None
    depth = 0
    for brace in _BRACES.finditer(solution, start):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth == 0:
            return Box(text=solution[start + 1 : brace.start()].strip(), start=place.start(), end=brace.end())
    return None


def _level(row: Row, row_name: str) -> int | None:
    value = row.get("level")
    if value is None or value == "Level ?":
        return None
    match = _LEVEL.fullmatch(str(value))
    if isinstance(value, bool) or match is None or not 1 <= int(match.group(1)) <= HARDEST_LEVEL:
        refuse(row_name, "level", value, f"'Level 1' to 'Level {HARDEST_LEVEL}', or 'Level ?'")
    return int(match.group(1))
