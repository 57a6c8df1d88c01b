"""One scalar at a time: YAML 1.2, and refusals where YAML 1.1 would read something else."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.manifest.yaml_scalar import RefusedScalar, read_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-6", 5e-6),
        ("1E5", 1e5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-0.25", -0.25),
        ("0", 0),
        ("-1", -1),
        ("+12", 12),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("nan", "nan"),
        ("1e", "1e"),
        ("e5", "e5"),
        ("1.2.3", "1.2.3"),
        ("sft-gold", "sft-gold"),
        ("pass@1", "pass@1"),
        (str(2**63 - 1), 2**63 - 1),
    ],
)
def test_a_plain_scalar_has_the_value_of_yaml_1_2(text: str, value: object) -> None:
    found = read_scalar(text, quoted=False)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "007",
        "-01",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "1_0.5",
        "2024-01-31",
        "2024-1-1T10:00:00Z",
        "12:30",
        "1:30:00",
        ".inf",
        "-.Inf",
        ".NaN",
        "1e999",
        "-1e999",
        str(2**63),
        "9" * 5000,
    ],
)
def test_a_scalar_that_readers_disagree_about_is_refused(text: str) -> None:
    assert isinstance(read_scalar(text, quoted=False), RefusedScalar)


@pytest.mark.parametrize("text", ["", "007", "0x1F", "2024-01-31", "12:30", ".inf", "null", "true", "5e-6"])
def test_quotes_make_text_of_anything(text: str) -> None:
    assert read_scalar(text, quoted=True) == text


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_no_file_can_hold_is_refused(text: str, quoted: bool) -> None:
    assert isinstance(read_scalar(text, quoted=quoted), RefusedScalar)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_is_read_back(value: float) -> None:
    found = read_scalar(repr(value), quoted=False)
    assert isinstance(found, float)
    assert found == value
    assert math.copysign(1, found) == math.copysign(1, value)


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    read_scalar(text, quoted=False)
