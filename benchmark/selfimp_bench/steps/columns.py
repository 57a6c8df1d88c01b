"""Columns of Arrow tables as NumPy arrays, without pyarrow's own ``to_numpy``, which imports pandas if it is there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from selfimp_bench.plural import plural


def integers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """A column of whole numbers. Raises an ArrowException where one is missing or none."""
    if column.null_count:
        raise pa.ArrowInvalid(f"{plural(column.null_count, 'row')} without a number")
    return np.asarray(np.from_dlpack(column.cast(pa.int64()).combine_chunks()))


def floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column of numbers, NaN where one is missing. Raises an ArrowException where one is none."""
    batch = pa.RecordBatch.from_arrays([column.cast(pa.float64()).combine_chunks()], names=["value"])
    return np.asarray(batch.to_tensor(null_to_nan=True).to_numpy().ravel(), dtype=np.float64)


def labels(column: pa.ChunkedArray) -> tuple[tuple[Any, ...], NDArray[np.int64]]:
    """The different values of a column in the order of their first rows, None among them, and by row which it is.

    Raises an ArrowException for a column of lists or the like.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return tuple(encoded.dictionary.to_pylist()), integers(pa.chunked_array([encoded.indices]))


def cut(column: NDArray[Any], ends: NDArray[np.intp]) -> Iterator[NDArray[Any]]:
    """The pieces of a column that end there; ``numpy.split`` takes ten times as long for many."""
    places = ends.tolist()
    return (column[start:end] for start, end in zip([0, *places[:-1]], places, strict=False))


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Rows put together by what they are about: ``names`` in the order of their first rows.

    order: sorts the rows so, and leaves those of one name in their order. ends: where in it each name's end.
    """

    names: tuple[str, ...]
    order: NDArray[np.intp]
    ends: NDArray[np.intp]

    def parts(self, column: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """A column's values of each name."""
        return cut(column[self.order], self.ends)


def grouped(names: Sequence[str], codes: NDArray[np.int64]) -> Groups:
    """Rows by name, of which ``codes`` are the numbers."""
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))
    return Groups(names=tuple(names), order=np.argsort(codes, kind="stable"), ends=ends)
