"""The change from the first to the last iteration, on values worked out by hand."""

from dataclasses import replace

import pytest

from selfimp_bench.measurement import Measurement, ProblemValue, Split
from selfimp_bench.report.measured import model_tables
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


@pytest.fixture
def row(write_run):
    run = read_run(write_run(seeds=(7, 8)))

    def only_row(values, measurements=None):
        means = tuple(measurements or [_measurement(1), _measurement(2)])
        tables = model_tables(replace(run, measurements=means, columns=columns_of(values)))
        return tables[0].rows[0]

    return only_row


def test_a_change_is_paired_over_problems(row):
    # 20 problems, 5 of which go from 0 to 1: mean 0.25, sd sqrt(20 x 0.1875 / 19), error 0.09934
    values = [_value(1, p, 0.0) for p in range(20)] + [_value(2, p, float(p < 5)) for p in range(20)]
    change = row(values).change
    assert (change.direction, change.words) == ("up", "up, +0.2500 ± 0.0993")
    assert change.detail == "t = 1 to 2, 20 problems"


def test_a_fall_is_down_and_a_change_within_two_errors_is_not_clear(row):
    fall = [_value(1, p, 1.0) for p in range(20)] + [_value(2, p, 0.5) for p in range(20)]
    assert row(fall).change.words == "down, -0.5000 ± 0.0000"
    small = [_value(1, p, 0.0) for p in range(20)] + [_value(2, p, float(p < 2)) for p in range(20)]
    assert row(small).change.direction == "unclear"
    same = [_value(t, p, 0.5) for p in range(20) for t in (1, 2)]
    assert row(same).change.words == "no clear change, 0.0000 ± 0.0000"


def test_nothing_is_compared_on_fewer_problems_than_decide_anything(row):
    values = [_value(1, p, 0.0) for p in range(20)] + [_value(2, p, None if p == 0 else 1.0) for p in range(20)]
    change = row(values).change
    assert change.direction == "unknown"
    assert change.words == "not compared: 19 problems defined at both ends, 20 needed"


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
    assert model_tables(replace(read_run(write_run()), measurements=(), columns=columns_of([]))) == ()
