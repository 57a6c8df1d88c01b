"""Which published rows stand beside a figure, and figures beside which none would."""

from dataclasses import replace

import pytest

from selfimp_bench.manifest.catalog import entries
from selfimp_bench.manifest.model import Beside, FigurePanel, PaperFigure
from selfimp_bench.manifest.reference_table import Reference, ReferenceTable, read_table
from selfimp_bench.measurement import Split
from selfimp_bench.places import REFERENCES
from selfimp_bench.protocols.load import load_experiment
from selfimp_bench.verdict.figure_rows import find_figure_flaws, published, table_names

BESIDE = Beside(table="t.csv", dataset="a", method="sft")


def row(identifier: str, metric: str, *, method: str = "sft", dataset: str = "a") -> Reference:
    return Reference(
        id=identifier,
        model="m",
        dataset=dataset,
        method=method,
        metric=metric,
        x=None,
        printed="0.5",
        unit="share",
        read_error=None,
        source="Table 1",
        conflicts_with=(),
    )


def figure(*metrics: str, form: str = "by-iteration") -> PaperFigure:
    panel = FigurePanel(metrics=metrics, split=Split.TEST)
    return PaperFigure(id="f", title="F", source="Figure 1", form=form, panels=(panel,), beside=BESIDE)  # type: ignore[arg-type]


def table(*rows: Reference) -> ReferenceTable:
    return ReferenceTable(name="t.csv", rows=rows)


def test_rows_of_the_method_and_of_no_method_stand_beside_those_of_others_do_not() -> None:
    rows = (row("1", "x"), row("2", "x", method=""), row("3", "x", method="dpo"), row("4", "x", dataset="b"))
    assert [found.id for found in published(BESIDE, "x", table(*rows))] == ["1", "2"]


def test_a_row_that_knows_no_readings_is_about_every_reading_but_not_about_a_longer_name() -> None:
    rows = table(row("1", "is-pass@1"), row("2", "is-pass@16"))
    assert [found.id for found in published(BESIDE, "is-pass@16.first", rows)] == ["2"]
    assert [found.id for found in published(BESIDE, "is-pass@1.first.plain", rows)] == ["1"]


def test_a_metric_without_a_row_is_a_flaw_with_its_place() -> None:
    (flaw,) = find_figure_flaws([figure("x"), figure("x", "y")], [table(row("1", "x"))], [])
    assert str(flaw) == "$.figures[1].panels[0].metrics[1]: t.csv has no row about y of sft on a"


def test_one_row_at_any_number_is_enough_for_a_figure_by_number() -> None:
    by_number = figure("is-pass@*.first", form="by-number")
    assert list(find_figure_flaws([by_number], [table(row("1", "is-pass@32"))], [])) == []
    (flaw,) = find_figure_flaws([by_number], [table(row("1", "is-pass@32", method="dpo"))], [])
    assert "is-pass@*.first" in flaw.message


def test_a_table_is_named_once() -> None:
    other = replace(figure("x"), beside=replace(BESIDE, table="a.csv"))
    assert table_names([figure("x"), figure("y"), other]) == ("a.csv", "t.csv")


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_every_shipped_experiment_has_figures_with_published_rows_or_the_reason_why_there_are_none(entry) -> None:
    manifest = load_experiment(entry.place).manifest
    figures = manifest.figures
    assert figures
    tables = [read_table(REFERENCES / name, name) for name in table_names(figures)]
    assert list(find_figure_flaws(figures, tables, [model.id for model in manifest.models])) == []


WITHOUT_PUBLISHED_NUMBERS = {
    "gsm8k-cross-verification",
    "gsm8k-gv-gap-instruct",
    "gsm8k-gv-gap-temperature",
    "gsm8k-iter-gold-verifier",
    "gsm8k-iter-rejection",
    "gsm8k-iter-rejection-as-printed",
    "gsm8k-iter-rejection-mc",
    "gsm8k-iter-rpo",
    "gsm8k-iter-sft-dpo-70b",
    "gsm8k-iter-strong-verifier",
    "gsm8k-verifier-variance",
    "math-gv-gap",
    "math-gv-gap-as-printed",
    "math-gv-gap-instruct",
    "math-iter-rejection",
    "small-cpu-gsm8k-iter-sft",
    "small-gsm8k-gv-gap",
    "small-gsm8k-iter-dpo",
    "small-gsm8k-iter-sft",
    "small-gsm8k-iter-sft-dpo",
    "small-gsm8k-iter-sft-lora",
    "small-mbpp-iter-dpo",
    "small-mbpp-iter-sft",
    "small-mbpp-iter-sft-dpo",
    "tiny-gv-gap",
    "tiny-iter-dpo-majority",
    "tiny-iter-dpo-short",
    "tiny-iter-rejection",
    "tiny-iter-sft-balanced",
    "tiny-iter-sft-short",
    "tiny-iter-sft-tail",
}


def test_these_experiments_and_no_others_have_figures_of_which_nothing_is_published() -> None:
    alone = {
        entry.name
        for entry in entries()
        if all(figure.beside is None for figure in load_experiment(entry.place).manifest.figures or ())
    }
    assert alone == WITHOUT_PUBLISHED_NUMBERS
