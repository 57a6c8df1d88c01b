"""Written numbers: a formatted number reads back as its value."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from selfimp_bench.tasks.grading.numbers import MAX_DIGITS, find_numbers, parse_number

WHOLE = st.integers(min_value=-(10**30), max_value=10**30)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12)


@given(WHOLE)
def test_a_whole_number_reads_back_plain_with_commas_currency_and_percent(value):
    sign, size = ("-" if value < 0 else ""), abs(value)
    for text in (
        f"{value}",
        f"{value:,}",
        f"{sign}${size:,}",
        f"${value}",
        f"{value}%",
        f"{value:,} €",
        f" {value}.\n",
    ):
        assert parse_number(text) == value
    assert parse_number(f"{value}".replace("-", "−")) == value


@given(DECIMALS)
def test_a_decimal_reads_back_exactly(value):
    assume(value != 0)
    assert parse_number(f"{value:f}") == Fraction(value)
    assert parse_number(f"{value:,f}") == Fraction(value)
    assert parse_number(f"{value:.5e}") == Fraction(Decimal(f"{value:.5e}"))


@given(WHOLE, st.integers(min_value=1, max_value=10**9))
def test_a_fraction_reads_back_exactly(numerator, denominator):
    assert parse_number(f"{numerator}/{denominator}") == Fraction(numerator, denominator)


@given(st.integers(min_value=1, max_value=999), st.integers(min_value=1, max_value=99), st.data())
def test_a_mixed_number_is_the_sum_of_its_parts(whole, denominator, data):
    numerator = data.draw(st.integers(min_value=0, max_value=denominator - 1))
    assert parse_number(f"{whole} {numerator}/{denominator}") == whole + Fraction(numerator, denominator)
    assert parse_number(f"-{whole} {numerator}/{denominator}") == -(whole + Fraction(numerator, denominator))


@given(st.text(alphabet=st.characters(exclude_categories=())) | st.text(alphabet="0123456789.,$-−/ e"))
def test_what_is_found_is_where_it_says_and_in_order(text):
    end = 0
    for number in find_numbers(text):
        assert end <= number.start < number.end
        assert text[number.start : number.end] == number.text
        assert any(c in "0123456789" for c in number.text)
        end = number.end


def test_the_last_digits_of_a_list_of_numbers_are_found_with_their_own_values():
    found = find_numbers("$1,080 for 3/4 of 2 1/2 at -5.50, then .5")
    assert [number.text for number in found] == ["$1,080", "3/4", "2 1/2", "-5.50", ".5"]
    assert [number.value for number in found] == [
        1080,
        Fraction(3, 4),
        Fraction(5, 2),
        Fraction(-11, 2),
        Fraction(1, 2),
    ]


@pytest.mark.parametrize("text", ["", "...", "..", ",", ".", "-", "$", "-$", "/", "%", "e5", "½", "١٨", "####"])
def test_marks_without_an_ascii_digit_are_no_number(text):
    if text != "e5":
        assert find_numbers(text) == ()
    assert parse_number(text) is None


@pytest.mark.parametrize("text", ["18 19", "18 apples", "(18)", "x18", "1,00", "1/0", "1/2/3", "1e1000", "+-5"])
def test_a_text_that_is_more_or_less_than_one_number_does_not_parse(text):
    assert parse_number(text) is None


def test_a_run_of_digits_is_readable_up_to_the_limit():
    assert parse_number("9" * MAX_DIGITS) == 10**MAX_DIGITS - 1
    assert parse_number("9" * (MAX_DIGITS + 1)) is None
    assert parse_number("9" * 10_000) is None
