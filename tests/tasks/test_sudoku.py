"""Sudoku as a task: the grids, the solver held against another one, and the puzzles."""

from functools import cache
from itertools import permutations, product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Split
from selfimp_bench.steps.dataset import problems_digest
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.sudoku import (
    BLANKS,
    GRIDS,
    MOST_BLANKS,
    all_grids,
    clues_of,
    empty_cells,
    first_clash,
    generate,
    problem_from_row,
    solutions,
    write_grid,
)

PRINTED = ("0321003004002100", "0300210000011043")
PRINTED_SOLUTIONS = ("43 21\n12 34\n34 12\n21 43", "43 12\n21 34\n34 21\n12 43")


@cache
def grids_by_brute_force() -> frozenset[tuple[int, ...]]:
    """Every grid of four rows that are permutations, kept when columns and quadrants are, too: no solver at all."""
    rows = list(permutations((1, 2, 3, 4)))
    full = {1, 2, 3, 4}
    upper = [(a, b) for a, b in product(rows, rows) if {*a[:2], *b[:2]} == full and {*a[2:], *b[2:]} == full]
    return frozenset(
        a + b + c + d
        for (a, b), (c, d) in product(upper, upper)
        if all(set(cells) == full for cells in zip(a, b, c, d, strict=True))
    )


def solved_by_brute_force(puzzle: tuple[int, ...]) -> list[tuple[int, ...]]:
    return sorted(
        grid
        for grid in grids_by_brute_force()
        if all(clue in (0, cell) for clue, cell in zip(puzzle, grid, strict=True))
    )


@cache
def puzzles(seed: int) -> tuple[Problem, ...]:
    return generate(Split.TEST, count=GRIDS, seed=seed)


def test_all_grids_are_the_288_that_brute_force_finds() -> None:
    assert len(all_grids()) == GRIDS == 288
    assert set(all_grids()) == grids_by_brute_force()
    assert list(all_grids()) == sorted(all_grids())


@given(st.lists(st.integers(0, 4), min_size=16, max_size=16))
def test_the_solver_finds_what_brute_force_finds(cells: list[int]) -> None:
    assert list(solutions(tuple(cells))) == solved_by_brute_force(tuple(cells))


@given(st.integers(0, GRIDS - 1), st.sets(st.integers(0, 15)))
def test_the_solver_finds_every_solution_of_a_grid_with_cells_emptied(index: int, emptied: set[int]) -> None:
    puzzle = tuple(0 if place in emptied else cell for place, cell in enumerate(all_grids()[index]))
    assert list(solutions(puzzle)) == solved_by_brute_force(puzzle)


@pytest.mark.parametrize(
    ("cells", "clash"),
    [
        ("0321003004002100", None),
        ("0" * 16, None),
        ("1000000000000001", None),
        ("1001000000000000", "row 1"),
        ("0000000000002020", "row 4"),
        ("0300000000000300", "column 2"),
        ("0000000000100001", "quadrant 4"),
        ("0010030000000000", None),
        ("0010000100000000", "quadrant 2"),
    ],
)
def test_a_clash_is_told_by_row_column_or_quadrant(cells: str, clash: str | None) -> None:
    assert first_clash(tuple(map(int, cells))) == clash


@pytest.mark.parametrize("seed", [1, 2])
def test_there_is_one_puzzle_for_each_grid_all_different_with_one_solution_each(seed: int) -> None:
    problems = puzzles(seed)
    assert len({problem.puzzle for problem in problems}) == GRIDS
    assert len({problem.problem_id for problem in problems}) == GRIDS
    found = []
    for problem in problems:
        (grid,) = solved_by_brute_force(clues_of(problem))
        assert problem.answer == write_grid(grid)
        assert problem.question == write_grid(clues_of(problem))
        assert clues_of(problem).count(0) == BLANKS
        found.append(grid)
    assert set(found) == grids_by_brute_force()


def test_every_grid_can_lose_ten_cells_whatever_the_order() -> None:
    for grid, seed in product(all_grids(), range(5)):
        puzzle = empty_cells(grid, blanks=MOST_BLANKS, rng=Random(seed))
        assert puzzle.count(0) == MOST_BLANKS
        assert solved_by_brute_force(puzzle) == [grid]


@pytest.mark.parametrize("blanks", [-1, 11])
def test_more_blanks_than_every_grid_can_lose_are_refused(blanks: int) -> None:
    with pytest.raises(ValueError, match="expected 0 to 10"):
        empty_cells(all_grids()[0], blanks=blanks, rng=Random(1))


def test_puzzles_depend_on_the_seed_and_a_larger_count_extends_the_list() -> None:
    assert generate(Split.TEST, count=GRIDS, seed=1) == puzzles(1)
    assert generate(Split.TEST, count=40, seed=1) == puzzles(1)[:40]
    assert {problem.puzzle for problem in puzzles(1)} != {problem.puzzle for problem in puzzles(2)}


@pytest.mark.parametrize(("split", "count"), [(Split.TEST, 289), (Split.TRAIN, 10), (Split.OOD, 10)])
def test_more_puzzles_than_grids_and_other_splits_are_refused(split: Split, count: int) -> None:
    with pytest.raises(InputError, match="288 puzzles of split test"):
        generate(split, count=count, seed=1)


def test_the_rows_of_seed_one_are_pinned() -> None:
    assert problems_digest(puzzles(1)) == "ffdd648246adc07d6f5ba7d77b24c569c13b9770e8add787c83614ef968b9bbf"


@pytest.mark.parametrize(("puzzle", "grid"), list(zip(PRINTED, PRINTED_SOLUTIONS, strict=True)))
def test_the_papers_two_puzzles_have_one_solution_and_as_many_blanks_as_ours(puzzle: str, grid: str) -> None:
    problem = problem_from_row({"puzzle": puzzle}, "test-0")
    assert (problem.answer, problem.puzzle, problem.problem_id) == (grid, puzzle, "test-0")
    assert clues_of(problem).count(0) == BLANKS
    assert problem_from_row({"puzzle": problem.question}, "test-0") == problem


@pytest.mark.parametrize("puzzle", ["", "0321", "0" * 16, "1100000000000000", "032100300400210x", 5])
def test_a_row_without_a_puzzle_of_one_solution_is_told_by_column(puzzle: object) -> None:
    with pytest.raises(InputError, match="row test-0, column 'puzzle'"):
        problem_from_row({"puzzle": puzzle}, "test-0")
