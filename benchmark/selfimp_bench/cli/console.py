"""The console that everything is printed on, and a table of text: light, for commands that need no more."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

PLAIN_WIDTH = 160
"""Columns of a table that goes into a file or a pipe, where rich would otherwise assume 80."""


def console(*, stderr: bool = False) -> Console:
    """A console of the terminal's width, or of ``PLAIN_WIDTH`` where there is no terminal."""
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=PLAIN_WIDTH)


def table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of text, markup not interpreted."""
    made = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(cell.replace("[", "\\[") for cell in row))
    return made
