"""Python values as JSON trees: written down and built anew, never pickled.

JSON's own types stand for themselves (an array for a list), every other type has a tag. What comes out has exactly
these types: an instance of a subclass arrives as the plain value under it, with none of its methods, and with a mark
("like") that it was one. An object of another type does not travel: it gets a number, and the other side a stub that
can ask for more (``peer.py``).
"""

from collections import deque
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any, Final

_LARGEST_JSON_INT: Final = 1 << 63
_LONGEST_ITERATOR: Final = 1_000_000

Pack = Callable[[Any], Any]


def pack(value: Any, refer: Callable[[Any], Any]) -> Any:
    """The tree of a value; ``refer`` gives that of an object that does not travel.

    Raises RecursionError for a value that holds itself.
    """

    def inner(value: Any) -> Any:
        kind = type(value)
        if value is None or kind in (bool, str, float):
            return value
        if kind is list:
            return [inner(each) for each in value]
        for base, tag, describe in _PACKERS:
            if isinstance(value, base):
                described = describe(value, inner)
                tree = described if tag is None else {tag: described}
                return tree if kind is base else {"like": tree}
        return refer(value)

    return inner(value)


def unpack(tree: Any, resolve: Callable[[str, Any], Any]) -> Any:
    """The value of a tree; ``resolve`` gives that of a tag that is not of this module, and hears of "like".

    Raises ValueError, TypeError, OverflowError or RecursionError for a tree that ``pack`` does not make.
    """

    def inner(tree: Any) -> Any:
        if isinstance(tree, list):
            return [inner(each) for each in tree]
        if not isinstance(tree, dict):
            return tree
        if len(tree) != 1:
            raise ValueError("a tagged value has one tag")
        ((tag, content),) = tree.items()
        if tag == "like":
            resolve(tag, None)
            return inner(content)
        if tag in _UNPACKERS:
            return _UNPACKERS[tag](content, inner)
        return resolve(tag, content)

    return inner(tree)


def _items(value: Any, inner: Pack) -> list[Any]:
    return [inner(each) for each in value]


def _pairs(value: Any, inner: Pack) -> list[Any]:
    return [[inner(key), inner(content)] for key, content in dict.items(value)]


def _pack_int(value: int, _: Pack) -> Any:
    plain = int.__int__(value)
    return plain if -_LARGEST_JSON_INT < plain < _LARGEST_JSON_INT else {"int": hex(plain)}


def _pack_datetime(value: datetime, _: Pack) -> str:
    return value.isoformat()


# A subclass stands after its base's line is reached, so the order of bool, int and of datetime, date matters.
_PACKERS: Final[tuple[tuple[type, str | None, Callable[[Any, Pack], Any]], ...]] = (
    (int, None, _pack_int),
    (tuple, "tuple", lambda value, inner: _items(tuple.__iter__(value), inner)),
    (dict, "dict", _pairs),
    (set, "set", lambda value, inner: _items(set.__iter__(value), inner)),
    (str, None, lambda value, _: str.__str__(value)),
    (float, None, lambda value, _: float.__float__(value)),
    (list, None, lambda value, inner: _items(list.__iter__(value), inner)),
    (frozenset, "frozenset", lambda value, inner: _items(frozenset.__iter__(value), inner)),
    (bytes, "bytes", lambda value, _: bytes.hex(value)),
    (bytearray, "bytearray", lambda value, _: bytearray.hex(value)),
    (complex, "complex", lambda value, _: [value.real, value.imag]),
    (range, "range", lambda value, inner: _items((value.start, value.stop, value.step), inner)),
    (deque, "deque", lambda value, inner: _items(deque.__iter__(value), inner)),
    (Decimal, "decimal", lambda value, _: Decimal.__str__(value)),
    (Fraction, "fraction", lambda value, inner: _items((value.numerator, value.denominator), inner)),
    (datetime, "datetime", _pack_datetime),
    (date, "date", lambda value, _: value.isoformat()),
    (time, "time", lambda value, _: value.isoformat()),
    (timedelta, "timedelta", lambda value, _: [value.days, value.seconds, value.microseconds]),
    (type(NotImplemented), "constant", lambda value, _: repr(value)),
    (type(Ellipsis), "constant", lambda value, _: repr(value)),
)


def _unpack_dict(content: Any, inner: Pack) -> dict[Any, Any]:
    return {inner(key): inner(value) for key, value in content}


_UNPACKERS: Final[dict[str, Callable[[Any, Pack], Any]]] = {
    "int": lambda content, _: int(content, 16),
    "tuple": lambda content, inner: tuple(inner(each) for each in content),
    "dict": _unpack_dict,
    "set": lambda content, inner: {inner(each) for each in content},
    "frozenset": lambda content, inner: frozenset(inner(each) for each in content),
    "bytes": lambda content, _: bytes.fromhex(content),
    "bytearray": lambda content, _: bytearray.fromhex(content),
    "complex": lambda content, _: complex(*content),
    "range": lambda content, inner: range(*(inner(each) for each in content)),
    "deque": lambda content, inner: deque(inner(each) for each in content),
    "decimal": lambda content, _: Decimal(content),
    "fraction": lambda content, inner: Fraction(*(inner(each) for each in content)),
    "datetime": lambda content, _: datetime.fromisoformat(content),
    "date": lambda content, _: date.fromisoformat(content),
    "time": lambda content, _: time.fromisoformat(content),
    "timedelta": lambda content, _: timedelta(days=content[0], seconds=content[1], microseconds=content[2]),
    "constant": lambda content, _: {"NotImplemented": NotImplemented, "Ellipsis": Ellipsis}[content],
    "iterator": lambda content, inner: iter([inner(each) for each in content]),
}


def pack_iterator(value: Iterator[Any], inner: Pack) -> Any:
    """The tree of what is left in an iterator: it is used up, and the other side gets one of its own."""
    items = list(islice(value, _LONGEST_ITERATOR + 1))
    if len(items) > _LONGEST_ITERATOR:
        raise OverflowError(f"an iterator of more than {_LONGEST_ITERATOR} items")
    return {"iterator": [inner(each) for each in items]}
