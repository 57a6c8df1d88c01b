"""What a schema of ``schema/`` finds wrong in plain data, said in short human sentences.

The schemas are made from the dataclasses (``json_schema.py``). They use few keywords, each of which has its words here;
a test holds the verdicts against those of a JSON Schema library.
"""

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from selfimp_bench.manifest.fault import Fault, JsonPath, shown
from selfimp_bench.manifest.json_schema import Fragment, as_list
from selfimp_bench.manifest.kinds import WORDS
from selfimp_bench.manifest.yaml_scalar import Json

SCHEMA_FILE = Path(__file__).parent / "schema" / "manifest.v1.json"
SUITE_SCHEMA_FILE = SCHEMA_FILE.with_name("suite.v1.json")
VERIFICATION_SCHEMA_FILE = SCHEMA_FILE.with_name("verification.v1.json")


def schema_faults(data: Json, schema_file: Path = SCHEMA_FILE) -> tuple[Fault, ...]:
    """Every fault, a value of the wrong type once: its range is not looked at."""
    return faults_by(_schema(schema_file), data)


def faults_by(schema: Fragment, data: Json) -> tuple[Fault, ...]:
    """What a schema finds that is whole in itself, each fault once."""
    return tuple(dict.fromkeys(_faults(_Place(data, (), schema, schema.get("$defs", {})))))


@cache
def _schema(schema_file: Path) -> Fragment:
    schema: Fragment = json.loads(schema_file.read_text(encoding="utf-8"))
    return schema


class _Place(NamedTuple):
    """A value, where it stands, the part of the schema that is about it, and the schema's blocks by name."""

    value: Any
    path: JsonPath
    schema: Fragment
    blocks: Mapping[str, Fragment]

    def inside(self, part: str | int, schema: Fragment) -> "_Place":
        """The value under a key or at an index of this one."""
        return _Place(self.value[part], (*self.path, part), schema, self.blocks)


def _faults(place: _Place) -> Iterator[Fault]:
    place = place._replace(schema=_meant(place))
    if not _has_type(place.value, place.schema["type"]):
        yield from _wrong_type(place)
        return
    for keyword, wanted in place.schema.items():
        if keyword in _KEYWORDS:
            type_, find = _KEYWORDS[keyword]
            if _TYPES[type_][1](place.value):
                yield from find(place, wanted)


def _meant(place: _Place) -> Fragment:
    """The place's schema with the block that it refers to; of alternatives the one that takes a value of this type."""
    if "anyOf" not in place.schema:
        return _with_block(place.schema, place.blocks)
    options = [_with_block(option, place.blocks) for option in place.schema["anyOf"]]
    types = [name for option in options for name in as_list(option["type"])]
    return next((option for option in options if _has_type(place.value, option["type"])), {"type": types})


def _with_block(schema: Fragment, blocks: Mapping[str, Fragment]) -> Fragment:
    if "$ref" not in schema:
        return schema
    block = blocks[schema["$ref"].removeprefix("#/$defs/")]
    return block | {"minProperties": schema["minProperties"]} if "minProperties" in schema else block


_TYPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "object": ("a mapping", lambda value: isinstance(value, dict)),
    "array": ("a list", lambda value: isinstance(value, list)),
    "string": ("text", lambda value: isinstance(value, str)),
    "integer": ("a whole number", lambda value: type(value) is int),
    "number": ("a number", lambda value: type(value) in (int, float)),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "null": ("null", lambda value: value is None),
}
"""By the schema's word for a type: our words, and whether a value has it (5.0 is no integer here)."""


def _has_type(value: Any, names: str | list[str]) -> bool:
    return any(_TYPES[name][1](value) for name in as_list(names))


def _expected(place: _Place, expected: str, advice: str = "") -> Iterator[Fault]:
    hint = f"; {advice}" if advice else ""
    yield Fault(path=place.path, message=f"expected {expected}, found {shown(place.value)}{hint}")


def _wrong_type(place: _Place) -> Iterator[Fault]:
    wanted = as_list(place.schema["type"])
    expected = " or ".join(_TYPES[name][0] for name in wanted)
    return _expected(place, expected, _type_advice(set(wanted), place.value))


def _type_advice(wanted: set[str], found: object) -> str:
    if "string" in wanted and isinstance(found, bool | int | float):
        return "put it in quotes"
    if "boolean" in wanted and isinstance(found, str):
        return "YAML 1.2 knows only these two words, without quotes"
    if wanted & {"integer", "number"} and isinstance(found, str) and re.fullmatch(r"[-+]?[0-9]*\.?[0-9]+", found):
        return "remove the quotes"
    if "integer" in wanted and isinstance(found, float) and found.is_integer():
        return f"write {int(found)}" if abs(found) < 1e15 else "write its digits"
    return ""


def _required(place: _Place, wanted: list[str]) -> Iterator[Fault]:
    for key in wanted:
        if key not in place.value:
            title = place.schema["properties"][key]["description"]
            yield Fault(path=place.path, message=f"key '{key}' is missing; add it ({title.rstrip('.')})")


def _properties(place: _Place, known: Mapping[str, Fragment]) -> Iterator[Fault]:
    for key in place.value:
        if key in known:
            yield from _faults(place.inside(key, known[key]))


_MOST_GUESSES = 100


def _other_keys(place: _Place, allowed: Fragment | Literal[False]) -> Iterator[Fault]:
    known = list(place.schema.get("properties", ()))
    others = [key for key in place.value if key not in known]
    for key in others:
        if allowed:
            yield from _faults(place.inside(key, allowed))
            continue
        # The search is slow, and a file of nothing but unknown keys is no slip of the pen.
        near = get_close_matches(key, known, n=1) if len(others) <= _MOST_GUESSES else []
        hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"
        yield Fault(path=(*place.path, key), message=f"unknown key {shown(key)}; {hint}", on_key=True)


def _key_spelling(place: _Place, spelling: Fragment) -> Iterator[Fault]:
    for key in place.value:
        for fault in _faults(_Place(key, (*place.path, key), {"type": "string"} | spelling, place.blocks)):
            yield replace(fault, on_key=True)


def _items(place: _Place, schema: Fragment) -> Iterator[Fault]:
    for index in range(len(place.value)):
        yield from _faults(place.inside(index, schema))


def _enum(place: _Place, choices: list[Any]) -> Iterator[Fault]:
    words = [str(choice) for choice in choices if choice is not None]
    if place.value in choices:
        return
    near = get_close_matches(str(place.value), words, n=1)
    expected = f"one of {', '.join(words)}" if len(words) > 1 else words[0]
    yield from _expected(place, expected, f"did you mean {near[0]}?" if near else "")


def _const(place: _Place, wanted: int) -> Iterator[Fault]:
    if place.value != wanted:
        yield from _expected(place, str(wanted), "this version of selfimp-bench reads no other")


def _pattern(place: _Place, pattern: str) -> Iterator[Fault]:
    # Python's "$" matches before a final newline, too, which is not wanted.
    if not re.fullmatch(pattern, place.value):
        yield from _expected(place, place.schema[WORDS])


def _not(place: _Place, refused: Fragment) -> Iterator[Fault]:
    if place.value == refused["const"]:
        yield from _expected(place, place.schema[WORDS])


def _text_length(place: _Place, least: int) -> Iterator[Fault]:
    if len(place.value) < least:
        yield from _expected(place, "some text")


def _list_length(place: _Place, least: int) -> Iterator[Fault]:
    if len(place.value) < least:
        found, entries = len(place.value) or "none", "entry" if least == 1 else "entries"
        yield Fault(path=place.path, message=f"expected at least {least} {entries}, found {found}")


def _key_count(place: _Place, least: int) -> Iterator[Fault]:
    if len(place.value) < least:
        yield Fault(path=place.path, message="expected at least one key, found none; fill it, or remove it")


def _unique(place: _Place, _wanted: bool) -> Iterator[Fault]:
    for index, item in enumerate(place.value):
        if item in place.value[:index]:
            yield Fault(path=(*place.path, index), message=f"{shown(item)} is in this list already; remove one")


def _bound(words: str, holds: Callable[[Any, Any], bool]) -> Callable[[_Place, Any], Iterator[Fault]]:
    def find(place: _Place, bound: float) -> Iterator[Fault]:
        if not holds(place.value, bound):
            yield from _expected(place, f"{words} {bound}")

    return find


_KEYWORDS: Mapping[str, tuple[str, Callable[[_Place, Any], Iterator[Fault]]]] = {
    "required": ("object", _required),
    "properties": ("object", _properties),
    "additionalProperties": ("object", _other_keys),
    "propertyNames": ("object", _key_spelling),
    "minProperties": ("object", _key_count),
    "items": ("array", _items),
    "minItems": ("array", _list_length),
    "uniqueItems": ("array", _unique),
    "enum": ("string", _enum),
    "pattern": ("string", _pattern),
    "minLength": ("string", _text_length),
    "const": ("integer", _const),
    "not": ("integer", _not),
    "minimum": ("number", _bound("at least", operator.ge)),
    "maximum": ("number", _bound("at most", operator.le)),
    "exclusiveMinimum": ("number", _bound("more than", operator.gt)),
    "exclusiveMaximum": ("number", _bound("less than", operator.lt)),
}
"""By keyword: the type of the values that it is about, and what it finds. A test knows that schemas use no other."""
