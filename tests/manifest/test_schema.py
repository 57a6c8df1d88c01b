"""Schemas: made from the dataclasses, checked in as made, and judged by as a JSON Schema library judges."""

import copy
import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfimp_bench.manifest.json_schema import json_schema
from selfimp_bench.manifest.kinds import SOME, UNIQUE, Assumed, Count, Name, Share, Source, Text, TopK
from selfimp_bench.manifest.schema_check import (
    _KEYWORDS,
    SCHEMA_FILE,
    SUITE_SCHEMA_FILE,
    VERIFICATION_SCHEMA_FILE,
    faults_by,
    schema_faults,
)
from selfimp_bench.manifest.study import OF_EXPERIMENT, OF_METHOD, OF_STUDY, OF_TASK, is_study
from selfimp_bench.manifest.yaml_source import read_yaml
from selfimp_bench.places import MANIFESTS
from selfimp_bench.protocols.schemas import ROOTS, STUDY_SCHEMA_FILE, schemas
from selfimp_bench.protocols.study_schema import Study, StudyExperiment, StudyMethod, StudyTask

VALID = Path(__file__).parent / "valid"
EXAMPLES = {
    SCHEMA_FILE: VALID / "example-iter-dpo.v1.yaml",
    SUITE_SCHEMA_FILE: VALID / "example.suite.v1.yaml",
    VERIFICATION_SCHEMA_FILE: VALID / "example-gv-gap.v1.yaml",
}
every_schema = pytest.mark.parametrize("file", [*ROOTS, STUDY_SCHEMA_FILE], ids=lambda file: file.name)
every_read_schema = pytest.mark.parametrize("file", ROOTS, ids=lambda file: file.name)


_made = cache(schemas)


@every_schema
def test_a_schema_is_as_its_dataclasses_make_it(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == _made()[file], "run python -m selfimp_bench.protocols.schemas"


@every_schema
def test_a_schema_is_a_schema_at_an_address_and_whole_in_itself(file: Path) -> None:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    schema = _read(file)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"https://selfimp-bench.org/schema/{file.name}"
    assert {ref for ref in _values_of("$ref", schema) if not ref.startswith("#/$defs/")} == set()


@every_read_schema
def test_a_schema_uses_only_keywords_that_have_their_words(file: Path) -> None:
    notes = {"$schema", "$id", "$defs", "$ref", "anyOf", "type", "title", "description", "errorMessage"}
    assert {keyword for fragment in _fragments(_read(file)) for keyword in fragment} - notes <= set(_KEYWORDS)


@every_schema
def test_everything_is_explained_to_whoever_writes_a_document(file: Path) -> None:
    schema = _read(file)
    for name, block in {"the document": schema, **schema["$defs"]}.items():
        assert block["description"], name
        for key, fragment in block["properties"].items():
            for each in fragment["anyOf"] if set(fragment) == {"anyOf"} else [fragment]:
                assert not each or (each["title"] and each["description"]), f"{name}.{key}"


# ---- the schema of studies ----

STUDIES = [file for file in sorted(MANIFESTS.rglob("*.yaml")) if is_study(read_yaml(file).data)]


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_an_editor_finds_nothing_wrong_with_a_shipped_study(file: Path) -> None:
    assert [error.message for error in _library(STUDY_SCHEMA_FILE).iter_errors(read_yaml(file).data)] == []


def test_an_editor_sees_unknown_keys_and_wrong_values_of_a_study() -> None:
    study: Any = copy.deepcopy(read_yaml(STUDIES[0]).data)
    next(iter(study["experiments"].values()))["mehtod"] = "x"
    study["engines"]["threads"] = "many"
    study["tilte"] = "x"
    del study["title"]
    found = sorted(str(error.message) for error in _library(STUDY_SCHEMA_FILE).iter_errors(study))
    assert [message[:30] for message in found if "many" in message] == ["'many' is not of type 'integer'"[:30]]
    assert sum("Additional properties are not allowed" in message for message in found) == 2
    assert "'title' is a required property" in found


@pytest.mark.parametrize(
    ("block", "keys"),
    [(Study, OF_STUDY), (StudyTask, OF_TASK), (StudyMethod, OF_METHOD), (StudyExperiment, OF_EXPERIMENT)],
)
def test_the_schema_of_studies_has_the_keys_that_studies_have(block: type, keys: tuple[str, ...]) -> None:
    assert {field.name for field in dataclasses.fields(block)} == set(keys)  # type: ignore[arg-type]


# ---- what a dataclass becomes ----


class Colour(StrEnum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A part."""

    radius: Share | None = None
    """In metres."""


@dataclass(frozen=True, kw_only=True)
class Cart:
    """A thing with ``wheels``.

    More about it.
    """

    schema: Literal[2]
    """Version."""
    colour: Colour | None = None
    """Of the outside, as
    painted."""
    wheels: Annotated[tuple[Wheel, ...], SOME]
    """All of them."""
    spare: Wheel | None = None
    """One more."""
    named: dict[Name, Wheel | Text]
    """By name, whole or in words."""
    sides: dict[Literal["left", "right"], Count] | None = None
    """How many there."""
    top_k: TopK = -1
    """As in sampling."""
    source: Source | None = None
    assumed: Assumed | None = None


CART = json_schema(Cart, "cart.v2.json")


def test_a_dataclass_becomes_a_block_with_its_words_types_and_bounds() -> None:
    assert CART["description"] == "A thing with `wheels`."
    assert CART["required"] == ["schema", "wheels", "named"]
    fields = CART["properties"]
    assert fields["schema"] == {"title": "Schema", "description": "Version.", "type": "integer", "const": 2}
    assert fields["colour"] == {
        "title": "Colour",
        "description": "Of the outside, as painted.",
        "type": ["string", "null"],
        "enum": ["red", "blue", None],
    }
    assert (fields["wheels"]["items"], fields["wheels"]["minItems"]) == ({"$ref": "#/$defs/Wheel"}, 1)
    assert fields["spare"]["anyOf"] == [{"$ref": "#/$defs/Wheel"}, {"type": "null"}]
    assert list(fields["sides"]["properties"]) == ["left", "right"]
    assert fields["source"]["description"].startswith("Where in the paper")
    assert CART["$defs"]["Wheel"]["properties"]["radius"]["exclusiveMinimum"] == 0


def _cart(**changes: object) -> list[str]:
    found = faults_by(CART, {"schema": 2, "wheels": [{}], "named": {}} | changes)
    return [f"{'.'.join(map(str, fault.path))}: {fault.message}" for fault in found]


def test_a_document_is_judged_by_a_made_schema() -> None:
    assert _cart(named={"front": {"radius": 0.5}, "rear": "as the other"}, colour=None, sides={"left": 1}) == []
    assert _cart(schema=1) == ["schema: expected 2, found 1; this version of selfimp-bench reads no other"]
    assert _cart(colour="rad") == ['colour: expected one of red, blue, found "rad"; did you mean red?']
    assert _cart(named={"front": 3}) == ["named.front: expected a mapping or text, found 3; put it in quotes"]
    assert _cart(named={"Front": "x"})[0].startswith("named.Front: expected lower-case letters")
    assert _cart(sides={"left": 0, "lift": 1}) == [
        "sides.left: expected at least 1, found 0",
        "sides.lift: unknown key \"lift\"; did you mean 'left'?",
    ]
    assert _cart(assumed={}) == ["assumed: expected at least one key, found none; fill it, or remove it"]
    assert _cart(top_k=0) == ["top_k: expected -1 (off), or 1 and more, found 0"]


def test_a_field_without_words_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Silent:
        """Says nothing of its field."""

        field: int

    with pytest.raises(TypeError, match=r"Silent\.field has no description; write one below the field"):
        json_schema(Silent, "silent.v1.json")


def test_a_type_that_no_schema_can_say_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Odd:
        """Has a set."""

        field: Annotated[set[int], UNIQUE]
        """A set."""

    with pytest.raises(TypeError, match=r"Odd\.field: no schema can say set\[int\]"):
        json_schema(Odd, "odd.v1.json")


# ---- our verdicts are those of a JSON Schema library ----


@cache
def _library(file: Path) -> Any:
    """The library's validator, with 5.0 no integer, and patterns that match the whole text.

    Imported here alone: it makes the grammars of all formats at once, for a second and a half.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend  # type: ignore[import-untyped]

    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return extend(Draft202012Validator, validators={"pattern": _whole}, type_checker=types)(_read(file))


def _whole(_validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[Exception]:
    from jsonschema import ValidationError

    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError("pattern")


ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 25),
    st.sampled_from(
        [0.0, 0.5, 1.0, 1.5, -0.1, "", "x", "Name\n", "0" * 64, "previous", "test", [], {}, [1, 1], {"a": "b"}]
    ),
)


@st.composite
def changed_documents(draw: st.DrawFn) -> tuple[Path, Any]:
    """A valid document with one to three values replaced, left out, repeated, or added."""
    file = draw(st.sampled_from(sorted(EXAMPLES)))
    data = copy.deepcopy(_valid(file))
    for _ in range(draw(st.integers(1, 3))):
        inside = draw(st.sampled_from(list(_collections(data))))
        if isinstance(inside, list):
            inside.append(copy.deepcopy(draw(ODD_VALUES | st.sampled_from(inside or [0]))))
            continue
        key = draw(st.sampled_from([*inside, "assumed", "new"]))
        if key in inside and draw(st.booleans()):
            del inside[key]
        else:
            inside[key] = copy.deepcopy(draw(ODD_VALUES))
    return file, data


@settings(max_examples=300)
@given(document=changed_documents())
def test_a_document_is_right_exactly_where_a_json_schema_library_says_so(document: tuple[Path, Any]) -> None:
    file, data = document
    assert (not schema_faults(data, file)) == _library(file).is_valid(data)


@every_read_schema
def test_the_examples_are_right_to_both(file: Path) -> None:
    assert schema_faults(_valid(file), file) == ()
    assert _library(file).is_valid(_valid(file))


@cache
def _valid(file: Path) -> Any:
    return copy.deepcopy(read_yaml(EXAMPLES[file]).data)


@cache
def _read(file: Path) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def _collections(data: Any) -> Iterator[Any]:
    if isinstance(data, dict | list):
        yield data
        for inner in data.values() if isinstance(data, dict) else data:
            yield from _collections(inner)


def _values_of(keyword: str, schema: dict[str, Any]) -> Iterator[Any]:
    yield from (fragment[keyword] for fragment in _fragments(schema) if keyword in fragment)


def _fragments(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", ())]
    inner += [schema[name] for name in ("items", "additionalProperties", "propertyNames") if schema.get(name)]
    for fragment in inner:
        yield from _fragments(fragment)
