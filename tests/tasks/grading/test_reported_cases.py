"""Cases of people who grade answers: reports in public trackers (their ``source``) and others of the same kinds."""

import json
from collections import Counter
from pathlib import Path

import pytest

from selfimp_bench.tasks.grading.graders import GRADERS
from selfimp_bench.tasks.grading.outcome import UNJUDGED
from selfimp_bench.tasks.problem import Problem

CASES = [json.loads(line) for line in Path(__file__).with_name("reported_cases.jsonl").read_text("utf-8").splitlines()]
CHOICES = ("bank", "library", "store", "mall", "train")


def problem(task, gold):
    match task:
        case "math":
            return Problem(problem_id="case", question="?", answer=f"Thus $\\boxed{{{gold}}}$.")
        case "gsm8k" | "gsm8k_cot":
            return Problem(problem_id="case", question="?", answer=f"#### {gold}")
        case "commonsense_qa":
            return Problem(problem_id="case", question="?", choices=CHOICES, answer=gold)
        case "nq_open":
            return Problem(problem_id="case", question="?", answers=tuple(gold))
        case "sudoku":
            return Problem(problem_id="case", question="?", puzzle=gold)


@pytest.mark.parametrize("case", CASES, ids=[f"{case['task']} {case['completion'][:50]!r}" for case in CASES])
def test_a_reported_answer_is_judged_as_a_careful_person_would(case):
    both = GRADERS[case["task"]](case["completion"], problem(case["task"], case["gold"]), truncated=False)
    outcomes = (both.strict.outcome, both.flexible.outcome)
    assert outcomes == (case["strict"], case["flexible"]), (case["kind"], case["source"])
    if case["right"]:
        assert both.flexible.outcome == "correct", "flexible loses no right answer"
    else:
        assert "correct" not in outcomes, "no rule passes a wrong answer"
        assert not set(outcomes) & UNJUDGED, "a wrong answer does not vanish"


def test_every_kind_has_right_and_wrong_answers_and_dozens_are_from_public_reports():
    for kind in {case["kind"] for case in CASES} - {"unreadable LaTeX", "towers of powers"}:
        assert {case["right"] for case in CASES if case["kind"] == kind} == {True, False}, kind
    assert Counter(case["source"] != "made here" for case in CASES)[True] >= 48
