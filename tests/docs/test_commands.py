"""Every command that a page shows or names is one that the command line takes, of experiments that there are."""

import re
from collections.abc import Iterator
from functools import cache

import click
import pytest
from docs_pages import ALL_BLOCKS, PAGES, inline, name_of, of_the_kit, parse

from selfimp_bench.errors import SelfimpError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.cluster.simulate import parse_nodes
from selfimp_bench.runs.hardware.device import parse_hardware
from selfimp_bench.runs.study import Study, open_study
from selfimp_bench.tasks.grading.graders import GRADERS

Shown = tuple[str, tuple[str, ...]]
"""Where a command stands, and its words."""

PLACEHOLDER = re.compile(r"[A-Z][A-Z_]*(\.[a-z]+)?")
"""A word that running text has in place of a value: ``RUN``, ``K``, ``FILE.html``."""


def in_blocks() -> Iterator[Shown]:
    for block in ALL_BLOCKS:
        for line in block.commands():
            for words in of_the_kit(line):
                yield block.place, tuple(words)


def in_text() -> Iterator[Shown]:
    """`selfimp-bench ...` in running text, and in blocks of text up to two spaces; `[...]`, what may be left out, is
    taken to be there. The page of commands has each command's own words.
    """
    said = [
        (f"{name_of(page)}:{line}", part.content)
        for page in PAGES
        for line, part in inline(page)
        if part.type == "code_inline"
    ]
    for block in ALL_BLOCKS:
        if block.language == "text" and block.page != "docs/reference/commands.md":
            said += [(block.place, line.partition("  ")[0]) for line in block.text.splitlines()]
    for place, text in said:
        if text.startswith(("selfimp-bench ", ".venv/bin/selfimp-bench ")):
            for words in of_the_kit(re.sub(r"[\[\]]", "", text)):
                yield place, tuple(words)


IN_BLOCKS, IN_TEXT = tuple(in_blocks()), tuple(in_text())


@cache
def opened(name: str, profile: str, only: str | None, vary: tuple[str, ...]) -> Study:
    return open_study(name, profile=Profile(profile), only=only, replicates=1, vary=vary)


def check(words: tuple[str, ...]) -> None:
    """Raises click's errors, or the kit's, for a command that would be refused whatever lies on the disk."""
    found = parse(list(words))
    said = found.params
    names = [said[key] for key in ("name", "source") if isinstance(said.get(key), str)]
    if found.info_name == "init":
        names.remove(said["name"])
    for name in names:
        if not PLACEHOLDER.fullmatch(name) and not name.endswith((".yaml", ".yml")):
            opened(name, said.get("profile") or "paper", said.get("only"), said.get("vary") or ())
    if (hardware := said.get("hardware_text")) is not None:
        parse_hardware(hardware)
    if (nodes := said.get("nodes_text")) is not None:
        parse_nodes(nodes)
    if (task := said.get("task")) is not None:
        assert task in GRADERS, f"{task}: no task; there are {', '.join(GRADERS)}"


def test_there_are_commands_to_check() -> None:
    assert len(IN_BLOCKS) > 8
    assert len(IN_TEXT) > 5
    assert {"docs/how-to/cluster.md", "docs/how-to/container.md"} <= {place.partition(":")[0] for place, _ in IN_BLOCKS}


def each(shown: tuple[Shown, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("words", [pytest.param(words, id=f"{place} {words[0]}") for place, words in shown])


@each(IN_BLOCKS)
def test_a_command_of_a_block_would_be_taken(words: tuple[str, ...]) -> None:
    check(words)


@each(IN_TEXT)
def test_a_command_of_the_text_would_be_taken(words: tuple[str, ...]) -> None:
    check(tuple("1" if re.fullmatch("[A-Z]", word) else word for word in words))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("selfimp-bench plan tiny-iter-sft --hardwear 8xA100-80GB", "No such option"),
        ("selfimp-bench plan tiny-iter-sfd", "no experiment of this name"),
        ("selfimp-bench plan gsm8k-iter-sft --only model=llama-9", "llama-9"),
        ("selfimp-bench plan tiny-iter-sft --hardware 8xA1000", "A1000"),
        ("selfimp-bench explain RUN", "Missing argument"),
        ("selfimp-bench reproduce tiny-iter-sft --executor kubernetes", "kubernetes"),
        ("selfimp-bench reprodoce tiny-iter-sft", "No such command"),
        ("selfimp-bench sandbox test", "No such command"),
        ("selfimp-bench reproduce tiny-iter-sft --vary no_such_field=1", "no_such_field"),
        ("docker run --rm selfimp-bench:cpu reproduce tiny-iter-sft --seed 3", "No such option"),
        ("cat samples.jsonl | .venv/bin/selfimp-bench grade --task gsm8 --samples s --out g", "gsm8"),
    ],
)
def test_a_wrong_command_is_found(line: str, error: str) -> None:
    (words,) = of_the_kit(line)
    with pytest.raises((click.UsageError, SelfimpError, AssertionError)) as raised:
        check(tuple(words))
    assert error in (raised.value.format_message() if isinstance(raised.value, click.UsageError) else str(raised.value))
