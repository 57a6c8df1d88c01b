r"""MATH as a task: the layouts of its rows, and what the last \boxed holds."""

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.competition_math import gold_answer, last_box, problem_from_row
from selfimp_bench.tasks.problem import Problem

ROW = {"problem": "What is $2+3$?", "level": "Level 1", "type": "Prealgebra", "solution": r"It is $\boxed{5}$."}
EXPECTED = Problem(
    problem_id="train-0", question="What is $2+3$?", answer=r"It is $\boxed{5}$.", level=1, subject="Prealgebra"
)


def test_a_row_becomes_a_problem():
    assert problem_from_row(ROW, "train-0") == EXPECTED
    assert gold_answer(EXPECTED) == "5"


def test_a_mirror_with_other_names_gives_the_same_problem_under_its_own_id():
    row = {
        "problem": "What is $2+3$?",
        "solution": r"It is $\boxed{5}$.",
        "answer": "5",
        "subject": "Prealgebra",
        "level": 1,
        "unique_id": "test/prealgebra/1.json",
    }
    assert problem_from_row(row, "train-0") == Problem(
        problem_id="test/prealgebra/1.json",
        question=EXPECTED.question,
        answer=EXPECTED.answer,
        level=1,
        subject="Prealgebra",
    )


@pytest.mark.parametrize(
    ("level", "expected"), [("Level 5", 5), ("3", 3), (2, 2), ("Level ?", None), (None, None)], ids=str
)
def test_a_level_is_a_number_or_unknown(level, expected):
    assert problem_from_row(ROW | {"level": level}, "train-0").level == expected


@pytest.mark.parametrize("level", ["Level 0", "Level 6", "hard", "", True, 2.5, "Level 1 "])
def test_another_level_is_told_by_row_and_column(level):
    with pytest.raises(InputError, match="row train-0, column 'level'"):
        problem_from_row(ROW | {"level": level}, "train-0")


@pytest.mark.parametrize("column", ["problem", "solution", "type"])
def test_a_missing_column_is_told(column):
    row = {key: value for key, value in ROW.items() if key != column}
    with pytest.raises(InputError, match=f"row train-0: no column '{column}'"):
        problem_from_row(row, "train-0")


@pytest.mark.parametrize(
    ("solution", "box"),
    [
        (r"$\boxed{5}$", "5"),
        (r"$\boxed{4}$ then $\boxed{ 5 }$", "5"),
        (r"$\fbox{5}$", "5"),
        (r"$\boxed 5$.", "5"),
        (r"so \boxed 5.", "5"),
        (r"\(\boxed\frac12\)", r"\frac12"),
        (r"$\boxed{\boxed{5}}$", "5"),
        (r"$\boxed{\frac{1}{2^{3}}}$ and {more}", r"\frac{1}{2^{3}}"),
        (r"$\boxed{\{1\}}$", r"\{1\}"),
        (r"$\boxed{\left\{x\right.}$", r"\left\{x\right."),
        (r"$\boxed{a \\ b}$", r"a \\ b"),
        (r"$\boxed{}$", ""),
        (r"$\boxed{5$", None),
        (r"$\boxed{4}$ then $\boxed{5", None),
        (r"\boxedx{5}", None),
        (r"\boxed", None),
        ("5", None),
    ],
)
def test_the_last_box_ends_at_its_own_brace(solution, box):
    assert last_box(solution) == box
