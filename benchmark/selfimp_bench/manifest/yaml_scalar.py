"""What one YAML scalar means: the YAML 1.2 core schema, less the spellings that YAML 1.1 reads as something else."""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

from selfimp_bench.manifest.fault import shown

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class RefusedScalar:
    """A scalar that a manifest may not have, and what to write instead."""

    message: str


@lru_cache(maxsize=4096)
def read_scalar(text: str, *, quoted: bool) -> str | int | float | bool | RefusedScalar | None:
    """A scalar's value. ``yes``, ``no`` and ``on`` are text, ``5e-6`` is a number (YAML 1.2.2, section 10.3.2).

    quoted: single, double or block style; such a scalar is always text.
    """
    if _NOT_TEXT.search(text):
        return RefusedScalar(message="the text holds a NUL or half a surrogate pair; remove that escape")
    if quoted:
        return text
    if text in _WORDS:
        return _WORDS[text]
    for spelling, advice in _REFUSED:
        if spelling.fullmatch(text):
            return RefusedScalar(message=f"found {_short(text)}: {advice}")
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return _float(text)
    return text


_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("null", "Null", "NULL", "~")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LARGEST = 2**63 - 1

_REFUSED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r""), "no value after the key or dash; write one, or null where null is allowed"),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), "not a finite number; write a finite one"),
    (
        re.compile(r"[-+]?0[0-9_]+"),
        "a leading zero means octal to some readers; write the number without it, or quote it if it is text",
    ),
    (re.compile(r"[-+]?0[xob][0-9a-fA-F_]+"), "write the number in decimal, or quote it if it is text"),
    (re.compile(r"[-+]?[0-9][0-9_]*_[0-9_.]*"), "write the number without underscores, or quote it if it is text"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?"), "some readers take this for a date; quote it"),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"), "some readers take this for base 60; quote it"),
)


def _integer(text: str) -> int | RefusedScalar:
    if len(text) > len(str(_LARGEST)) + 1 or abs(int(text)) > _LARGEST:
        return RefusedScalar(message=f"found {_short(text)}: too large for a number; quote it if it is text")
    return int(text)


def _float(text: str) -> float | RefusedScalar:
    value = float(text)
    if not math.isfinite(value):
        return RefusedScalar(message=f"found {_short(text)}: too large for a number; quote it if it is text")
    return value


def _short(text: str) -> str:
    return shown(text)[1:-1] if text else "nothing"
