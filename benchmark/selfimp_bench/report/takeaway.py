"""What a reader can take away from a page, inside of it: links whose addresses are the files themselves.

A page is one file that works wherever it is moved, without scripts and without a network: so no link leads beside it.
"""

import csv
import io
import re
from base64 import b64encode
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

_TYPES: Final = {
    "csv": "text/csv;charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "png": "image/png",
}
_FORMULA: Final = re.compile(r"[=@]|[+-](?!\d*\.?\d+(?:e[+-]?\d+)?(?: |$))")
"""How a cell begins that a spreadsheet would calculate: a sign before anything but one number, alone or with words."""


def file_url(content: str | bytes, ending: str) -> str:
    """The address of a file that is its content."""
    whole = content.encode() if isinstance(content, str) else content
    return f"data:{_TYPES[ending]};base64,{b64encode(whole).decode()}"


def file_stem(words: str) -> str:
    """A file's name from words: letters, digits and hyphens, and never none."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:80] or "table"


def csv_of(html: str) -> str:
    """The first table of some HTML as CSV, as it is read: a cell that spans several is repeated, what is folded inside
    of a cell is left out, and no cell is a formula."""
    reader = _TableReader()
    reader.feed(html)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[_safe(cell) for cell in row] for row in reader.rows()])
    return text.getvalue()


def _safe(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


@dataclass(kw_only=True)
class _Cell:
    rows: int
    columns: int
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.parts).split())


class _TableReader(HTMLParser):
    """Rows of cells; ``folded`` counts open ``details``, whose text is not the cell's."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[list[_Cell]] = []
        self._cell: _Cell | None = None
        self._folded = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "details":
            self._folded += 1
        elif self._folded:
            return
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            given = dict(attrs)
            self._cell = _Cell(rows=int(given.get("rowspan") or 1), columns=int(given.get("colspan") or 1))
            self._rows[-1].append(self._cell)
        elif self._cell is not None and tag != "wbr":
            self._cell.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "details":
            self._folded -= 1
        elif tag in ("td", "th") and not self._folded:
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None and not self._folded:
            self._cell.parts.append(data)

    def rows(self) -> list[list[str]]:
        """The text of every place, spans filled."""
        filled: list[list[str]] = []
        hanging: dict[int, tuple[int, str]] = {}
        for row in self._rows:
            line: list[str] = []
            cells = iter(row)
            while True:
                if (above := hanging.pop(len(line), None)) is not None:
                    if above[0] > 1:
                        hanging[len(line)] = (above[0] - 1, above[1])
                    line.append(above[1])
                    continue
                cell = next(cells, None)
                if cell is None:
                    break
                for _ in range(cell.columns):
                    if cell.rows > 1:
                        hanging[len(line)] = (cell.rows - 1, cell.text)
                    line.append(cell.text)
            filled.append(line)
        return filled
