"""Answer checking of 4x4 Sudoku: the grid that a response gives, against the rules and the puzzle's clues.

A grid is four lines of four digits or one line of sixteen; blank lines, rules (``----``, ``|---|``) and fences between
them do not count. In a line only blanks, commas, bars, brackets and marks of Markdown and LaTeX may stand between and
around the digits, a bullet, a number (``1.``) or a label (``Row 1:``) before them, a stop or ``<br>`` after them. Of
more than four such lines in a row, every four are a grid, a table's head (``| 1 | 2 | 3 | 4 |``) aside. Both rules read
the response only (``tasks.response``).

strict: the grid that begins right after the **last** ``Solution:``, as in the prompt's example.
flexible: the strict grid where there is one; else the last complete grid of the response; else its last grid (a puzzle
    that is repeated has empty cells, written 0).

CORRECT is a grid of 1 to 4 without repetition in a row, column or quadrant that keeps every clue; any other grid is
WRONG, and the remark says what is broken first.
"""

import re
from dataclasses import dataclass
from typing import Final

from selfimp_bench.tasks.grading.outcome import BothGrades, Grade, Outcome
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.response import response_of, without_end_token
from selfimp_bench.tasks.sudoku import Cells, clues_of, first_clash, write_grid

_MARKER: Final = re.compile(r"Solution[*_]{0,3}:[*_]{0,3}")
_SEPARATORS: Final = str.maketrans("", "", " \t\r|,;/&[](){}*_`'\"\\│┃║\u00a0")
_BREAK: Final = re.compile(r"<br\s?/?>", re.IGNORECASE)
_LABEL: Final = re.compile(
    r"[\s|>]*(?:(?:[-*+•–]|\(?[1-4][.)])[ \t]+)?[\s|*_]*(?:(?:row|r|line)[ \t]*[1-4]\b[*_]*[ \t]*[:|.=-]?)?",
    re.IGNORECASE,
)
_RULE: Final = re.compile(r"[\s|+:=_─━═│┃┼╋╬├┤┬┴┌┐└┘╔╗╚╝╠╣╦╩-]*|\s*`{3}.*|\s*\\hline\s*|\s*\\\\\s*")
_TABLE_RULE: Final = re.compile(r"\s*\|?[\s:]*-{2,}[\s:]*\|[-\s:|]*")
_ROW: Final = 4
_GRID: Final = 16
_LONGEST_LINE: Final = 400


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
    response = response_of("sudoku", without_end_token(completion))
    strict = _marked_grid(response.text)
    if truncated and not response.ended and not (strict and strict.closed):
        cut = Grade(outcome=Outcome.TRUNCATED, extracted=None, detail="cut before a full grid")
        return BothGrades(strict=cut, flexible=cut)
    if strict is not None:
        grade = _grade(strict, clues)
        return BothGrades(strict=grade, flexible=grade)
    missing = Grade(outcome=Outcome.UNPARSED, extracted=None, detail="no grid right after 'Solution:'")
    grid = _last_grid(response.text)
    return BothGrades(strict=missing, flexible=_grade(grid, clues) if grid else missing)


def _last_grid(text: str) -> _Grid | None:
    """The last grid without empty cells; else the last one."""
    grids = _grids(text)
    complete = [grid for grid in grids if 0 not in grid.cells]
    return complete[-1] if complete else grids[-1] if grids else None


def proposed_grid(response: str) -> str | None:
    """The grid of a response under the flexible rule, as the prompts write it; None without one."""
    grid = _marked_grid(response) or _last_grid(response)
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
    grids = _grids(after)
    before = _BREAK.sub("\n", after).split("\n")[: grids[0].first_line] if grids else []
    return grids[0] if grids and all(_RULE.fullmatch(line) or _row(line) for line in before) else None


def _grids(text: str) -> tuple[_Grid, ...]:
    """Every grid of a text, in order."""
    lines = _BREAK.sub("\n", text).split("\n")
    found: list[_Grid] = []
    rows: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        digits = _row(line)
        if len(digits) == _ROW:
            rows.append((number, digits))
        elif (not digits and not _RULE.fullmatch(line)) or _ends_head(
            line, rows, lines[number + 1 : number + 1 + _ROW]
        ):
            rows = []
        grid = "".join(row for _, row in rows) if len(rows) == _ROW else digits
        if len(grid) == _GRID:
            first = rows[0][0] if rows else number
            found.append(_Grid(cells=tuple(map(int, grid)), first_line=first, closed=number + 1 < len(lines)))
            rows = []
    return tuple(found)


def _row(line: str) -> str:
    """The digits of a line that has nothing else, bullet and label aside; empty for any other line."""
    if len(line) > _LONGEST_LINE:
        return ""
    label = _LABEL.match(line)
    rest = line[label.end() if label else 0 :]
    packed = rest.rpartition(":")[2].translate(_SEPARATORS).removesuffix(".")
    return packed if packed.isascii() and packed.isdigit() and len(packed) in (_ROW, _GRID) else ""


def _ends_head(line: str, rows: list[tuple[int, str]], after: list[str]) -> bool:
    """Whether a line is the rule under a table's head: one row stands before it, and four follow at once."""
    rows_follow = len(after) >= _ROW and all(len(_row(each)) == _ROW for each in after[:_ROW])
    return len(rows) == 1 and rows_follow and len(line) <= _LONGEST_LINE and _TABLE_RULE.fullmatch(line) is not None
