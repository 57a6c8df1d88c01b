"""GSM8K answers in the chain-of-thought format: the cases of gsm8k_cot_cases.jsonl, and properties."""

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_rows import real_rows

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.grading.gsm8k_cot import grade_gsm8k_cot
from selfimp_bench.tasks.grading.outcome import Outcome

CASES = [json.loads(line) for line in Path(__file__).with_name("gsm8k_cot_cases.jsonl").read_text("utf-8").splitlines()]
ANSWER_LIKE = st.text(alphabet="0123456789.,$€-−/ \n()=%e½²xorTheanswiQ:")


@pytest.mark.parametrize("case", CASES, ids=[f"{case['completion'][-40:]!r} for {case['gold']}" for case in CASES])
def test_each_case_is_judged_as_listed(case):
    both = grade_gsm8k_cot(case["completion"], case["gold"], truncated=case["truncated"])
    assert (both.strict.outcome, both.flexible.outcome) == (case["strict"], case["flexible"]), case["why"]


def test_a_grade_shows_the_answer_as_written_or_says_why_there_is_none():
    assert grade_gsm8k_cot("The answer is 18,000 cents.", "18000", truncated=False).strict.extracted == "18,000"
    none = grade_gsm8k_cot("no idea", "18", truncated=False)
    assert (none.strict.detail, none.flexible.detail) == (
        "no number right after 'The answer is'",
        "no number in the text",
    )
    hedge = grade_gsm8k_cot("The answer is 18 or 19.", "18", truncated=False).strict
    assert hedge.detail == "several numbers after 'The answer is': '18 or 19.'"


def test_a_gold_answer_that_is_no_number_is_an_input_error():
    with pytest.raises(InputError, match="gold answer 'eighteen' is not a number"):
        grade_gsm8k_cot("The answer is 18.", "eighteen", truncated=False)


@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,6}|[1-9][0-9]{0,2}(,[0-9]{3}){1,2})(\.[0-9]{1,3})?", fullmatch=True),
    st.sampled_from([". ", ".", " dollars.", "%.", ".\n\nQ: 5?\nA: The answer is 5.", ". The answer is 7."]),
)
def test_strict_reads_the_number_that_the_harness_reads(number, after):
    completion = f" So it is 3. The answer is {number}{after}"
    harness = re.search(r"The answer is (\-?[0-9\.\,]+).", completion)
    assert harness is not None
    ours = grade_gsm8k_cot(completion, "1", truncated=False).strict.extracted
    assert ours == number == harness[1].rstrip(".")


@given(ANSWER_LIKE | st.text(), st.booleans())
def test_no_text_raises_and_flexible_reads_every_answer_that_strict_reads(text, truncated):
    for completion in (text, f"The answer is {text}"):
        both = grade_gsm8k_cot(completion, "18", truncated=truncated)
        assert both.flexible == both.strict or both.strict.outcome is Outcome.UNPARSED
        for grade in (both.strict, both.flexible):
            assert (grade.extracted is not None) == (grade.outcome in (Outcome.CORRECT, Outcome.WRONG))


@pytest.mark.parametrize("unit", ["The answer is ", "The answer is 1", "The answer is -", "1,", "Q:", " "])
def test_hostile_text_is_read_in_linear_time(unit):
    start = time.process_time()
    grade_gsm8k_cot(unit * 50_000, "18", truncated=False)
    grade_gsm8k_cot("The answer is 1" + unit * 50_000, "18", truncated=False)
    assert time.process_time() - start < 30


def test_every_real_gold_number_is_read_in_the_format_of_the_examples():
    for row in real_rows("gsm8k/test.jsonl"):
        gold = row["answer"].rpartition("#### ")[2]
        both = grade_gsm8k_cot(f" So. The answer is {gold}.\n\nQ: 1 + 1?\nA: The answer is 2.", gold, truncated=True)
        assert (both.strict.outcome, both.flexible.outcome) == (Outcome.CORRECT, Outcome.CORRECT), gold
