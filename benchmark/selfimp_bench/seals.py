"""The seal of a JSON file: a digest in it of all the rest of it."""

from collections.abc import Iterator
from typing import Any, Final

from selfimp_bench.canonical import digest
from selfimp_bench.plain_json import plain_json, shortened

SEAL: Final = "seal"


def seal_of(raw: bytes) -> str:
    """The sha256 of a JSON object but for its seal, whatever the order of its keys and the white space.

    Raises ValueError for what is no JSON object.
    """
    value = plain_json(raw)
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {type(value).__name__}")
    return digest({key: each for key, each in value.items() if key != SEAL})


def seal_faults(raw: bytes, seal: str, read: bytes) -> Iterator[str]:
    """In words, that a file with this seal was edited, where it was. ``read``: what was read of it, written again."""
    try:
        found = seal_of(raw)
    except ValueError as error:
        yield str(error)
        return
    if found != seal:
        yield f"was edited: its content has the digest {found}; expected the one in its '{SEAL}', {seal or 'empty'}"
        return
    if raw == read:
        return
    for place in _unread(plain_json(raw), plain_json(read), "$"):
        yield f"was edited: it has {shortened(place)}, a key that none of its kind has"


def _unread(value: Any, read: Any, place: str) -> Iterator[str]:
    """The places of keys that nobody read. A key that is lacking is no fault here: what it stands for has a default."""
    if isinstance(value, dict) and isinstance(read, dict):
        for key, each in value.items():
            if key in read:
                yield from _unread(each, read[key], f"{place}.{key}")
            else:
                yield f"{place}.{key}"
    elif isinstance(value, list) and isinstance(read, list):
        for number, pair in enumerate(zip(value, read, strict=False)):
            yield from _unread(*pair, f"{place}[{number}]")
