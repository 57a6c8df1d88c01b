"""CommonsenseQA as a task: the layouts of its rows, labels, prompt fields, and the real rows' digest."""

import pytest
from real_rows import real_rows

from selfimp_bench.errors import InputError
from selfimp_bench.steps.dataset import problems_digest
from selfimp_bench.tasks.commonsense_qa import gold_answer, problem_from_row
from selfimp_bench.tasks.problem import Problem

TEXTS = ["bank", "library", "store", "mall", "new york"]
HUB = {
    "id": "1afa",
    "question": "Where?",
    "question_concept": "door",
    "choices": {"label": list("ABCDE"), "text": TEXTS},
    "answerKey": "B",
}
PAIRS = [{"label": label, "text": text} for label, text in zip("ABCDE", TEXTS, strict=True)]
ORIGINAL = {"id": "1afa", "question": {"stem": "Where?", "choices": PAIRS}, "answerKey": "B"}
EXPECTED = Problem(problem_id="1afa", question="Where?", answer="B", choices=tuple(TEXTS))


@pytest.mark.parametrize("row", [HUB, ORIGINAL, HUB | {"choices": PAIRS}], ids=["hub", "original", "pairs"])
def test_every_layout_gives_the_same_problem(row):
    assert problem_from_row(row, "validation-0") == EXPECTED


def test_a_row_without_an_id_takes_the_one_given():
    row = {key: value for key, value in HUB.items() if key != "id"}
    assert problem_from_row(row, "validation-0").problem_id == "validation-0"


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"question": None}, "'question'"),
        ({"choices": None}, "'choices'"),
        ({"choices": {"label": list("ABCD"), "text": TEXTS[:4]}}, "'choices.label'"),
        ({"choices": {"label": list("BACDE"), "text": TEXTS}}, "'choices.label'"),
        ({"choices": {"label": list("ABCDE"), "text": TEXTS[:4]}}, "'choices.text'"),
        ({"choices": {"label": list("ABCDE")}}, "'text'"),
        ({"choices": [{"label": "A"}]}, "'choices.label'"),
        ({"answerKey": ""}, "'answerKey'"),
        ({"answerKey": None}, "'answerKey'"),
        ({"answerKey": "F"}, "'answerKey'"),
    ],
)
def test_what_cannot_be_read_is_told_by_row_and_column(change, column):
    with pytest.raises(InputError, match=f"row test-3.*{column}"):
        problem_from_row(HUB | change, "test-3")


def test_the_gold_answer_is_the_label():
    assert gold_answer(EXPECTED) == "B"


def test_the_real_validation_rows_have_the_pinned_digest():
    rows = real_rows("commonsense_qa/validation.jsonl")
    problems = [problem_from_row(row, f"validation-{index}") for index, row in enumerate(rows)]
    assert len({problem.problem_id for problem in problems}) == 1221
    assert problems_digest(problems) == "426e1716abb2714ecea1fc398eb07cbcc1f4fe29be02416cbe5b7ff8b40b0b6a"
