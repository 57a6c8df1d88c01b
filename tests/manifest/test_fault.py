"""How a place and a value are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.manifest.fault import path_text, shown


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "$"),
        (("claims", 0, "order"), "$.claims[0].order"),
        (("sft", "adam_beta1"), "$.sft.adam_beta1"),
        (("a b",), '$["a b"]'),
        (("",), '$[""]'),
    ],
)
def test_a_path_reads_like_json_path(path: tuple[str | int, ...], text: str) -> None:
    assert path_text(path) == text


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none())
def test_a_shown_value_is_short_and_stays_on_its_line(value: object) -> None:
    assert shown(value).isprintable()
    assert len(shown(value)) < 100
