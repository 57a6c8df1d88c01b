"""The schema and the dataclasses say the same, field by field and both ways."""

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from selfimp_bench.manifest import model
from selfimp_bench.manifest.schema_check import _MESSAGES, SCHEMA_FILE, VERIFICATION_SCHEMA_FILE
from selfimp_bench.protocols.verification import manifest as verification_model

SCHEMAS: dict[str, dict[str, Any]] = {
    module.__name__: json.loads(file.read_text(encoding="utf-8"))
    for module, file in ((model, SCHEMA_FILE), (verification_model, VERIFICATION_SCHEMA_FILE))
}
BLOCKS: dict[str, dict[str, Any]] = {
    name: block for schema in SCHEMAS.values() for name, block in {schema["title"]: schema, **schema["$defs"]}.items()
}
DATACLASSES = {
    name: value
    for module in (model, verification_model)
    for name, value in vars(module).items()
    if isinstance(value, type) and dataclasses.is_dataclass(value)
}
every_schema = pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
JSON_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}


@every_schema
def test_the_schema_is_a_schema(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


def test_every_dataclass_is_a_block_of_the_schema_and_the_other_way_round() -> None:
    assert set(BLOCKS) - {"Assumed"} == set(DATACLASSES)


@pytest.mark.parametrize("name", DATACLASSES)
def test_a_block_has_the_fields_of_its_dataclass(name: str) -> None:
    fields = dataclasses.fields(DATACLASSES[name])
    block = BLOCKS[name]
    assert list(block["properties"]) == [field.name for field in fields]
    assert block["required"] == [field.name for field in fields if field.default is dataclasses.MISSING]
    assert all(field.default in (dataclasses.MISSING, None) for field in fields)
    assert block["additionalProperties"] is False


@pytest.mark.parametrize("name", DATACLASSES)
def test_a_block_s_fields_have_the_types_of_its_dataclass(name: str) -> None:
    for key, hint in typing.get_type_hints(DATACLASSES[name]).items():
        module = DATACLASSES[name].__module__
        _assert_same_type(BLOCKS[name]["properties"][key], hint, f"{name}.{key}", module)


@pytest.mark.parametrize("name", BLOCKS)
def test_everything_is_explained_to_whoever_writes_a_manifest(name: str) -> None:
    assert BLOCKS[name]["description"]
    for key, fragment in BLOCKS[name].get("properties", {}).items():
        assert fragment.get("title"), f"{name}.{key} has no title"
        assert fragment.get("description"), f"{name}.{key} has no description"


def test_assumed_is_a_reason_or_reasons_by_key() -> None:
    assert model.Assumed == str | dict[str, str]
    assert BLOCKS["Assumed"]["type"] == ["string", "object"]
    assert BLOCKS["Assumed"]["additionalProperties"]["type"] == "string"


def test_every_keyword_that_can_fail_has_its_words() -> None:
    annotations = {"$schema", "$id", "$defs", "$ref", "title", "description", "errorMessage", "properties", "items"}
    used = {keyword for schema in SCHEMAS.values() for fragment in _fragments(schema) for keyword in fragment}
    assert used - annotations - {"anyOf"} == set(_MESSAGES)


@every_schema
def test_every_pattern_says_in_words_what_it_wants(schema: dict[str, Any]) -> None:
    for fragment in _fragments(schema):
        if "pattern" in fragment or "not" in fragment:
            assert fragment["errorMessage"]


@every_schema
def test_every_any_of_is_a_block_or_null(schema: dict[str, Any]) -> None:
    for fragment in _fragments(schema):
        if "anyOf" in fragment:
            block, null = fragment["anyOf"]
            assert list(block) == ["$ref"]
            assert null == {"type": "null"}


def _assert_same_type(fragment: dict[str, Any], hint: Any, where: str, own: str) -> None:
    """``own`` is the module of the dataclass that has this field; another module's blocks are in another schema."""
    is_union = get_origin(hint) in (types.UnionType, typing.Union)  # the latter of Literal[...] | None
    options = get_args(hint) if is_union else (hint,)
    kinds = [option for option in options if option is not types.NoneType]
    nullable = len(kinds) < len(options)
    if set(kinds) == {str, dict[str, str]}:
        assert fragment["anyOf"] == [{"$ref": _ref("Assumed", model.__name__, own)}, {"type": "null"}], where
        return
    (kind,) = kinds
    if dataclasses.is_dataclass(kind):
        ref = {"$ref": _ref(kind.__name__, kind.__module__, own)}  # type: ignore[union-attr]
        expected = [ref, {"type": "null"}] if nullable else ref["$ref"]
        assert fragment["anyOf" if nullable else "$ref"] == expected, where
        return
    _assert_same_plain_type(fragment, kind, nullable, where, own)


def _ref(name: str, module: str, own: str) -> str:
    file = "" if module == own else SCHEMAS[module]["$id"]
    return f"{file}#/$defs/{name}"


def _assert_same_plain_type(fragment: dict[str, Any], kind: Any, nullable: bool, where: str, own: str) -> None:
    found = fragment["type"] if isinstance(fragment["type"], list) else [fragment["type"]]
    expected, choices = _json_type(kind)
    assert found == [expected, *(["null"] if nullable else [])], where
    if get_origin(kind) is tuple:
        _assert_same_type(fragment["items"], get_args(kind)[0], f"{where}[]", own)
    elif get_origin(kind) is dict:
        keys, value = get_args(kind)
        assert set(fragment["properties"]) == set(get_args(keys)), where
        assert fragment["additionalProperties"] is False, where
        for key, inner in fragment["properties"].items():
            _assert_same_type(inner, value, f"{where}.{key}", own)
    elif where not in NAMES_OF_TABLES:
        assert fragment.get("enum", [fragment["const"]] if "const" in fragment else None) == choices, where


# A task is a plain text to the dataclasses, which know no task; tests/tasks/test_tables.py compares its enum.
NAMES_OF_TABLES = ("Grading.task", "Generator.task")


def _json_type(kind: Any) -> tuple[str, list[Any] | None]:
    if get_origin(kind) is Literal:
        return JSON_TYPES[type(get_args(kind)[0])], list(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, enum.StrEnum):
        return "string", [member.value for member in kind]
    if get_origin(kind) is tuple:
        return "array", None
    if get_origin(kind) is dict:
        return "object", None
    return JSON_TYPES[kind], None


def _fragments(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for name in ("properties", "$defs"):
        for inner in schema.get(name, {}).values():
            yield from _fragments(inner)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _fragments(schema[name])
    for inner in schema.get("anyOf", ()):
        yield from _fragments(inner)
