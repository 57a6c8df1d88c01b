"""The console that everything is printed on, and tables that fit it: light, for commands that need no more."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType

PLAIN_WIDTH: Final = 160
"""Columns of what goes into a file or a pipe, where rich would otherwise assume 80; COLUMNS says another number."""

_GAP: Final = 2
_TALLEST: Final = 4
"""Lines of a wrapped cell beyond which each row is written as a paragraph."""

STYLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "REPRODUCED": "green",
        "NOT_REPRODUCED": "bold red",
        "INCONCLUSIVE": "yellow",
        "NOT_MEASURED": "magenta",
        "yes": "green",
        "no": "yellow",
        "ok": "green",
        "note": "yellow",
        "problem": "bold red",
        "held": "green",
        "BROKEN": "bold red",
    }
)
"""Colours of cells that are such a word, where the terminal has colours and NO_COLOR does not ask for none."""


def console(*, stderr: bool = False) -> Console:
    """A console of the terminal's width, or of ``PLAIN_WIDTH`` where there is no terminal; no text is markup."""
    found = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if found.is_terminal or "COLUMNS" in os.environ:
        return found
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=PLAIN_WIDTH)


def show(parts: "Iterable[RenderableType]", *, whole: bool = False) -> None:
    """Print lines, texts and tables on standard output. whole: lines are not wrapped, for they hold commands; into a
    file or a pipe none is, but for COLUMNS."""
    screen = console()
    whole = whole or not (screen.is_terminal or "COLUMNS" in os.environ)
    for part in parts:
        screen.print(plain(part) if isinstance(part, str) else part, soft_wrap=whole and not isinstance(part, Table))


def plain(text: str) -> Text:
    """A text whose characters are all shown: one that would move the cursor is written as its escape."""
    return Text("".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text))


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column and what becomes of it where there is little room: it is wrapped, cut with an ellipsis and left out
    below ``at_least`` columns (with all such columns behind it), or stays whole. Right: its cells end where it does."""

    name: str
    room: Literal["wrapped", "cut", "whole"] = "wrapped"
    at_least: int = 8
    right: bool = False


class Table:
    """Rows of text that fit the console: beside each other, or a paragraph a row where that is too narrow."""

    def __init__(self, title: str | None, columns: Sequence[Column], rows: Iterable[Sequence[str | Text]]) -> None:
        self._title = title
        self._columns = tuple(columns)
        self._rows = [tuple(map(_cell, row)) for row in rows]

    def __rich_console__(self, screen: Console, options: "ConsoleOptions") -> "Iterator[RenderableType]":
        """As rich asks for it."""
        if self._title:
            yield Text(self._title)
        widths = self._widths(options.max_width)
        yield from self._paragraphs(screen, options.max_width) if widths is None else self._grid(screen, widths)

    def _widths(self, width: int) -> dict[int, int] | None:
        """The width of each column that is shown; None where they do not fit beside each other."""
        natural = [
            max((cell_len(line) for row in self._rows for line in row[place].plain.split("\n")), default=0)
            for place in range(len(self._columns))
        ]
        natural = [max(found, cell_len(column.name)) for found, column in zip(natural, self._columns, strict=True)]
        widths = {place: natural[place] for place, column in enumerate(self._columns) if column.room != "cut"}
        left = width - sum(widths.values()) - _GAP * max(0, len(widths) - 1)
        for place, column in enumerate(self._columns):
            if column.room == "cut":
                if left - _GAP < min(natural[place], column.at_least):
                    break
                widths[place] = min(natural[place], left - _GAP)
                left -= widths[place] + _GAP
        return dict(sorted(widths.items())) if left >= 0 else self._shrunk(widths, natural, -left)

    def _shrunk(self, widths: dict[int, int], natural: Sequence[int], excess: int) -> dict[int, int] | None:
        """Narrower columns, the widest first, none narrower than its longest word."""
        narrowest = {place: self._longest_word(place) for place in widths if self._columns[place].room == "wrapped"}
        for _ in range(excess):
            able = [place for place, word in narrowest.items() if widths[place] > word]
            if not able:
                return None
            widths[max(able, key=widths.__getitem__)] -= 1
        return widths if all(natural[place] <= _TALLEST * widths[place] for place in narrowest) else None

    def _longest_word(self, place: int) -> int:
        cells = (self._columns[place].name, *(row[place].plain for row in self._rows))
        return max((cell_len(word) for cell in cells for word in cell.split()), default=0)

    def _grid(self, screen: Console, widths: Mapping[int, int]) -> Iterator[Text]:
        heads = [Text(column.name, style="bold") for column in self._columns]
        for row in (*([heads] if any(heads) else []), *self._rows):
            cells = [self._fitted(screen, row[place], place, width) for place, width in widths.items()]
            for line in zip_longest(*cells):
                made = Text()
                for place, part in zip(widths, line, strict=True):
                    shown = part or Text()
                    room = " " * (widths[place] - cell_len(shown.plain))
                    made += Text(room) + shown if self._columns[place].right else shown + Text(room)
                    made += Text(" " * _GAP)
                made.rstrip()
                yield made

    def _fitted(self, screen: Console, cell: Text, place: int, width: int) -> list[Text]:
        if self._columns[place].room == "cut":
            cell = cell.copy()
            cell.truncate(width, overflow="ellipsis")
            return [cell]
        return list(cell.wrap(screen, width, overflow="fold"))

    def _paragraphs(self, screen: Console, width: int) -> Iterator[Text]:
        head = next((place for place, column in enumerate(self._columns) if column.room != "whole"), 0) or 1
        for row in self._rows:
            yield from Text(" " * _GAP).join(row[:head]).wrap(screen, width, overflow="fold")
            for column, cell in zip(self._columns[head:], row[head:], strict=True):
                if cell.plain:
                    label = Text(f"{column.name}: " if column.name else "", style="bold")
                    for line in (label + cell).wrap(screen, max(width - 2, 1), overflow="fold"):
                        yield Text("  ") + line


def table(title: str | None, columns: Sequence[str | Column], rows: Iterable[Sequence[str | Text]]) -> Table:
    """A table of text; a column that is a word alone is wrapped where there is little room."""
    return Table(title, [each if isinstance(each, Column) else Column(name=each) for each in columns], rows)


def _cell(value: str | Text) -> Text:
    if isinstance(value, Text):
        return value
    found = plain(value)
    found.stylize(STYLES.get(value, ""))
    return found
