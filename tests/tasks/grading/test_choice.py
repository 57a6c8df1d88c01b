"""Multiple-choice answer checking: the cases of choice_cases.jsonl, properties, and every real label."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_rows import real_rows

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.commonsense_qa import LABELS, problem_from_row
from selfimp_bench.tasks.grading.choice import grade_choice
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.problem import Problem

CASES = [json.loads(line) for line in Path(__file__).with_name("choice_cases.jsonl").read_text("utf-8").splitlines()]
CHOICES = ("bank", "library", "department store", "mall", "new york")
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))
ANSWER_LIKE = st.lists(
    st.sampled_from([*"ABCDEFa .,()*/\n'-", " or ", " and ", "the answer is ", "Answer:", "bank", "library"]),
    max_size=12,
).map("".join)


def problem(answer="B", choices=CHOICES):
    return Problem(problem_id="csqa-1", question="Where?", answer=answer, choices=choices)


@pytest.mark.parametrize("case", CASES, ids=[f"{case['completion'][:40]!r}" for case in CASES])
def test_each_case_is_judged_as_listed(case):
    both = grade_choice(case["completion"], problem(case["gold"]), truncated=case["truncated"])
    assert (both.strict.outcome, both.flexible.outcome) == (case["strict"], case["flexible"]), case["why"]


def test_a_grade_shows_the_label_or_says_why_there_is_none():
    right = grade_choice("(b) library", problem(), truncated=False).strict
    assert (right.extracted, right.detail) == ("B", None)
    named = grade_choice("library", problem(), truncated=False)
    assert (named.strict.extracted, named.strict.detail) == (None, "no label where an answer is given")
    assert (named.flexible.extracted, named.flexible.detail) == ("B", "by its text")
    hedge = grade_choice("The answer is B or C", problem(), truncated=False).strict
    assert (hedge.extracted, hedge.detail) == (None, "several labels: B and C")


def test_a_text_that_two_choices_share_names_neither_but_their_labels_do():
    twice = problem("E", ("clumsy", "ineffectual", "dull", "clumsy", "stupid"))
    assert grade_choice("clumsy", twice, truncated=False).flexible.outcome is Outcome.UNPARSED
    assert grade_choice("D clumsy", twice, truncated=False).strict.extracted == "D"


@pytest.mark.parametrize("answer", [None, "", "F", "b", "library"])
def test_a_problem_without_a_gold_label_is_an_input_error_that_names_it(answer):
    with pytest.raises(InputError, match="problem csqa-1: its answer is"):
        grade_choice("B", problem(answer), truncated=False)


@pytest.mark.parametrize("choices", [None, (), ("one",)])
def test_a_problem_without_choices_is_an_input_error_that_names_it(choices):
    with pytest.raises(InputError, match=r"problem csqa-1: [01] choices"):
        grade_choice("A", problem("A", choices), truncated=False)


@given(ANY_TEXT | ANSWER_LIKE, st.booleans())
def test_no_text_raises_and_flexible_reads_every_answer_that_strict_reads(text, truncated):
    for completion in (text, "The answer is " + text):
        both = grade_choice(completion, problem(), truncated=truncated)
        for grade in (both.strict, both.flexible):
            assert grade.outcome in (Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED, Outcome.TRUNCATED)
            assert (grade.extracted is not None) == (grade.outcome in (Outcome.CORRECT, Outcome.WRONG))
        if both.strict.extracted is not None:
            assert both.flexible == both.strict


HOSTILE = ["answer is " * 50_000, "A" * 500_000, "A " * 200_000, " " * 500_000, "*" * 500_000 + "a", "(" * 500_000]


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text[:10]) for text in HOSTILE])
def test_hostile_text_is_read_in_linear_time(text):
    start = time.process_time()
    grade_choice(text, problem(), truncated=False)
    grade_choice("The answer is " + text, problem(), truncated=False)
    assert time.process_time() - start < 10


@pytest.fixture(scope="module")
def problems():
    rows = real_rows("commonsense_qa/validation.jsonl")
    assert len(rows) == 1221
    return [problem_from_row(row, f"validation-{index}") for index, row in enumerate(rows)]


@pytest.mark.parametrize(
    "form", ["{label}", "({label})", "{label}. {text}", "{label} {text}", "The answer is {label}.", "Answer: ({label})"]
)
def test_every_real_gold_label_is_correct_and_every_other_label_wrong(problems, form):
    for each in problems:
        for label, text in zip(LABELS, each.choices, strict=True):
            both = grade_choice(form.format(label=label, text=text), each, truncated=False)
            expected = Outcome.CORRECT if label == each.answer else Outcome.WRONG
            assert both.strict.outcome is expected, each
            assert both.flexible.outcome is expected, each


def test_every_real_gold_text_is_correct_by_flexible_unless_two_choices_share_it(problems):
    for each in problems:
        text = each.choices[LABELS.index(each.answer)]
        shared = sum(choice.casefold() == text.casefold() for choice in each.choices) > 1
        both = grade_choice(f"The answer is {text}.", each, truncated=False)
        assert both.strict.outcome is Outcome.UNPARSED, each
        assert both.flexible.outcome is (Outcome.UNPARSED if shared else Outcome.CORRECT), each
