"""Reading judgements: the cases of judgement_cases.jsonl, properties, and hostile text."""

import json
from pathlib import Path

import pytest
from growth import assert_linear
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.protocols.verification.judgement import (
    JudgementOutcome,
    parse_correctness,
    parse_preference,
    parse_score,
)

CASES = [json.loads(line) for line in Path(__file__).with_name("judgement_cases.jsonl").read_text("utf-8").splitlines()]
PARSERS = {"correctness": parse_correctness, "score": parse_score, "preference": parse_preference}
PHRASES = {"correctness": "Correctness:", "score": "Score:", "preference": "Preferred solution:"}
SCALES = {
    "correctness": {0.0, 1.0},
    "score": {float(score) for score in range(1, 11)},
    "preference": {"A", "B"},
}
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))
VERDICT_LIKE = st.text(alphabet='0123456789AaBbCincorrectOor.,/-<>*()" \n%')

every_kind = pytest.mark.parametrize("kind", PARSERS)


@pytest.mark.parametrize("case", CASES, ids=[f"{case['kind']} {case['judgement'][:40]!r}" for case in CASES])
def test_each_case_is_read_as_listed(case):
    found = PARSERS[case["kind"]](case["judgement"], truncated=case["truncated"])
    assert (found.outcome, found.value) == (case["outcome"], case["value"]), case["why"]


@every_kind
def test_the_cases_of_each_kind_have_every_outcome_it_can_have(kind):
    there = {case["outcome"] for case in CASES if case["kind"] == kind}
    assert there == set(JudgementOutcome) - ({JudgementOutcome.OUT_OF_RANGE} if kind == "correctness" else set())


@pytest.mark.parametrize("score", range(1, 11))
def test_every_score_of_the_scale_is_read(score):
    assert parse_score(f"Good. Score: {score}", truncated=False).value == float(score)


@every_kind
@given(before=ANY_TEXT, after=ANY_TEXT | VERDICT_LIKE, truncated=st.booleans())
def test_no_text_raises_and_a_value_is_there_exactly_when_parsed(kind, before, after, truncated):
    for judgement in (after, f"{before} {PHRASES[kind]} {after}"):
        found = PARSERS[kind](judgement, truncated=truncated)
        assert (found.value is not None) == (found.outcome is JudgementOutcome.PARSED)
        assert found.value is None or found.value in SCALES[kind]


@every_kind
@given(after=VERDICT_LIKE)
def test_a_cut_only_ever_takes_a_verdict_away(kind, after):
    judgement = f"{PHRASES[kind]} {after}"
    whole, cut = (PARSERS[kind](judgement, truncated=truncated) for truncated in (False, True))
    assert cut == whole or cut.outcome is JudgementOutcome.UNPARSED


@every_kind
@pytest.mark.parametrize("unit", ["{phrase}", "{phrase} <", "{phrase}\n", "*", " ", "(", "1", "\nProblem:", "1/"])
def test_hostile_text_is_read_in_linear_time(kind, unit):
    def read(pieces):
        text = unit.format(phrase=PHRASES[kind]) * pieces
        PARSERS[kind](text, truncated=False)
        PARSERS[kind](f"{PHRASES[kind]} {text}", truncated=True)

    assert_linear(read, 2_500)
