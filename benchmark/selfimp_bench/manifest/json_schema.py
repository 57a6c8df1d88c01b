"""JSON Schemas of dataclasses, for editors and for ``schema_check.py``: types, bounds, and what every field means.

A field's kind (``kinds.py``) has its bounds; the text below a field is its description, and the first paragraph of a
dataclass's docstring that of the block.
"""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from selfimp_bench.manifest.kinds import CHOICES, Keywords

ADDRESS: Final = "https://selfimp-bench.org/schema/"
"""What the addresses of all schemas begin with."""

Fragment = dict[str, Any]
Tables = Mapping[str, Collection[str]]

_PLAIN: Final[Mapping[type, str]] = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}


def json_schema(root: type, name: str, tables: Tables = MappingProxyType({})) -> Fragment:
    """The schema of documents of this dataclass, whole in itself; ``name`` ends its address.

    ``tables`` has the names that fields may hold which name something of a table (``kinds.CHOICES``).
    Raises TypeError, with the field, for one that has no description or a type that no schema can say.
    """
    blocks = {block.__name__: _block(block) for block in _reached(root)}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"{ADDRESS}{name}"}
    own = blocks.pop(root.__name__)
    schema: Fragment = _with_choices(head | own | {"$defs": blocks}, tables)
    return schema


def _reached(root: type) -> list[type]:
    """The dataclass and all those in its fields, each once. Raises TypeError for two of one name."""
    reached: dict[str, type] = {}
    waiting = [root]
    while waiting:
        block = waiting.pop(0)
        if reached.setdefault(block.__name__, block) is not block:
            raise TypeError(f"two dataclasses are called {block.__name__}; a schema has one block of a name")
        inner = {found for hint in get_type_hints(block).values() for found in _dataclasses_in(hint)}
        waiting += sorted(inner - set(reached.values()) - set(waiting), key=lambda found: found.__name__)
    return list(reached.values())


def _dataclasses_in(hint: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for part in get_args(hint):
        yield from _dataclasses_in(part)


def _block(block: type) -> Fragment:
    """One dataclass: a mapping of its fields and no other keys."""
    hints, texts = get_type_hints(block, include_extras=True), _texts_below_fields(block)
    fields = [field for field in dataclasses.fields(block) if field.init]
    return {
        "title": block.__name__,
        "description": _first_paragraph(block),
        "type": "object",
        "additionalProperties": False,
        "required": [field.name for field in fields if _is_required(field)],
        "properties": {
            field.name: _field(f"{block.__name__}.{field.name}", hints[field.name], texts.get(field.name))
            for field in fields
        },
    }


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _field(where: str, hint: Any, text: str | None) -> Fragment:
    fragment = _fragment(where, hint)
    description = text or fragment.pop("description", None)
    if not description:
        raise TypeError(f"{where} has no description; write one below the field")
    title = where.rpartition(".")[2].replace("_", " ").capitalize()
    return {"title": title, "description": description} | fragment


def _fragment(where: str, hint: Any) -> Fragment:
    """What a type and its bounds look like in a schema."""
    kind, bounds = (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
    fragment = _of_kind(where, kind)
    for bound in bounds:
        if isinstance(bound, Keywords):
            fragment |= bound.said
    return fragment


def _of_kind(where: str, kind: Any) -> Fragment:
    origin = get_origin(kind)
    if kind is Any:
        return {}
    if origin in (Union, UnionType):
        return _of_union(where, get_args(kind))
    if dataclasses.is_dataclass(kind):
        return {"$ref": f"#/$defs/{kind.__name__}"}  # type: ignore[union-attr]
    if origin is Literal:
        values = list(get_args(kind))
        numbers = {"const": values[0]} if values == [values[0]] and isinstance(values[0], int) else {"enum": values}
        return {"type": _PLAIN[type(values[0])]} | numbers
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"type": "string", "enum": [member.value for member in kind]}
    if origin is tuple and get_args(kind)[1:] == (...,):
        return {"type": "array", "items": _fragment(where, get_args(kind)[0])}
    if origin is dict:
        return {"type": "object"} | _of_mapping(where, *get_args(kind))
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    raise TypeError(f"{where}: no schema can say {kind!r}; use a kind that _of_kind has, or add it there")


def _of_mapping(where: str, key: Any, value: Any) -> Fragment:
    """Keys are those of a Literal or an enum, or any that are spelled like the key's kind."""
    names, inner = _fragment(where, key), _fragment(where, value)
    if "enum" in names:
        named = {name: {"title": name.capitalize()} | inner for name in names["enum"]}
        return {"properties": named, "additionalProperties": False}
    spelling = {name: value for name, value in names.items() if name != "type"}
    return {"additionalProperties": inner} | ({"propertyNames": spelling} if spelling else {})


def _of_union(where: str, options: tuple[Any, ...]) -> Fragment:
    """Alternatives of different types: written as one fragment with several types where no block is among them."""
    fragments = [_fragment(where, option) for option in options]
    description = next((fragment.pop("description") for fragment in fragments if "description" in fragment), None)
    said = {"description": description} if description else {}
    if any("$ref" in fragment or "anyOf" in fragment for fragment in fragments):
        return said | {"anyOf": [each for fragment in fragments for each in fragment.get("anyOf", [fragment])]}
    merged: Fragment = {}
    for fragment in fragments:
        merged |= fragment
    merged["type"] = [name for fragment in fragments for name in as_list(fragment["type"])]
    if "enum" in merged and "null" in merged["type"]:
        merged["enum"] = [*merged["enum"], None]
    return said | merged


def as_list(value: Any) -> list[Any]:
    """A keyword's value that may be one or a list."""
    return value if isinstance(value, list) else [value]


def _with_choices(schema: Any, tables: Tables) -> Any:
    """The schema with the names of a table wherever a fragment says the table."""
    if isinstance(schema, list):
        return [_with_choices(part, tables) for part in schema]
    if not isinstance(schema, dict):
        return schema
    filled = {key: _with_choices(part, tables) for key, part in schema.items()}
    if isinstance(table := filled.get(CHOICES), str):
        filled = {key: part for key, part in filled.items() if key != CHOICES} | {"enum": list(tables[table])}
    return filled


def _first_paragraph(block: type) -> str:
    paragraph = inspect.cleandoc(block.__doc__ or "").split("\n\n")[0]
    return _one_line(paragraph)


def _texts_below_fields(block: type) -> dict[str, str]:
    """The text that stands below each field in the source of a dataclass."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(block))).body
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            found[field.target.id] = _one_line(below.value.value)
    return found


def _one_line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())
