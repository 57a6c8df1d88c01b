"""CSV tables that people write, as fields with their places: what every kind of table has in common.

The csv module does not give places, and a table is read strictly: every problem with its line and column.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from selfimp_bench.errors import Flaw
from selfimp_bench.plain_json import shortened

Rules = Mapping[str, Callable[[str], str | None]]
"""By column: what is wrong with a field's text, or None."""


class Field(NamedTuple):
    """A field's text, without its quotes, and where it begins."""

    text: str
    line: int
    column: int


Record = dict[str, Field]
"""A row by its columns."""


@dataclass(frozen=True, kw_only=True)
class Records:
    """The rows of a table, each as wide as its first line, and everything wrong with them so far.

    is_whole: whether the file could be taken apart; where it could not, nothing else of it can be looked at.
    """

    records: tuple[Record, ...]
    flaws: tuple[Flaw, ...]
    is_whole: bool


def read_records(file: str, raw: bytes, required: Sequence[str], optional: Sequence[str], rules: Rules) -> Records:
    """A table by its content: its columns, and every field by the rule of its column."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the table as UTF-8"
        return _refused(Flaw(file=file, line=line, column=column, where="$", message=message))
    if text.startswith("\ufeff"):
        message = "starts with a byte order mark; save the table as UTF-8 without one"
        return _refused(Flaw(file=file, line=1, column=1, where="$", message=message))
    flaws: list[Flaw] = []
    rows = list(_split(text, file, flaws))
    if not rows:
        message = f"the table is empty; its first line must name the columns {', '.join(required)}"
        return _refused(*flaws, Flaw(file=file, line=1, column=1, where="$", message=message))
    flaws += _header_flaws(file, rows[0], required, optional)
    return _refused(*flaws) if flaws else _by_columns(file, rows, rules)


def _refused(*flaws: Flaw) -> Records:
    return Records(records=(), flaws=flaws, is_whole=False)


_PLAIN_LINE = re.compile(r'([^"\r\n]*)(?:\r\n|\n|\r|\Z)')
_LINE_END = re.compile(r"\r\n|\n|\r")
_FIELD = re.compile(r'(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^",\r\n]*))(?P<end>,|\r\n|\n|\r|\Z)')


def _split(text: str, file: str, flaws: list[Flaw]) -> Iterator[tuple[Field, ...]]:
    """The fields of every line (RFC 4180), with their places, which the csv module does not give."""
    starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
    fields: list[Field] = []
    position = 0
    while position < len(text) or fields:
        line = bisect_right(starts, position)
        if not fields and (plain := _PLAIN_LINE.match(text, position)):
            yield _plain_fields(plain[1], line)
            position = plain.end()
            continue
        column = position - starts[line - 1] + 1
        match = _FIELD.match(text, position)
        if match is None:
            message = 'a quote inside a field, after it or never closed; quote the whole field, "" for a quote in it'
            flaws.append(Flaw(file=file, line=line, column=column, where="$", message=message))
            return
        quoted = match["quoted"]
        content = match["plain"] if quoted is None else quoted.replace('""', '"')
        fields.append(Field(text=content, line=line, column=column))
        position = match.end()
        if match["end"] != ",":
            yield tuple(fields)
            fields = []


def _plain_fields(text: str, line: int) -> tuple[Field, ...]:
    """Those of a line without quotes."""
    texts = text.split(",")
    columns = accumulate((len(each) + 1 for each in texts[:-1]), initial=1)
    return tuple(Field(text=each, line=line, column=column) for each, column in zip(texts, columns, strict=True))


def flaw_in(file: str, field: Field, column: str, message: str) -> Flaw:
    """A flaw of one field."""
    return Flaw(file=file, line=field.line, column=field.column, where=f"$.{shortened(column)}", message=message)


def _header_flaws(
    file: str, header: tuple[Field, ...], required: Sequence[str], optional: Sequence[str]
) -> Iterator[Flaw]:
    names = [field.text for field in header]
    for field, name in zip(header, names, strict=True):
        if name not in (*required, *optional):
            known = ", ".join((*required, *optional))
            yield flaw_in(file, field, name, f"unknown column; the columns are {known}")
    for name, count in Counter(names).items():
        if count > 1:
            yield flaw_in(file, header[len(names) - 1 - names[::-1].index(name)], name, "the column is there twice")
    for name in required:
        if name not in names:
            yield flaw_in(file, header[0], name, "the column is missing")


def _by_columns(file: str, rows: Sequence[tuple[Field, ...]], rules: Rules) -> Records:
    names = [field.text for field in rows[0]]
    flaws: list[Flaw] = []
    records: list[Record] = []
    for row in rows[1:]:
        if len(row) == len(names):
            records.append(dict(zip(names, row, strict=True)))
        else:
            found = "an empty line" if len(row) == 1 and not row[0].text else f"{len(row)} fields"
            message = f"{found}; expected {len(names)} fields, as in the first line"
            flaws.append(Flaw(file=file, line=row[0].line, column=row[0].column, where="$", message=message))
    for record in records:
        for name, field in record.items():
            if problem := _too_long(field.text) or rules[name](field.text):
                flaws.append(flaw_in(file, field, name, problem))
    if not rows[1:]:
        flaws.append(Flaw(file=file, line=1, column=1, where="$", message="the table has no rows under its first line"))
    return Records(records=tuple(records), flaws=tuple(flaws), is_whole=True)


def _too_long(text: str) -> str | None:
    return f"has {len(text)} characters; expected at most {_LONGEST}" if len(text) > _LONGEST else None


# ---- rules that several kinds of table have ----

_LONGEST = 2000
"""Characters of a field."""
_DECIMAL = re.compile(r"-?([0-9]{1,30}(\.[0-9]{1,30})?|\.[0-9]{1,30})")


def text_rule(text: str) -> str | None:
    """Some text, without spaces around it."""
    if not text:
        return "must not be empty"
    return "must not begin or end with a space" if text != text.strip() else None


def optional_text_rule(text: str) -> str | None:
    """Such a text, or none."""
    return text_rule(text) if text else None


def number_rule(text: str) -> str | None:
    """A plain decimal number."""
    return None if _DECIMAL.fullmatch(text) else f"must be a plain decimal number such as 77.5, found '{text}'"


def optional_number_rule(text: str) -> str | None:
    """Such a number, or none."""
    return number_rule(text) if text else None


def error_rule(text: str) -> str | None:
    """A number from 0, or none."""
    if text and _DECIMAL.fullmatch(text) and Decimal(text) < 0:
        return f"must not be negative, found {text}"
    return optional_number_rule(text)
