"""Plain data as YAML text: always the same text for the same data, and read back by ``yaml_source`` as the same data.

This is the form in which a run folder keeps a resolved experiment, and whose sha256 is its digest.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from selfimp_bench.manifest.yaml_scalar import Json, read_scalar

_WIDTH: Final = 118
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@+-]*")


def yaml_text(data: Json) -> str:
    """The text of a mapping: a key a line, lists and small mappings on one line where they fit."""
    return "".join(f"{line}\n" for line in _lines(data, 0))


def _lines(data: Json, indent: int) -> Iterator[str]:
    before = "  " * indent
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _entry(f"{before}{_scalar(key)}:", value, indent)
    elif isinstance(data, list):
        for item in data:
            first, *rest = _item(item, indent)
            yield f"{before}- {first.lstrip()}"
            yield from rest
    else:
        yield f"{before}{_scalar(data)}"


def _entry(start: str, value: Json, indent: int) -> Iterator[str]:
    is_one_line = not isinstance(value, dict | list) or not value
    flow = _flow(value) if is_one_line or indent else ""
    if is_one_line or (flow and len(start) + 1 + len(flow) <= _WIDTH):
        yield f"{start} {flow}"
    else:
        yield start
        yield from _lines(value, indent + 1)


def _item(item: Json, indent: int) -> list[str]:
    """The lines of a list's item, the first without its dash."""
    flow = _flow(item)
    fits = 2 * indent + 2 + len(flow) <= _WIDTH
    return [flow] if fits or not isinstance(item, dict | list) or not item else list(_lines(item, indent + 1))


def _flow(data: Json) -> str:
    if isinstance(data, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(value)}" for key, value in data.items()) + "}"
    if isinstance(data, list):
        return "[" + ", ".join(map(_flow, data)) + "]"
    return _scalar(data)


def _scalar(value: str | int | float | bool | None) -> str:
    return _words(value) if isinstance(value, str) else json.dumps(value)


@lru_cache(maxsize=4096)
def _words(value: str) -> str:
    """A text as it is where it reads as itself, else in quotes; a manifest says the same few again and again."""
    if _PLAIN.fullmatch(value) and read_scalar(value, quoted=False) == value:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() else _escaped(each) for each in quoted)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
