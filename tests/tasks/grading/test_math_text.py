"""Mathematical answers as text: properties of the one way of writing (the cases are in math_cases.jsonl)."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.tasks.grading.math_text import last_line_answer, marked_answer, normalised

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))
MATH_LIKE = st.lists(
    st.sampled_from(
        [*"0123456789xy{}$\\=.,()^/ \n", r"\frac", r"\boxed{", r"\text{", r"\sqrt", r"\left", "answer is "]
    ),
    max_size=14,
).map("".join)


@given(ANY_TEXT | MATH_LIKE)
def test_nothing_raises_and_an_answer_is_never_blank(text):
    normalised(text)
    for answer in (marked_answer(text), last_line_answer(text)):
        assert answer is None or answer.text.strip()


@given(MATH_LIKE)
def test_spacing_does_not_count(text):
    """Around ``=`` and after a comma, that is; after a backslash both are names of their own (``\\,`` is a space)."""
    spaced = re.sub(r"(?<!\\)=", " = ", re.sub(r"(?<!\\),", ", ", text))
    assert normalised(spaced) == normalised(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,2", "12"),
        ("1,20", "120"),
        ("10000,1", "100001"),
        (r"\sqrt{2}", "2"),
        ("x^2", "x2"),
        ("-5", "5"),
        ("3i", "3"),
    ],
)
def test_different_answers_stay_different(one, other):
    assert normalised(one) != normalised(other)


HOSTILE = {
    "boxes": r"\boxed{" * 50_000,
    "braces": r"\boxed{" + "{" * 300_000,
    "dollars": "$" * 300_001,
    "openings": r"\(" * 100_000,
    "statements": "answer is " * 50_000,
    "spaces": "answer is" + " " * 300_000 + "x",
    "fractions": r"\boxed{" + r"\frac{" * 50_000 + "}" * 50_001,
    "equals": "=" * 300_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_read_in_linear_time(name):
    start = time.process_time()
    for answer in (marked_answer(HOSTILE[name]), last_line_answer(HOSTILE[name])):
        if answer is not None:
            normalised(answer.text)
    assert time.process_time() - start < 10
