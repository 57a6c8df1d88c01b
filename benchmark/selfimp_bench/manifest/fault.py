"""A fault: something wrong at a place in a manifest's data, before its line and column are looked up."""

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches

JsonPath = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LONGEST_SHOWN = 60
_LONGEST_LIST = 20


@dataclass(frozen=True, kw_only=True)
class Fault:
    """``path`` leads to the value at fault, or, ``on_key``, to the key that should not be there."""

    path: JsonPath
    message: str
    on_key: bool = False


def path_text(path: JsonPath) -> str:
    """A path as JSONPath: ``$.claims[0].order``; keys that are no plain words stand in brackets and quotes."""
    return "$" + "".join(_part_text(part) for part in path)


def shown(value: object) -> str:
    """A value as a message quotes it: at most 60 characters on one line, nothing that moves a terminal's cursor."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())
    if len(text) <= _LONGEST_SHOWN:
        return text
    return f"{text[:_LONGEST_SHOWN]}... ({len(str(value))} characters)"


def nearest(found: str, known: list[str]) -> str:
    """Words that help someone who wrote ``found`` and meant one of ``known``."""
    near = get_close_matches(found, known, n=1)
    if near:
        return f"did you mean {near[0]}?"
    more = f" and {len(known) - _LONGEST_LIST} more" if len(known) > _LONGEST_LIST else ""
    return f"expected one of {', '.join(known[:_LONGEST_LIST])}{more}"


def listed(names: list[str]) -> str:
    """Names as a message lists them."""
    return " and ".join(names) if names else "none"


def _part_text(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if len(part) <= _LONGEST_SHOWN and _PLAIN_KEY.fullmatch(part):
        return f".{part}"
    return f"[{shown(part)}]"
