"""What the schemas of ``schema/`` find wrong in plain data, said in short human sentences."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]
from jsonschema.validators import extend  # type: ignore[import-untyped]
from referencing import Registry, Resource

from selfimp_bench.manifest.fault import Fault, JsonPath, shown
from selfimp_bench.manifest.yaml_scalar import Json

SCHEMA_FILE = Path(__file__).parent / "schema" / "manifest.v1.json"
SUITE_SCHEMA_FILE = SCHEMA_FILE.with_name("suite.v1.json")
VERIFICATION_SCHEMA_FILE = SCHEMA_FILE.with_name("verification.v1.json")
"""Its blocks that post-training has too are references into ``manifest.v1.json``."""


def schema_faults(data: Json, schema_file: Path = SCHEMA_FILE) -> tuple[Fault, ...]:
    """Every fault, a value of the wrong type once: its range is not looked at."""
    errors = [leaf for error in _validator(schema_file).iter_errors(data) for leaf in _leaves(error)]
    wrong_type = {_path(error) for error in errors if error.validator == "type"}
    relevant = [error for error in errors if error.validator == "type" or _path(error) not in wrong_type]
    return tuple(dict.fromkeys(fault for error in relevant for fault in _MESSAGES[error.validator](error)))


@cache
def _validator(schema_file: Path) -> Any:
    schema, shared = (json.loads(file.read_text(encoding="utf-8")) for file in (schema_file, SCHEMA_FILE))
    # JSON Schema takes 5.0 for an integer, and Python's "$" matches before a final newline: neither is wanted.
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    strict = extend(Draft202012Validator, validators={"pattern": _whole_pattern}, type_checker=types)
    return strict(schema, registry=Registry().with_resource(shared["$id"], Resource.from_contents(shared)))


def _whole_pattern(_validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError("pattern")


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """An error, or for "this block or null" the errors of the block."""
    if error.validator != "anyOf":
        yield error
        return
    for inner in error.context:
        if inner.relative_schema_path[0] == 0:
            yield from _leaves(inner)


def _path(error: ValidationError) -> JsonPath:
    return tuple(error.absolute_path)


def _expected(error: ValidationError, expected: str, advice: str = "") -> Iterator[Fault]:
    hint = f"; {advice}" if advice else ""
    yield Fault(path=_path(error), message=f"expected {expected}, found {shown(error.instance)}{hint}")


_TYPE_WORDS: Mapping[str, str] = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def _type(error: ValidationError) -> Iterator[Fault]:
    wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    expected = " or ".join(_TYPE_WORDS[name] for name in wanted)
    return _expected(error, expected, _type_advice(set(wanted), error.instance))


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


def _required(error: ValidationError) -> Iterator[Fault]:
    for key in error.validator_value:
        if key not in error.instance:
            title = error.schema["properties"][key]["description"]
            yield Fault(path=_path(error), message=f"key '{key}' is missing; add it ({title.rstrip('.')})")


_MOST_GUESSES = 100


def _unknown_keys(error: ValidationError) -> Iterator[Fault]:
    known = list(error.schema["properties"])
    unknown = [key for key in error.instance if key not in known]
    for key in unknown:
        # The search is slow, and a file of nothing but unknown keys is no slip of the pen.
        near = get_close_matches(key, known, n=1) if len(unknown) <= _MOST_GUESSES else []
        hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"
        yield Fault(path=(*_path(error), key), message=f"unknown key {shown(key)}; {hint}", on_key=True)


def _enum(error: ValidationError) -> Iterator[Fault]:
    choices = error.validator_value
    near = get_close_matches(str(error.instance), choices, n=1)
    expected = f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    return _expected(error, expected, f"did you mean {near[0]}?" if near else "")


def _const(error: ValidationError) -> Iterator[Fault]:
    return _expected(error, str(error.validator_value), "this version of selfimp-bench reads no other")


def _said_by_schema(error: ValidationError) -> Iterator[Fault]:
    return _expected(error, error.schema["errorMessage"])


def _length(error: ValidationError) -> Iterator[Fault]:
    return _expected(error, "some text")


def _items(error: ValidationError) -> Iterator[Fault]:
    wanted, found = error.validator_value, len(error.instance)
    entries = "entry" if wanted == 1 else "entries"
    yield Fault(path=_path(error), message=f"expected at least {wanted} {entries}, found {found or 'none'}")


def _keys(error: ValidationError) -> Iterator[Fault]:
    yield Fault(path=_path(error), message="expected at least one key, found none; fill it, or remove it")


def _unique(error: ValidationError) -> Iterator[Fault]:
    for index, item in enumerate(error.instance):
        if item in error.instance[:index]:
            yield Fault(path=(*_path(error), index), message=f"{shown(item)} is in this list already; remove one")


def _bound(words: str) -> Callable[[ValidationError], Iterator[Fault]]:
    return lambda error: _expected(error, f"{words} {error.validator_value}")


# One for every keyword that the schema uses; a test compares the two.
_MESSAGES: Mapping[str, Callable[[ValidationError], Iterator[Fault]]] = {
    "type": _type,
    "required": _required,
    "additionalProperties": _unknown_keys,
    "enum": _enum,
    "const": _const,
    "pattern": _said_by_schema,
    "not": _said_by_schema,
    "minimum": _bound("at least"),
    "maximum": _bound("at most"),
    "exclusiveMinimum": _bound("more than"),
    "exclusiveMaximum": _bound("less than"),
    "minLength": _length,
    "minItems": _items,
    "minProperties": _keys,
    "uniqueItems": _unique,
}
