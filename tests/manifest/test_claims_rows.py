"""Rows of reference tables are selected by their columns."""

from decimal import Decimal
from typing import Any

import pytest

from selfimp_bench.manifest.claims_rows import Scope, selected
from selfimp_bench.manifest.measured import MeasuredCell, fits
from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.manifest.study_figures import figures_of
from selfimp_bench.manifest.study_tree import plain, planted
from selfimp_bench.measurement import Split


def scope(*cells: tuple[str, Split]) -> Scope:
    """tiny-iter-sft as far as it measures these cells."""
    return Scope(
        name="tiny-iter-sft",
        task="tiny-gsm",
        method="iter-sft",
        method_word="iter-sft",
        dataset_word="tiny-gsm",
        ood_word=None,
        splits={split: split for split in Split},
        models=("tiny-lm",),
        problems={},
        cells=tuple(MeasuredCell(metric=metric, split=split, iterations=5) for metric, split in cells),
        last=5,
        folder="tiny",
    )


@pytest.mark.parametrize(
    ("wanted", "metric", "does"),
    [
        ("distinct-n", "distinct-n.correct", True),
        ("distinct-n", "distinct-nn", False),
        ("is-pass@*.first", "is-pass@4.first", True),
        ("is-pass@*.first", "is-pass@4.previous", False),
        ("pass@1", "pass@16", False),
    ],
)
def test_a_word_fits_its_own_name_its_family_and_its_pattern(wanted: str, metric: str, does: bool) -> None:
    assert fits(wanted, metric) is does


def figures(words: dict[str, Any], *cells: tuple[str, Split]) -> Any:
    study = {"paper": {"id": "1"}, "figures": {"one": {"title": "One", "form": "table", "unpublished": "ours"} | words}}
    node, faults = figures_of(planted(study), scope(*cells))
    assert faults == ()
    return None if node is None else plain(node)


def test_a_figure_has_the_cells_that_are_measured_and_none_without_any() -> None:
    words = {"panels": [["pass@1", "coverage"], ["pass@1 ood"]]}
    (figure,) = figures(words, ("pass@1", Split.TEST))
    assert [panel["metrics"] for panel in figure["panels"]] == [["pass@1"]]
    assert figures(words, ("pass@k", Split.TEST)) is None


@pytest.mark.parametrize(
    ("words", "drawn"),
    [
        ({"only": {"task": ["tiny-gsm", "other"]}}, True),
        ({"only": {"method": "iter-dpo"}}, False),
        ({"except": {"experiment": "tiny-iter-sft"}}, False),
        ({"except": {"experiment": "tiny-iter-sft", "method": "iter-dpo"}}, True),
    ],
)
def test_only_and_except_say_for_which_experiments_a_figure_is_drawn(words: dict[str, Any], drawn: bool) -> None:
    found = figures({"panels": [["pass@1"]]} | words, ("pass@1", Split.TEST))
    assert (found is not None) is drawn


def test_a_pattern_s_panel_is_drawn_where_some_number_of_it_is_measured() -> None:
    words = {"panels": [["is-pass@*.first"]]}
    assert figures(words, ("is-pass@4.first", Split.TEST)) is not None
    assert figures(words, ("is-pass@4.previous", Split.TEST)) is None


def row(metric: str, at: str, **words: str) -> Reference:
    """A row whose id says its metric and its iteration, and in what it is not our experiment's."""
    return Reference(
        id=" ".join((metric, at, *words.values())),
        model=words.get("model", "tiny-lm"),
        dataset=words.get("dataset", "tiny-gsm"),
        method=words.get("method", "iter-sft"),
        metric=metric,
        x=Decimal(at),
        printed="0.5",
        unit="share",
        read_error=None,
        source="ours",
        conflicts_with=(),
    )


TABLE = ReferenceTable(
    name="tiny/t.csv",
    rows=(
        row("pass@1", "1"),
        row("pass@1", "2"),
        row("pass@1", "2.5"),
        row("pass@1", "5"),
        row("pass@1", "9"),
        row("pass@1", "1", model="other"),
        row("pass@1", "1", method="iter-dpo"),
        row("pass@1", "1", dataset="elsewhere"),
        row("distinct-n.correct", "1"),
        row("is-pass@4", "5"),
    ),
)
MEASURED = scope(("pass@1", Split.TEST), ("distinct-n.correct", Split.TEST), ("is-pass@4.first", Split.TEST))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ({"metric": "pass@1"}, ["pass@1 1", "pass@1 2", "pass@1 5"]),
        ({"metric": "pass@1", "t": "last"}, ["pass@1 5"]),
        ({"metric": "pass@1", "t": [1, 5]}, ["pass@1 1", "pass@1 5"]),
        ({"metric": "pass@1", "t": 1, "method": "iter-dpo"}, ["pass@1 1 iter-dpo"]),
        ({"metric": "pass@1", "t": 1, "dataset": "elsewhere"}, ["pass@1 1 elsewhere"]),
        ({"metric": "pass@1", "model": "other"}, []),
        ({"metric": "pass@1", "split": "ood"}, []),
        ({"metric": "distinct-n"}, ["distinct-n.correct 1"]),
        ({"metric": "is-pass@*.first"}, ["is-pass@4 5"]),
        ({"t": 1}, ["pass@1 1", "distinct-n.correct 1"]),
    ],
)
def test_rows_are_those_of_the_experiment_that_their_columns_and_its_measurements_allow(
    words: dict[str, Any], found: list[str]
) -> None:
    points = selected(planted({"table": "t"} | words), MEASURED, lambda _node, _name: TABLE)
    assert [point.reference for point in points] == found
