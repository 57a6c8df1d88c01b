"""The best iteration and the gains, by hand, beside what is published."""

from dataclasses import replace

import pytest

from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.report.best import BestRow, best_view
from selfimp_bench.runs.judge import read_run, run_table

TABLE = "example/table2.csv"


@pytest.fixture
def run(write_run):
    return read_run(write_run(models=("big",)))


def _best(run, values, *, split=Split.TEST, rows=None) -> BestRow:
    """``values``: by iteration, of each replicate."""
    made = tuple(
        Measurement(
            model="big",
            metric="pass@1",
            split=split,
            iteration=iteration,
            replicate=replicate,
            value=value,
            unit="share",
            n=60,
            undefined=0,
            standard_error=0.01,
            reason=None if value is not None else "no problem",
        )
        for iteration, replicates in enumerate(values, start=1)
        for replicate, value in enumerate(replicates)
    )
    table = run_table(run.folder, TABLE)
    table = table if rows is None else replace(table, rows=rows(table.rows))
    (row,) = best_view(replace(run, measurements=made), {TABLE: table}).rows
    return row


def test_the_best_is_in_the_middle_and_the_last_is_worse_than_the_first(run):
    row = _best(run, [(0.4,), (0.75,), (0.3,)])
    assert (row.first, row.best, row.gain, row.last) == ("0.4000", "0.7500 at t = 2", "+0.3500", "-0.1000")


def test_with_several_seeds_their_means_are_compared(run):
    row = _best(run, [(0.4, 0.6), (0.9, 0.3), (0.6, 0.7)])
    assert (row.first, row.best, row.gain) == ("0.5000", "0.6500 at t = 3", "+0.1500")


def test_what_is_undefined_is_a_word(run):
    row = _best(run, [(None,), (0.5,), (None,)])
    assert (row.first, row.best, row.gain, row.last) == ("undefined", "0.5000 at t = 2", "undefined", "undefined")
    assert _best(run, [(None,)]).best == "undefined"


def test_published_numbers_are_those_of_m_1_and_of_the_best_in_printed_digits(run):
    row = _best(run, [(0.4,), (0.5,)])
    assert [each.printed for each in row.published_first] == ["41.0 percent"]
    assert [each.printed for each in row.published_best] == ["71.5 percent"]


def test_without_the_model_in_the_table_all_its_models_are_named(run):
    def others(rows):
        return tuple(replace(row, model=name) for name in ("small", "large") for row in rows)

    row = _best(run, [(0.4,), (0.5,)], rows=others)
    assert [each.model for each in row.published_best] == ["small", "large"]


def test_a_split_that_no_figure_names_has_nothing_published(run):
    row = _best(run, [(0.4,), (0.5,)], split=Split.OOD)
    assert (row.measured, row.published_first, row.published_best) == ("pass@1 on ood", (), ())


def test_nothing_measured_gives_no_rows(run):
    assert best_view(replace(run, measurements=()), {TABLE: run_table(run.folder, TABLE)}).rows == ()
