"""The pages of the documentation, taken apart: what each of their blocks, commands, links and headings is.

Pages are the README and every Markdown file below ``docs/``. A fenced block says by its language what it is:

- ``bash``: commands; ``console``: commands after ``$ `` and below each what it prints; ``python``: a program.
  Tests run them, unless a comment right before the block says otherwise:
  ``<!-- run: NAME -->``: ``ci/readme`` runs it, in a fresh clone, on what NAME says (``host-cpu``, ``container-gpu``);
  ``<!-- for: WHAT -->``: it wants what tests do not have (``FOR``). Both are held against the command line, too.
- ``yaml``, ``text`` and others: shown.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import click
from markdown_it import MarkdownIt  # rich brings it
from markdown_it.token import Token

from selfimp_bench.cli.app import cli

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
COMMAND_LANGUAGES = ("bash", "console")
FOR = ("ci", "gpu", "cluster", "container", "network")
"""What a block may want that tests do not have: the project's own checks take minutes, the others are machines."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: the file and line it begins at, its language, its mark (``run``, ``for`` or none) and text."""

    page: str
    line: int
    language: str
    mark: str
    mark_value: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[str]:
        """Its command lines, each in one line: of ``console`` those after ``$ ``, of ``bash`` all."""
        text = self.text.replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if self.language == "console":
            return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return lines if self.language == "bash" else []


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    return tuple(MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")))


def blocks(page: Path) -> Iterator[Block]:
    before = ""
    for token in tokens(page):
        if token.type == "fence":
            found = re.fullmatch(r"<!-- (run|for): (\S+) -->", before.strip())
            assert token.map is not None
            yield Block(
                page=name_of(page),
                line=token.map[0] + 1,
                language=token.info.strip(),
                mark=found[1] if found else "",
                mark_value=found[2] if found else "",
                text=token.content,
            )
        before = token.content if token.type == "html_block" else ""


ALL_BLOCKS = tuple(block for page in PAGES for block in blocks(page))


def inline(page: Path) -> Iterator[tuple[int, Token]]:
    """The parts of its running text, each with the line that the text begins at."""
    for token in tokens(page):
        if token.type == "inline" and token.map is not None:
            for child in token.children or ():
                yield token.map[0] + 1, child


def headings(page: Path) -> list[str]:
    """The text of each heading, in order."""
    return [after.content for token, after in pairwise(tokens(page)) if token.type == "heading_open"]


def anchors(page: Path) -> set[str]:
    """What a link to a heading of it may say after ``#``, as GitHub and the site make it."""
    found: set[str] = set()
    for heading in headings(page):
        slug = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        count = 0
        while (unique := f"{slug}-{count}" if count else slug) in found:
            count += 1
        found.add(unique)
    return found


def of_the_kit(line: str) -> list[list[str]]:
    """The words after ``selfimp-bench`` of every such command in a line, also of those that a container is given."""
    found = []
    for part in re.split(r"\s(?:\||&&|\|\||;)\s", line):
        first, *words = shlex.split(part, comments=True) or [""]
        if first in ("selfimp-bench", ".venv/bin/selfimp-bench"):
            found.append(words)
        elif first in ("docker", "podman", "apptainer") and words[:1] == ["run"]:
            image = next(
                (at for at, word in enumerate(words) if re.fullmatch(r"selfimp-bench(:\w+|\.sif)", word)), None
            )
            if image is not None and "--entrypoint" not in words[:image]:
                found.append(words[image + 1 :])
    return found


def parse(words: list[str]) -> click.Context:
    """A command as the command line takes it, not run. Raises click's errors."""
    outer = click.Context(cli)
    command = cli.get_command(outer, words[0])
    if command is None:
        raise click.UsageError(f"No such command {words[0]!r}")
    rest = list(words[1:])
    while isinstance(command, click.Group):
        outer = click.Context(command, parent=outer)
        inner = command.get_command(outer, rest[0] if rest else "")
        if inner is None:
            raise click.UsageError(f"No such command {rest[:1]}")
        command, rest = inner, rest[1:]
    return command.make_context(words[0], rest, parent=outer)
