"""The seal of a JSON file: a digest in it of all the rest of it."""

from collections.abc import Iterator
from typing import Final

from selfimp_bench.canonical import digest
from selfimp_bench.plain_json import plain_json

SEAL: Final = "seal"


def seal_of(raw: bytes) -> str:
    """The sha256 of a JSON object but for its seal, whatever the order of its keys and the white space.

    Raises ValueError for what is no JSON object.
    """
    value = plain_json(raw)
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {type(value).__name__}")
    return digest({key: each for key, each in value.items() if key != SEAL})


def seal_faults(raw: bytes, seal: str) -> Iterator[str]:
    """In words, that a file with this seal was edited, where it was."""
    try:
        found = seal_of(raw)
    except ValueError as error:
        yield str(error)
        return
    if found != seal:
        yield f"was edited: its content has the digest {found}; expected the one in its '{SEAL}', {seal or 'empty'}"
