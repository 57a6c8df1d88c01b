"""Variants: an experiment with another value where its source leaves one open, as ``--vary FIELD=VALUE`` asks for.

A variant is an experiment of its own: its resolved form says what is varied, so it has a digest, a run folder and steps
of its own, and shares with the experiment what the value does not touch. It is no reproduction, and is never judged.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.fault import nearest
from selfimp_bench.manifest.kinds import Scalar
from selfimp_bench.manifest.model import Sensitivity, Variation
from selfimp_bench.manifest.yaml_scalar import Json, RefusedScalar, read_scalar

NOT_JUDGED: Final = "a variant, not judged"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME: Final = 120


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing to vary, as asked for: ``field`` as it was typed, whole or its end."""

    field: str
    value: Scalar


def sensitivity_of(manifest: object) -> tuple[Sensitivity, ...]:
    """What may be varied of an experiment; nothing where its protocol does not know of it."""
    return getattr(manifest, "sensitivity", None) or ()


def variant_of(manifest: object) -> tuple[Variation, ...]:
    """What is varied; nothing where it is the experiment itself."""
    return getattr(manifest, "variant", None) or ()


def read_changes(texts: Iterable[str]) -> tuple[Change, ...]:
    """``FIELD=VALUE``, the value as in a manifest (a text of digits in quotes). Raises InputError."""
    found: dict[str, Change] = {}
    for text in texts:
        field, equals, given = text.partition("=")
        if not field or not equals:
            raise InputError(f"--vary {text}: expected FIELD=VALUE, for example pairs_per_problem=1")
        quoted = len(given) > 1 and given[0] == given[-1] and given[0] in "'\""
        value = read_scalar(given[1:-1] if quoted else given, quoted=quoted)
        if isinstance(value, RefusedScalar):
            raise InputError(f"--vary {text}: {value.message}")
        if field in found:
            raise InputError(f"--vary {text}: {field} is varied twice; name it once")
        found[field] = Change(field=field, value=value)
    return tuple(found.values())


def named(field: str, listed: Sequence[Sensitivity]) -> Sensitivity | None:
    """The one listed field that is called so, whole or by its last keys; None where none is.

    Raises InputError where several are.
    """
    found = [each for each in listed if each.field == field] or [
        each for each in listed if each.field.endswith(f".{field}")
    ]
    if len(found) > 1:
        several = " or ".join(each.field for each in found)
        raise InputError(f"--vary {field}: it may be {several}; name it whole")
    return found[0] if found else None


def by_whole_field(changes: Sequence[Change], listed: Sequence[Sensitivity]) -> Mapping[str, Change]:
    """Changes of listed fields by the whole names of these. Raises InputError for two of one field."""
    found: dict[str, Change] = {}
    for change in changes:
        field = named(change.field, listed)
        assert field is not None
        if field.field in found:
            raise InputError(f"--vary {change.field}: {field.field} is varied twice; name it once")
        found[field.field] = change
    return found


def refused(change: Change, listed: Iterable[Sensitivity], name: str) -> InputError:
    """The refusal of what nothing lists, with what is listed."""
    by_field = {each.field: each for each in listed}
    if not by_field:
        return InputError(f"--vary {change.field}: {name} lists nothing under `sensitivity`; nothing of it is varied")
    lines = [f"  {each.field}, for example {', '.join(map(_spelled, each.values))}" for each in by_field.values()]
    known = [*by_field, *(field.rpartition(".")[2] for field in by_field)]
    near = nearest(change.field, known)
    hint = f"; {near}" if near.startswith("did you mean") else ""
    words = f"--vary {change.field}: {name} does not list it under `sensitivity`{hint}; it lists:"
    return InputError("\n".join([words, *lines]))


def varied(data: Json, changes: Mapping[str, Scalar]) -> Json:
    """The resolved form of a variant: whole fields to values, in a copy. Raises InputError for a field that is none.

    What was the reason for the experiment's own value is none for the variant's.
    """
    copy: dict[str, Any] = deepcopy(data) if isinstance(data, dict) else {}
    variations: list[Json] = []
    for field, value in sorted(changes.items()):
        *above, key = field.split(".")
        block: Any = copy
        for name in above:
            block = block.get(name) if isinstance(block, dict) else None
        if not isinstance(block, dict) or key not in block or isinstance(block[key], dict | list):
            raise InputError(f"--vary {field}: the experiment has no single value there; correct its `sensitivity`")
        variations.append({"field": field, "value": value, "instead_of": block[key]})
        if not isinstance(block.get("assumed"), str):
            reason = f"varied, as asked for; the experiment has {_spelled(block[key])}"
            block["assumed"] = {**(block.get("assumed") or {}), key: reason}
        block[key] = value
    copy["variant"] = variations
    return copy


def together(variants: Iterable[Sequence[Variation]]) -> tuple[Variation, ...]:
    """What is varied of several experiments, each field once; own values that differ are all named: ``1 or 3``."""
    by_field: dict[str, list[Variation]] = {}
    for each in chain.from_iterable(variants):
        by_field.setdefault(each.field, []).append(each)
    own = [(same[0], list(dict.fromkeys(one.instead_of for one in same))) for same in by_field.values()]
    return tuple(
        first if len(values) == 1 else replace(first, instead_of=" or ".join(map(str, values))) for first, values in own
    )


def variant_words(variant: Iterable[Variation]) -> str:
    """What is varied, in words: ``post_training.pairs_per_problem is 1 (the experiment: 4)``."""
    return ", ".join(
        f"{each.field} is {_spelled(each.value)} (the experiment: {_spelled(each.instead_of)})" for each in variant
    )


def variant_name(name: str, variant: Iterable[Variation]) -> str:
    """What the folder of its runs is called; the name itself where nothing is varied."""
    parts = [f"+{each.field}={_UNSAFE.sub('_', str(each.value))}" for each in variant]
    return (name + "".join(parts))[:_LONGEST_NAME]


def vary_options(variant: Iterable[Variation]) -> list[str]:
    """The words of the command line that ask for it."""
    return [word for each in variant for word in ("--vary", f"{each.field}={_option(each.value)}")]


def _option(value: Scalar) -> str:
    """A value that ``read_changes`` reads as it is."""
    text = _spelled(value)
    return f'"{text}"' if isinstance(value, str) and read_scalar(text, quoted=False) != value else text


def _spelled(value: Scalar) -> str:
    return value if isinstance(value, str) else json.dumps(value)
