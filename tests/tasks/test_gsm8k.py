"""GSM8K as a task: the gold number of a problem."""

import pytest
from real_rows import real_rows

from selfimp_bench.errors import InputError
from selfimp_bench.steps.dataset import problems_digest
from selfimp_bench.tasks.gsm8k import gold_answer, problem_from_row
from selfimp_bench.tasks.problem import Problem


def test_the_gold_answer_is_the_number_after_the_last_marker_as_printed():
    problem = Problem(problem_id="p", question="?", answer="#### 3 is a step\n2*540=1080\n#### 1,080\n")
    assert gold_answer(problem) == "1,080"


@pytest.mark.parametrize("answer", [None, "", "18", "####", "#### eighteen", "#### 18 apples"])
def test_an_answer_without_a_gold_number_is_an_input_error_that_names_the_problem(answer):
    with pytest.raises(InputError, match="problem gsm8k-7: its answer ends in"):
        gold_answer(Problem(problem_id="gsm8k-7", question="?", answer=answer))


@pytest.mark.parametrize(
    ("split", "rows", "digest"),
    [
        ("train", 7473, "7cd1ce5c152a0d5701f81cfd8c8e3843867ba86c374e5facb3d291f75a3fdf4b"),
        ("test", 1319, "d245feb6e6b710b3b0f8def11122a74017e761f7b6e54671f5255b4b2714e602"),
    ],
)
def test_the_real_rows_of_a_split_have_the_pinned_digest(split, rows, digest):
    found = real_rows(f"gsm8k/{split}.jsonl")
    assert len(found) == rows
    assert problems_digest([problem_from_row(row, f"{split}-{index}") for index, row in enumerate(found)]) == digest
