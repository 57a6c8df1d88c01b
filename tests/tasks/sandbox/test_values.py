"""Values as JSON trees: what goes in comes out, of exact types, and what is no value is refused."""

import json
import math
from collections import Counter, OrderedDict, deque, namedtuple
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.tasks.sandbox.values import pack, unpack


def refuse(value):
    raise TypeError(type(value).__name__)


def unknown(tag, _content):
    raise ValueError(tag)


def there_and_back(value):
    return unpack(json.loads(json.dumps(pack(value, refuse))), unknown)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(alphabet=st.characters(exclude_categories=())),
    st.binary(),
    st.complex_numbers(allow_nan=False),
    st.decimals(allow_nan=False),
    st.fractions(),
)
hashable = st.recursive(scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
values = st.recursive(
    hashable,
    lambda inner: st.lists(inner) | st.dictionaries(hashable, inner, max_size=3) | st.sets(hashable, max_size=3),
    max_leaves=10,
)


@given(values)
def test_values_survive(value):
    back = there_and_back(value)
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "value",
    [-(2**63), 2**63, range(1, 9, 2), deque([1, (2,)]), date(2024, 2, 29), datetime(2024, 2, 29, 12), ...,
     timedelta(days=-1, microseconds=3), bytearray(b"x"), {(1, 2): [{3}]}, -0.0, math.inf, NotImplemented],
)  # fmt: skip
def test_values_of_the_standard_library_survive(value):
    back = there_and_back(value)
    assert (back, type(back), repr(back)) == (value, type(value), repr(value))


def test_a_number_that_has_too_many_digits_to_print_survives():
    assert there_and_back(-(10**5000)) == -(10**5000)


def test_not_a_number_survives():
    assert math.isnan(there_and_back(math.nan))


class Sly(str):
    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Sly("x"), "x"),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (namedtuple("P", "x y")(1, 2), (1, 2)),
        (IntEnum("E", ["A"]).A, 1),
        ([Sly("x")], ["x"]),
    ],
)
def test_an_instance_of_a_subclass_arrives_as_the_plain_value_and_is_said_to_be_like_it(value, plain):
    heard = []
    back = unpack(json.loads(json.dumps(pack(value, refuse))), lambda tag, _: heard.append(tag))
    assert type(back) is type(plain)
    assert plain == back
    assert back != "y"
    assert heard == ["like"]


@pytest.mark.parametrize(
    "tree",
    [{"a": 1, "b": 2}, {}, {"set": [[1]]}, {"dict": [1]}, {"fraction": [1, 0]}, {"int": "x"}, {"constant": "x"},
     {"decimal": []}, {"bytes": 5}, {"pickle": ""}, {"complex": ["a", "b", "c"]}, {"range": [1, 2, 0]}],
)  # fmt: skip
def test_what_is_no_value_is_refused(tree):
    with pytest.raises((ValueError, TypeError, ArithmeticError, KeyError)):
        unpack(tree, unknown)


def test_the_types_are_those_listed():
    assert there_and_back([Decimal("1.50"), Fraction(1, 3)]) == [Decimal("1.50"), Fraction(1, 3)]
    with pytest.raises(TypeError, match="object"):
        pack(object(), refuse)
