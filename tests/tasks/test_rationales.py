"""Rationales in the layouts of ECQA."""

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.rationales import problem_from_row

RELEASED = {"id": "1afa", "positives": ["a"], "negatives": [], "explanation": " A bank has doors. \n"}
JOINED = {"q_no": "1afa", "q_text": "Where?", "taskA_pos": "a", "taskB": "A bank has doors."}


@pytest.mark.parametrize("row", [RELEASED, JOINED], ids=["released", "joined"])
def test_every_layout_gives_the_problem_s_id_and_the_text(row: dict[str, object]) -> None:
    assert problem_from_row(row, "train-0") == Problem(problem_id="1afa", question="", answer="A bank has doors.")


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_a_row_without_a_text_has_none(text: str | None) -> None:
    assert problem_from_row(RELEASED | {"explanation": text}, "train-0").answer is None


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"explanation": "x"}, "'id' or 'q_no'"),
        ({"id": None, "explanation": "x"}, "'id'"),
        ({"id": "1afa"}, "'explanation' or 'taskB'"),
        ({"id": "1afa", "explanation": 3}, "'explanation'"),
    ],
)
def test_what_cannot_be_read_is_told_by_row_and_column(row: dict[str, object], column: str) -> None:
    with pytest.raises(InputError, match=f"row train-3.*{column}"):
        problem_from_row(row, "train-3")
