"""Gold solutions: answers alone, or each rationale with the answer."""

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.steps.gold import ANSWERS_ALONE, gold_solutions
from selfimp_bench.tasks.problem import Problem

PROBLEMS = tuple(Problem(problem_id=name, question="Where?", answer=label) for name, label in (("p", "B"), ("q", "C")))


def _row(about: str, text: str | None) -> Problem:
    return Problem(problem_id=about, question="", answer=text)


def test_answers_stand_alone() -> None:
    assert ANSWERS_ALONE.of(PROBLEMS[0]) == ("B",)


def test_each_rationale_once_with_the_answer_and_none_where_there_is_none() -> None:
    rows = [_row("p", "It has {doors}."), _row("other", "x"), _row("p", "Why not?"), _row("p", "It has {doors}.")]
    found = gold_solutions("{rationale} The answer is {answer}.", [*rows, _row("q", None)], PROBLEMS)
    assert found.of(PROBLEMS[0]) == ("It has {doors}. The answer is B.", "Why not? The answer is B.")
    assert found.of(PROBLEMS[1]) == ()


def test_a_text_that_looks_like_the_template_stays_as_it_is() -> None:
    found = gold_solutions("{rationale} {answer}", [_row("p", "{answer} {rationale}")], PROBLEMS)
    assert found.of(PROBLEMS[0]) == ("{answer} {rationale} B",)


def test_rationales_of_other_problems_are_refused() -> None:
    with pytest.raises(InputError, match=r"none of the rationales is about a problem.*'other'"):
        gold_solutions("{rationale} {answer}", [_row("other", "x")], PROBLEMS)


def test_a_problem_without_an_answer_is_refused() -> None:
    with pytest.raises(InputError, match="problem r has no `answer`"):
        ANSWERS_ALONE.of(Problem(problem_id="r", question="Where?"))
