"""The change from the first to the last iteration, on values worked out by hand."""

from dataclasses import replace

import pytest

from selfimp_bench.measurement import Measurement, ProblemValue, Split
from selfimp_bench.report.measured import model_tables
from selfimp_bench.runs.directions import directions
from selfimp_bench.runs.judge import read_run
from selfimp_bench.verdict.evidence import columns_of


def _value(iteration, problem, value, replicate=0):
    return ProblemValue(
        model="big",
        metric="pass@1",
        split=Split.TEST,
        iteration=iteration,
        replicate=replicate,
        problem_id=str(problem),
        value=value,
    )


def _measurement(iteration, replicate=0, value=0.5):
    return Measurement(
        model="big",
        metric="pass@1",
        split=Split.TEST,
        iteration=iteration,
        replicate=replicate,
        value=value,
        unit="share",
        n=20,
        undefined=0,
        standard_error=0.1,
        reason=None if value is not None else "every grader crashed",
    )


def _tables(run):
    return model_tables(run.measurements, directions(run), models=run.record.models, seeds=run.record.seeds)


@pytest.fixture
def row(write_run):
    run = read_run(write_run(seeds=(7, 8)))

    def only_row(values, measurements=None):
        means = tuple(measurements or [_measurement(1), _measurement(2)])
        tables = _tables(replace(run, measurements=means, columns=columns_of(values)))
        return tables[0].rows[0]

    return only_row


def test_a_change_is_paired_over_problems(row):
    # 40 problems, 20 of which go from 0 to 1: mean 0.5, sd 0.50637, error 0.08006, Student's t of 19 degrees 2.0930
    values = [_value(1, p, 0.0) for p in range(40)] + [_value(2, p, float(p < 20)) for p in range(40)]
    change = row(values).change
    assert (change.direction, change.words) == ("up", "+0.5000 (0.3324 to 0.6676)")
    assert change.detail == "40 problems"


def test_a_fall_is_down_and_a_change_that_is_not_shown_has_no_direction(row):
    fall = [_value(1, p, 1.0) for p in range(20)] + [_value(2, p, 0.5) for p in range(20)]
    assert row(fall).change.direction == "down"
    small = [_value(1, p, 0.0) for p in range(20)] + [_value(2, p, float(p < 2)) for p in range(20)]
    assert row(small).change.direction == ""
    assert row(small).change.words.startswith("+0.1000 (")


def test_few_problems_have_no_direction_and_say_why(row):
    values = [_value(1, p, 0.0) for p in range(20)] + [_value(2, p, None if p == 0 else 1.0) for p in range(20)]
    change = row(values).change
    assert change.direction == ""
    assert "fewer than 20" in change.detail


def test_one_iteration_has_no_change(row):
    assert row([_value(1, 0, 1.0)], [_measurement(1)]).change.words == "one iteration only"


def test_the_mean_over_seeds_is_undefined_when_one_seed_is(row):
    line = row([], [_measurement(1, 0, 0.5), _measurement(1, 1, None)]).lines[0]
    assert line.who == "mean of 2"
    assert line.entries[0].value == "undefined (every grader crashed)"


def test_seeds_have_their_own_lines_and_their_mean_the_mean_of_their_errors(row):
    lines = row([], [_measurement(1, 0, 0.4), replace(_measurement(1, 1, 0.6), standard_error=0.2, n=18)]).lines
    assert [line.who for line in lines] == ["mean of 2", "seed 7", "seed 8"]
    assert (lines[0].entries[0].value, lines[0].entries[0].error) == ("0.5000", "± 0.1500")
    assert lines[0].entries[0].counts == "n 18 to 20, undefined 0"


def test_an_undefined_error_is_said_so_and_the_value_kept(row):
    entry = row([], [replace(_measurement(1), standard_error=None, n=1, reason="one problem")]).lines[0].entries[0]
    assert (entry.value, entry.error) == ("0.5000", "± undefined")


def test_a_run_without_measurements_has_no_table(write_run):
    assert _tables(replace(read_run(write_run()), measurements=(), columns=columns_of([]))) == ()
