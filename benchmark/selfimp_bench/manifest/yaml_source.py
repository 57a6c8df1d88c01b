"""A strict YAML 1.2 reader: plain data, and where every key and value stands.

Everything of YAML that can hide what a file says is refused: anchors, aliases, tags, merge keys, directives,
duplicate keys, several documents, and scalars that YAML 1.1 and 1.2 read differently. The reader works on the
events of libyaml and follows no alias, so that a "billion laughs" file costs no more than its own length.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]
from yaml.error import MarkedYAMLError  # type: ignore[import-untyped]
from yaml.events import (  # type: ignore[import-untyped]
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from selfimp_bench.manifest.fault import JsonPath, shown
from selfimp_bench.manifest.study_tree import Node, planted
from selfimp_bench.manifest.yaml_scalar import Json, RefusedScalar, read_scalar

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32


class Position(NamedTuple):
    """Line and column, from 1, in characters."""

    line: int
    column: int


_START = Position(line=1, column=1)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Something that YAML has and a manifest may not have."""

    position: Position
    path: JsonPath
    message: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a file says, and where.

    keys, values: the position of every key, and of every value; a mapping or list that has a key stands where its
        key stands, for that is where a reader looks for it.
    untrusted: paths whose value is not known, because what stands there is refused.
    """

    data: Json
    keys: Mapping[JsonPath, Position]
    values: Mapping[JsonPath, Position]
    refusals: tuple[Refusal, ...]
    untrusted: frozenset[JsonPath]

    @cached_property
    def tree(self) -> Node:
        """The data, with the place of each value."""
        return planted(self.data)


class UnreadableYaml(Exception):
    """The file cannot be read to its end as YAML; this is the first, and the only, thing to say about it."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(message)
        self.position = position
        self.message = message


def read_yaml(path: Path) -> Source:
    """Read one file, once as long as it does not change.

    Raises UnreadableYaml when there is no data to look at (no such file, syntax error, ...).
    """
    try:
        state = path.stat()
    except (OSError, ValueError):
        return _read(path)
    return _read_once(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _read_once(path: Path, _changed: int, _size: int) -> Source:
    return _read(path)


def _read(path: Path) -> Source:
    text = _text_of(path)
    reader = _Reader()
    try:
        data = reader.document(yaml.parse(text, Loader=yaml.CBaseLoader))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = _position(mark) if mark else _START
        raise UnreadableYaml(position, f"not YAML: {_syntax_message(error, position, text)}") from None
    return Source(
        data=data,
        keys=reader.keys,
        values=reader.values,
        refusals=tuple(reader.refusals),
        untrusted=frozenset(reader.untrusted),
    )


_LINE_BREAK = re.compile("\r\n|\r|\n")
# Line breaks that YAML 1.1 knows and YAML 1.2 does not, and control characters (YAML 1.2.2, section 5.1).
_ODD_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
# The content of a mapping at the root never begins a line with %, so such a line is a directive.
_DIRECTIVE = re.compile(r"^%[^\r\n]*", re.MULTILINE)


def _text_of(path: Path) -> str:
    raw = _bytes_of(path)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        position = _position_after(raw[: error.start].decode("utf-8"))
        raise UnreadableYaml(position, f"byte {raw[error.start]:#04x} is not UTF-8; save the file as UTF-8") from None
    if text.startswith("\ufeff"):
        raise UnreadableYaml(_START, "the file begins with a byte order mark; save it as UTF-8 without one")
    if odd := _ODD_CHARACTER.search(text):
        message = f"character U+{ord(odd[0]):04X} cannot stand in a manifest; remove it, or write it as an escape"
        raise UnreadableYaml(_position_after(text[: odd.start()]), message)
    if directive := _DIRECTIVE.search(text):
        message = f"directive {shown(directive[0])}; a manifest is YAML 1.2 without directives, remove the line"
        raise UnreadableYaml(_position_after(text[: directive.start()]), message)
    return text


def _bytes_of(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise UnreadableYaml(_START, "this is a folder; name a manifest file in it")
        if path.exists() and not path.is_file():
            raise UnreadableYaml(_START, "this is not a regular file; name a manifest file")
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UnreadableYaml(_START, "no such file; check the path") from None
    except OSError as error:
        raise UnreadableYaml(_START, f"cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise UnreadableYaml(_START, f"larger than {MAX_BYTES // 1024} KiB; a manifest names its data, it holds none")
    return raw


def _position_after(text: str) -> Position:
    lines = _LINE_BREAK.split(text)
    return Position(line=len(lines), column=len(lines[-1]) + 1)


def _position(mark: Any) -> Position:
    return Position(line=mark.line + 1, column=mark.column + 1)


def _syntax_message(error: MarkedYAMLError, position: Position, text: str) -> str:
    problem = str(error.problem or error.context)
    if problem in _SYNTAX_WORDS:
        return _SYNTAX_WORDS[problem]
    if _line_from(position, text).startswith("\t"):
        return "a tab cannot indent or separate here; use spaces"
    context = f" {error.context}" if error.context and error.problem else ""
    return f"{problem.removeprefix('did not find ')}{context}; check quotes, brackets and indentation from here upwards"


_SYNTAX_WORDS: Mapping[str, str] = {
    "mapping values are not allowed in this context": (
        "a second ': ' on this line, or a wrong indentation; put text with ': ' in quotes"
    ),
    "did not find expected <document start>": (
        "a second document begins here; a manifest is one document, remove the other"
    ),
    "did not find expected key": "expected a key; check quotes, brackets and indentation from here upwards",
    "found invalid Unicode character escape code": "this escape in a quoted text is no character; remove it",
}


def _line_from(position: Position, text: str) -> str:
    lines = _LINE_BREAK.split(text)
    return lines[position.line - 1][position.column - 1 :] if position.line <= len(lines) else ""


_EMPTY = "the file is empty; start from a released manifest"


@dataclass(kw_only=True)
class _Reader:
    """Builds the data from the parser's events and collects what is refused on the way."""

    keys: dict[JsonPath, Position] = field(default_factory=dict)
    values: dict[JsonPath, Position] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    untrusted: set[JsonPath] = field(default_factory=set)

    def document(self, events: Iterator[Any]) -> Json:
        starts = (event for event in events if isinstance(event, DocumentStartEvent))
        if next(starts, None) is None:
            raise UnreadableYaml(_START, _EMPTY)
        first = next(events)
        if isinstance(first, ScalarEvent) and not first.value and not first.style:
            raise UnreadableYaml(_START, _EMPTY)
        data = self._value(first, events, ())
        if second := next(starts, None):
            self._note(second, (), "a second document begins here; a manifest is one document, remove the other")
        return data

    def _value(self, event: Any, events: Iterator[Any], path: JsonPath) -> Json:
        if len(path) > MAX_DEPTH:
            raise UnreadableYaml(_position(event.start_mark), f"nested more than {MAX_DEPTH} deep; no manifest is")
        position = _position(event.start_mark)
        is_collection = isinstance(event, MappingStartEvent | SequenceStartEvent)
        self.values.setdefault(path, self.keys.get(path, position) if is_collection else position)
        self._refuse_hidden_meaning(event, path)
        if isinstance(event, MappingStartEvent):
            return self._mapping(events, path)
        if isinstance(event, SequenceStartEvent):
            return self._list(events, path)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path)
        return None

    def _mapping(self, events: Iterator[Any], path: JsonPath) -> Json:
        entries: dict[str, Json] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            key = self._key(event, events, path)
            value = self._value(next(events), events, (*path, key))
            entries.setdefault(key, value)
        return entries

    def _key(self, event: Any, events: Iterator[Any], path: JsonPath) -> str:
        if not isinstance(event, ScalarEvent):
            self._value(event, events, (*path, "?"))
            if not isinstance(event, AliasEvent):
                self._refuse(event, (*path, "?"), "this key is a list or a mapping; a key is one word")
            return "?"
        key: str = event.value
        self._refuse_hidden_meaning(event, (*path, key))
        if (first := self.keys.get((*path, key))) is not None:
            message = f"key {shown(key)} stands in line {first.line} already; keep one of the two"
            self._refuse(event, (*path, key), message)
        elif key == "<<" and not event.style:
            self._refuse(event, (*path, key), "merge key <<; merging is not used, write the keys out in full")
        elif not isinstance(_plain_value(event), str):
            self._refuse(event, (*path, key), f"key {shown(key)[1:-1]} is no text; a key is one word")
        self.keys.setdefault((*path, key), _position(event.start_mark))
        return key

    def _list(self, events: Iterator[Any], path: JsonPath) -> Json:
        items: list[Json] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            items.append(self._value(event, events, (*path, len(items))))
        return items

    def _scalar(self, event: ScalarEvent, path: JsonPath) -> Json:
        value = _plain_value(event)
        if isinstance(value, RefusedScalar):
            self._refuse(event, path, value.message)
            return None
        return value

    def _refuse_hidden_meaning(self, event: Any, path: JsonPath) -> None:
        if isinstance(event, AliasEvent):
            self._refuse(event, path, f"alias {shown(f'*{event.anchor}')}; write the value out in full")
        elif event.anchor is not None:
            self._note(event, path, f"anchor {shown(f'&{event.anchor}')}; anchors are not used, remove it")
        if not isinstance(event, AliasEvent) and event.tag is not None:
            tag = shown(event.tag.replace("tag:yaml.org,2002:", "!!"))
            self._refuse(event, path, f"tag {tag}; a manifest is plain data, remove the tag")

    def _refuse(self, event: Any, path: JsonPath, message: str) -> None:
        """Refuse something that hides the value at this path."""
        self._note(event, path, message)
        self.untrusted.add(path)

    def _note(self, event: Any, path: JsonPath, message: str) -> None:
        self.refusals.append(Refusal(position=_position(event.start_mark), path=path, message=message))


def _plain_value(event: ScalarEvent) -> Json | RefusedScalar:
    return read_scalar(event.value, quoted=bool(event.style))
