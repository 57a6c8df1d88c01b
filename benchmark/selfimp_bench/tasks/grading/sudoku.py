"""Answer checking of 4x4 Sudoku: the grid that a response gives, against the rules and the puzzle's clues.

A grid is four lines of four digits (blank lines between them do not count) or one line of sixteen; in a line only
blanks, commas and bars may stand between and around the digits, and a label with a colon before them (``Row 1:``).
Of more than four such lines in a row, every four are a grid. Both rules read the response only (``tasks.response``).

strict: the grid that begins right after the **last** ``Solution:``, as in the prompt's example.
flexible: the strict grid where there is one; else the last grid of the response.

CORRECT is a grid of 1 to 4 without repetition in a row, column or quadrant that keeps every clue; any other grid is
WRONG, and the remark says what is broken first.
"""

import re
from dataclasses import dataclass
from typing import Final

from selfimp_bench.tasks.grading.outcome import BothGrades, Grade, Outcome
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.response import response_of
from selfimp_bench.tasks.sudoku import Cells, clues_of, first_clash, write_grid

_MARKER: Final = re.compile(r"Solution[*_]{0,3}:[*_]{0,3}")
_SEPARATORS: Final = str.maketrans("", "", " \t\r|,")
_ROW: Final = 4
_GRID: Final = 16


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """A grid in a text; ``closed`` tells that a line break follows it."""

    cells: Cells
    first_line: int
    closed: bool


def grade_sudoku(completion: str, problem: Problem, *, truncated: bool) -> BothGrades:
    """Judge a completion by both rules.

    truncated: generation stopped at the token limit. Then a response that no stop string ended is judged only by a
        strict grid that a line break follows.
    Raises InputError for a problem without a puzzle; never for any completion.
    """
    clues = clues_of(problem)
    response = response_of("sudoku", completion)
    strict = _marked_grid(response.text)
    if truncated and not response.ended and not (strict and strict.closed):
        cut = Grade(outcome=Outcome.TRUNCATED, extracted=None, detail="cut before a full grid")
        return BothGrades(strict=cut, flexible=cut)
    if strict is not None:
        grade = _grade(strict, clues)
        return BothGrades(strict=grade, flexible=grade)
    missing = Grade(outcome=Outcome.UNPARSED, extracted=None, detail="no grid right after 'Solution:'")
    grids = _grids(response.text)
    return BothGrades(strict=missing, flexible=_grade(grids[-1], clues) if grids else missing)


def proposed_grid(response: str) -> str | None:
    """The grid of a response under the flexible rule, as the prompts write it; None without one."""
    grids = _grids(response)
    grid = _marked_grid(response) or (grids[-1] if grids else None)
    return write_grid(grid.cells) if grid else None


def _grade(grid: _Grid, clues: Cells) -> Grade:
    flaw = _flaw(grid.cells, clues)
    outcome = Outcome.CORRECT if flaw is None else Outcome.WRONG
    return Grade(outcome=outcome, extracted=write_grid(grid.cells), detail=flaw)


def _flaw(cells: Cells, clues: Cells) -> str | None:
    if not set(cells) <= {1, 2, 3, 4}:
        return "not all of its digits are 1 to 4"
    if (clash := first_clash(cells)) is not None:
        return f"a digit stands twice in {clash}"
    changed = [place for place, clue in enumerate(clues) if clue and cells[place] != clue]
    return f"the clue in row {changed[0] // _ROW + 1}, column {changed[0] % _ROW + 1} is changed" if changed else None


def _marked_grid(text: str) -> _Grid | None:
    markers = list(_MARKER.finditer(text))
    if not markers:
        return None
    after = text[markers[-1].end() :]
    blank_lines = len(after) - len(after.lstrip())
    grids = _grids(after)
    return grids[0] if grids and grids[0].first_line <= after[:blank_lines].count("\n") else None


def _grids(text: str) -> tuple[_Grid, ...]:
    """Every grid of a text, in order."""
    lines = text.split("\n")
    found: list[_Grid] = []
    rows: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        packed = line.rpartition(":")[2].translate(_SEPARATORS)
        is_digits = packed.isascii() and packed.isdigit()
        if is_digits and len(packed) == _ROW:
            rows.append((number, packed))
        elif line.strip():
            rows = []
        grid = "".join(row for _, row in rows) if len(rows) == _ROW else packed
        if is_digits and len(grid) == _GRID:
            first = rows[0][0] if rows else number
            found.append(_Grid(cells=tuple(map(int, grid)), first_line=first, closed=number + 1 < len(lines)))
            rows = []
    return tuple(found)
