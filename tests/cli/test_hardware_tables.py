"""How an outlook looks."""

import io
import re

import pytest
from rich.console import Console

from selfimp_bench.cli.hardware_tables import outlook_tables, savings_tables, spread, study_outlook_tables
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.hardware.cost import Range
from selfimp_bench.runs.hardware.device import parse_hardware
from selfimp_bench.runs.hardware.outlook import outlook, study_outlook
from selfimp_bench.runs.hardware.savings import savings
from selfimp_bench.runs.study import open_experiment, open_study


@pytest.mark.parametrize(
    ("expected", "at_most", "words"),
    [
        (0.0, 0.0, "0 h"),
        (0.046, 0.162, "0.046 to 0.16 h"),
        (4.2, 12.6, "4.2 to 13 h"),
        (131.4, 1722.0, "131 to 1,722 h"),
        (99.6, 100.4, "100 h"),
    ],
)
def test_an_estimate_has_no_more_digits_than_it_is_worth(expected: float, at_most: float, words: str) -> None:
    assert spread(Range(expected=expected, at_most=at_most), " h") == words


def _cells(line: str) -> list[str]:
    """Of a table's line: two blanks part them."""
    return re.split(" {2,}", line.strip())


@pytest.mark.parametrize("width", [80, 120, 200])
def test_an_outlook_is_readable_at_any_usual_width(width: int) -> None:
    screen = Console(file=io.StringIO(), width=width, highlight=False)
    experiment = open_experiment("gsm8k-iter-sft-dpo", profile=Profile.PAPER, only=None, replicates=1)
    for part in outlook_tables(outlook(experiment.plan(), parse_hardware("8xA100-80GB"), done=frozenset())):
        screen.print(part)
    assert isinstance(screen.file, io.StringIO)
    lines = screen.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    cells = [_cells(line) for line in lines if line.startswith("llama-2-7b")]
    assert {cell[1] for cell in cells} >= {"train sft-gold", "train dpo", "train sft", "sample train"}
    assert all(cell[3] in ("yes", "no") and re.match(r"[\d.]+", cell[4]) for cell in cells)
    assert ("accumulation" in " ".join(lines[:3])) == (width > 80)


def test_an_outlook_of_several_experiments_has_each_and_every_model_with_tokens_hours_and_disk() -> None:
    opened = open_study("mind-the-gap", profile=Profile.PAPER, only="model=qwen2-7b", replicates=1)
    found = study_outlook(opened, parse_hardware("8xA100-80GB"), done=frozenset())
    screen = Console(file=io.StringIO(), width=160, highlight=False)
    for part in study_outlook_tables(opened, found):
        screen.print(part)
    assert isinstance(screen.file, io.StringIO)
    cells = [_cells(line) for line in screen.file.getvalue().splitlines()]
    rows = {row[0]: row[1:] for row in cells if len(row) > 1}
    assert {each.experiment for each in found.experiments} < rows.keys()
    assert all(re.fullmatch(r"[\d.,]+( to [\d.,]+)?", amount) for amount in rows["nq-gv-gap"][2:])
    verifiers = {"qwen2-0.5b", "llama-2-70b"}
    assert verifiers | {"qwen2-7b"} < rows.keys() and len(rows["qwen2-7b"]) == 4


@pytest.mark.parametrize("width", [80, 160])
def test_savings_have_a_row_each_and_the_hours_left_at_each_share_of_the_peak(width: int) -> None:
    opened = open_study("gsm8k-iter-sft", profile=Profile.PAPER, only="model=llama-2-7b", replicates=1)
    eight = parse_hardware("8xA100-80GB")
    found = savings(opened, eight, study_outlook(opened, eight, done=frozenset()))
    screen = Console(file=io.StringIO(), width=width, highlight=False)
    for part in savings_tables(found):
        screen.print(part)
    assert isinstance(screen.file, io.StringIO)
    lines = screen.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    cells = [_cells(line) for line in lines]
    assert [row[0] for row in cells if row[0] in {each.what for each in (*found.made, *found.possible)}] == [
        each.what for each in (*found.made, *found.possible)
    ]
    left = [[f"{each.share:.0%} of the peak in training", spread(each.gpu_hours)] for each in found.rest]
    assert [row for row in cells if "of the peak" in row[0]] == left
