"""``benchmark/HOURS.md``: its numbers are those that its commands print, and what it points to is there."""

import csv
import re
import shlex
from functools import cache

import pytest
from click.testing import CliRunner
from docs_pages import ROOT, Block, blocks

from selfimp_bench.cli.app import cli

PAGE = ROOT / "benchmark/HOURS.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = tuple(blocks(PAGE))
SAID_BY_OTHERS = {"2,000", "1,200"}
"""What the source prints, and the aim that is not reached."""


@cache
def printed(command: str) -> tuple[str, ...]:
    """Its lines with single blanks; a plan that cannot run whole ends with 2."""
    kit, *words = shlex.split(command)
    assert kit == "selfimp-bench"
    result = CliRunner().invoke(cli, words)
    assert result.exit_code in (0, 2), result.output
    return tuple(" ".join(line.split()) for line in result.stdout.splitlines())


def holds(lines: list[str], output: tuple[str, ...]) -> bool:
    """Whether these lines were printed, in this order."""
    rest = iter(output)
    return all(" ".join(line.split()) in rest for line in lines)


@pytest.mark.parametrize("block", BLOCKS, ids=[block.place for block in BLOCKS])
def test_a_block_is_what_its_command_prints(block: Block) -> None:
    (command,) = block.commands()
    shown = block.text.splitlines()[1:]
    assert shown and holds(shown, printed(command))


def test_a_changed_number_or_order_is_seen() -> None:
    assert holds(["a 1", "c  3"], ("a 1", "b 2", "c 3"))
    assert not holds(["a 1", "c 4"], ("a 1", "b 2", "c 3"))
    assert not holds(["c 3", "a 1"], ("a 1", "b 2", "c 3"))


def test_the_numbers_of_the_text_are_in_its_blocks_and_the_aim_is_not_reached() -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", TEXT, flags=re.DOTALL).partition("## Assumptions")[0]
    said = set(re.findall(r"\d,\d{3}\b|\d+%", text)) - SAID_BY_OTHERS
    shown = " ".join(block.text for block in BLOCKS)
    assert {"1,486", "1,215", "1,029", "40%", "54%"} <= said
    assert {number for number in said if number not in shown} == set()
    assert min(map(int, re.findall(r"peak in training +(\d+)", shown.replace(",", "")))) > 1200


def test_the_coverage_that_it_names_is_the_table_s() -> None:
    with (ROOT / "reference_results/progress-or-regress/figure2.csv").open() as file:
        shares = [float(row["printed"]) for row in csv.DictReader(file) if row["metric"] == "coverage"]
    assert f"between {min(shares)} and {max(shares)} are right" in TEXT


def test_the_tests_that_it_points_to_are_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
    assert len(named) > 6
    assert [name for path, name in named if f"def {name}(" not in (ROOT / path).read_text("utf-8")] == []
