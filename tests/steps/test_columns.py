"""Columns of tables that may be anybody's: whatever their type, values or an exception of Arrow's."""

import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from selfimp_bench.steps.columns import floats, integers, labels

TEXTS = pa.array(["a", "b", None, "a"])
COLUMNS = {
    "texts": TEXTS,
    "text views": TEXTS.cast(pa.string_view()),
    "dictionary": TEXTS.dictionary_encode(),
    "dictionary with None": TEXTS.dictionary_encode(null_encoding="encode"),
    "dictionary of numbers": pa.array([1, 2]).dictionary_encode(),
    "dictionary of lists": pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([[1]])),
    "runs": pa.RunEndEncodedArray.from_arrays([2], ["a"]),
    "small": pa.array([1], pa.uint8()),
    "large": pa.array([2**64 - 1], pa.uint64()),
    "missing": pa.array([1, None]),
    "nothing": pa.nulls(2),
    "fractions": pa.array([1.5]),
    "half": pa.array([1.0], pa.float16()),
    "truths": pa.array([True]),
    "bytes": pa.array([b"a"]),
    "times": pa.array([1], pa.timestamp("s")),
    "lists": pa.array([[1]]),
    "structs": pa.array([{"a": 1}]),
    "maps": pa.array([[(1, 2)]], pa.map_(pa.int8(), pa.int8())),
    "union": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
    "json": pa.array(["1"], pa.json_()),
}


@pytest.mark.parametrize("read", [integers, floats, labels])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_any_type_is_read_or_refused(name: str, read: Callable[[pa.ChunkedArray], Any]) -> None:
    try:
        read(pa.chunked_array([COLUMNS[name]]))
    except pa.ArrowException as error:
        assert str(error)


@pytest.mark.parametrize("name", ["texts", "dictionary", "dictionary with None"])
def test_labels_are_in_the_order_of_their_first_rows_however_they_are_stored(name: str) -> None:
    found, codes = labels(pa.chunked_array([COLUMNS[name][:1], COLUMNS[name][1:]]))
    assert (found, codes.tolist()) == (("a", "b", None), [0, 1, 2, 0])


def test_numbers_are_numbers_and_a_missing_one_is_none() -> None:
    assert integers(pa.chunked_array([[1], [2]], pa.uint8())).tolist() == [1, 2]
    one, none = floats(pa.chunked_array([COLUMNS["missing"]])).tolist()
    assert one == 1.0 and math.isnan(none)
    for refused in ("missing", "fractions", "texts"):
        with pytest.raises(pa.ArrowException):
            integers(pa.chunked_array([COLUMNS[refused]]))


def test_columns_without_rows_are_empty() -> None:
    none = pa.chunked_array([], pa.string())
    assert (integers(none).tolist(), floats(none).tolist(), labels(none)[0]) == ([], [], ())
