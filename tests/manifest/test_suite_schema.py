"""The schema of suites and its dataclasses say the same, field by field and both ways."""

import dataclasses
import json
import types
import typing
from typing import Any, Literal, get_args, get_origin

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from selfimp_bench.manifest import suite_model
from selfimp_bench.manifest.schema_check import SCHEMA_FILE, SUITE_SCHEMA_FILE

SCHEMA: dict[str, Any] = json.loads(SUITE_SCHEMA_FILE.read_text(encoding="utf-8"))
MANIFEST: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
BLOCKS: dict[str, dict[str, Any]] = {"Suite": SCHEMA, **SCHEMA["$defs"]}
DATACLASSES = {
    name: value
    for name, value in vars(suite_model).items()
    if isinstance(value, type) and dataclasses.is_dataclass(value)
}
JSON_TYPES = {int: "integer", float: "number", str: "string"}


def test_the_schema_is_a_schema_of_the_same_blocks() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(BLOCKS) == set(DATACLASSES)


def test_blocks_of_manifests_are_the_same_here() -> None:
    for name in ("Paper", "Bootstrap"):
        assert BLOCKS[name] == MANIFEST["$defs"][name]


@pytest.mark.parametrize("name", DATACLASSES)
def test_a_block_has_the_fields_of_its_dataclass_with_their_types(name: str) -> None:
    fields = dataclasses.fields(DATACLASSES[name])
    block = BLOCKS[name]
    assert list(block["properties"]) == [field.name for field in fields]
    assert block["required"] == [field.name for field in fields if field.default is dataclasses.MISSING]
    assert block["additionalProperties"] is False
    for key, hint in typing.get_type_hints(DATACLASSES[name]).items():
        fragment = block["properties"][key]
        assert fragment["title"] and fragment["description"], f"{name}.{key}"
        _same_type(fragment, hint, f"{name}.{key}")


def _same_type(fragment: dict[str, Any], hint: Any, where: str) -> None:
    options = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    (kind,) = (option for option in options if option is not types.NoneType)
    nullable = len(options) > 1
    if dataclasses.is_dataclass(kind):
        ref = {"$ref": f"#/$defs/{kind.__name__}"}  # type: ignore[union-attr]
        assert fragment.get("anyOf", fragment["$ref"] if not nullable else None) == (
            [ref, {"type": "null"}] if nullable else ref["$ref"]
        ), where
        return
    plain = {Literal: "string", tuple: "array"}.get(get_origin(kind)) or JSON_TYPES.get(kind, "string")
    expected = "integer" if get_args(kind) == (1,) else plain
    assert fragment["type"] == ([expected, "null"] if nullable else expected), where
    if get_origin(kind) is tuple:
        _same_type(fragment["items"], get_args(kind)[0], f"{where}[]")
    elif get_origin(kind) is Literal:
        assert fragment.get("enum", [fragment.get("const")]) == list(get_args(kind)), where
    elif isinstance(kind, type) and kind not in JSON_TYPES:
        assert fragment["enum"] == list(kind), where
