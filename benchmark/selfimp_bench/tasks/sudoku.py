"""4x4 Sudoku: puzzles with one solution each, one for every complete grid (288), seeded; and the solver.

A grid is sixteen digits, row by row: every row, column and 2x2 quadrant has 1 to 4 once. In a puzzle 0 is an empty
cell. Written as in Appendix G of 2412.02674: a line a row, a blank in its middle (``03 21``).
"""

from collections.abc import Iterator
from functools import cache
from itertools import islice
from random import Random
from typing import Final

from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Split
from selfimp_bench.tasks.columns import Row, refuse, text
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.tiny_gsm import seeded_random

Cells = tuple[int, ...]
"""Sixteen digits 0 to 4, row by row."""

GRIDS: Final = 288
BLANKS: Final = 9
"""Empty cells of a puzzle: both puzzles that the paper prints have nine. It says nothing about the others."""
MOST_BLANKS: Final = 10
"""Emptied in any order as far as the solution stays unique, every grid loses at least ten cells (checked in tests)."""

_SIDE: Final = 4
_CELLS: Final = _SIDE * _SIDE
_DIGITS: Final = range(1, _SIDE + 1)


def _groups() -> Iterator[tuple[str, tuple[int, ...]]]:
    for n in range(_SIDE):
        yield f"row {n + 1}", tuple(range(n * _SIDE, (n + 1) * _SIDE))
        yield f"column {n + 1}", tuple(range(n, _CELLS, _SIDE))
        corner = n // 2 * 2 * _SIDE + n % 2 * 2
        yield f"quadrant {n + 1}", (corner, corner + 1, corner + _SIDE, corner + _SIDE + 1)


_GROUPS: Final = tuple(_groups())


def solutions(puzzle: Cells) -> Iterator[Cells]:
    """Every complete grid that keeps the puzzle's clues, in the order of their digits."""
    if first_clash(puzzle) is None:
        yield from _fill(puzzle)


def first_clash(cells: Cells) -> str | None:
    """The first row, column or quadrant in which a digit stands twice (``row 2``); None if there is none."""
    for name, group in _GROUPS:
        digits = [cells[place] for place in group if cells[place]]
        if len(set(digits)) < len(digits):
            return name
    return None


@cache
def all_grids() -> tuple[Cells, ...]:
    """The 288 complete grids, in the order of their digits."""
    return tuple(_fill((0,) * _CELLS))


def empty_cells(grid: Cells, *, blanks: int, rng: Random) -> Cells:
    """A puzzle with this one solution and ``blanks`` (0 to 10) empty cells, emptied in an order drawn from rng."""
    if not 0 <= blanks <= MOST_BLANKS:
        raise ValueError(f"blanks is {blanks}; expected 0 to {MOST_BLANKS}")
    puzzle = grid
    for place in rng.sample(range(_CELLS), _CELLS):
        if puzzle.count(0) == blanks:
            break
        emptied = (*puzzle[:place], 0, *puzzle[place + 1 :])
        if _has_one_solution(emptied):
            puzzle = emptied
    return puzzle


def generate(split: Split, *, count: int, seed: int) -> tuple[Problem, ...]:
    """The first ``count`` puzzles in an order of the grids drawn from ``seed``, one puzzle a grid.

    Raises InputError for more than 288, and for another split than test: all splits would have the same grids.
    """
    if split is not Split.TEST or count > GRIDS:
        raise InputError(
            f"sudoku has {GRIDS} puzzles of split {Split.TEST}, one for each complete grid; found count {count} of "
            f"split {split}"
        )
    order = seeded_random("sudoku", str(seed)).sample(all_grids(), GRIDS)
    return tuple(
        _problem(
            empty_cells(grid, blanks=BLANKS, rng=seeded_random("sudoku", str(seed), digits(grid))),
            grid,
            f"sudoku-{split}-{seed}-{index:05d}",
        )
        for index, grid in enumerate(order[:count])
    )


def problem_from_row(row: Row, problem_id: str) -> Problem:
    """A problem from a row with a ``puzzle`` of sixteen digits (blanks and line breaks do not count).

    Raises InputError by row and column, also for a puzzle without exactly one solution.
    """
    cells = _read(text(row, problem_id, "puzzle"))
    found = tuple(islice(solutions(cells), 2)) if cells else ()
    if cells is None or len(found) != 1:
        refuse(problem_id, "puzzle", row["puzzle"], "sixteen digits 0 to 4 that have exactly one solution")
    return _problem(cells, found[0], problem_id)


def clues_of(problem: Problem) -> Cells:
    """The puzzle's cells. Raises InputError, naming the problem, where ``puzzle`` is not sixteen digits 0 to 4."""
    cells = _read(problem.puzzle or "")
    if cells is None:
        raise InputError(
            f"problem {problem.problem_id}: its `puzzle` is {problem.puzzle!r}; expected sixteen digits 0 to 4, row by "
            "row: mend the problems file"
        )
    return cells


def write_grid(cells: Cells) -> str:
    """Cells as the prompts have them: a line a row, a blank in its middle."""
    rows = (digits(cells[start : start + _SIDE]) for start in range(0, len(cells), _SIDE))
    return "\n".join(f"{row[:2]} {row[2:]}" for row in rows)


def digits(cells: Cells) -> str:
    """Cells as digits, nothing between them."""
    return "".join(map(str, cells))


def _problem(puzzle: Cells, grid: Cells, problem_id: str) -> Problem:
    return Problem(problem_id=problem_id, question=write_grid(puzzle), puzzle=digits(puzzle), answer=write_grid(grid))


def _fill(cells: Cells) -> Iterator[Cells]:
    if 0 not in cells:
        yield cells
        return
    place = cells.index(0)
    taken = {cells[other] for _, group in _GROUPS if place in group for other in group}
    for digit in _DIGITS:
        if digit not in taken:
            yield from _fill((*cells[:place], digit, *cells[place + 1 :]))


def _has_one_solution(puzzle: Cells) -> bool:
    return len(tuple(islice(solutions(puzzle), 2))) == 1


def _read(written: str) -> Cells | None:
    packed = "".join(written.split())
    return tuple(map(int, packed)) if len(packed) == _CELLS and set(packed) <= set("01234") else None
