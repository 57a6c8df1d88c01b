"""Values per problem by cell: arrays of replicates and problems, whatever the order of the rows."""

import math
from dataclasses import replace

import numpy as np
import pytest

from selfimp_bench.manifest.model import Cell
from selfimp_bench.measurement import Measurement, ProblemValue, Split
from selfimp_bench.verdict.evidence import Evidence, RunEvidence, columns_of, evidence

GREEDY = Cell(metric="pass@1", split=Split.TEST, iteration=1)


def _value(problem: str, value: float | None, replicate: int = 1, iteration: int = 1, model: str = "m") -> ProblemValue:
    return ProblemValue(
        model=model,
        metric="pass@1",
        split=Split.TEST,
        iteration=iteration,
        replicate=replicate,
        problem_id=problem,
        value=value,
    )


def _run(values: list[ProblemValue], experiment: str = "e", digest: str = "d") -> RunEvidence:
    columns = columns_of(values)
    return RunEvidence(experiment=experiment, digests={Split.TEST: digest}, measurements=(), columns=columns)


def _evidence(*runs: RunEvidence) -> Evidence:
    return evidence(runs)


def test_a_cell_is_replicates_by_problems_whatever_the_order_of_the_rows() -> None:
    rows = [_value("b", 1.0, 2), _value("a", 0.25, 2), _value("b", 0.0, 1), _value("a", 0.5, 1)]
    for order in (rows, rows[::-1]):
        found = _evidence(_run(order)).values["e", "m", GREEDY]
        assert found.problems.ids == ("a", "b")
        assert found.replicates == (1, 2)
        assert found.values.tolist() == [[0.5, 0.0], [0.25, 1.0]]


def test_undefined_and_missing_values_are_not_numbers() -> None:
    found = _evidence(_run([_value("a", None), _value("b", 1.0), _value("a", 1.0, 2)])).values["e", "m", GREEDY]
    assert np.isnan(found.values).tolist() == [[True, False], [False, True]]


def test_cells_on_the_same_problems_share_one_problem_set_across_experiments_too() -> None:
    one = _run([_value("a", 1.0), _value("b", 1.0), _value("a", 1.0, iteration=2), _value("b", 0.0, iteration=2)])
    other = _run([_value("b", 1.0, model="n"), _value("a", 1.0, model="n")], "f")
    elsewhere = _run([_value("a", 1.0), _value("b", 1.0)], "g", "another digest")
    sets = {key[0]: each.problems for key, each in _evidence(one, other, elsewhere).values.items()}
    assert sets["e"] is sets["f"]
    assert sets["e"] is not sets["g"]
    assert len({id(each.problems) for each in _evidence(one).values.values()}) == 1


def test_without_a_digest_no_two_experiments_have_the_same_problems() -> None:
    runs = [replace(_run([_value("a", 1.0)], name), digests={}) for name in ("e", "f")]
    one, two = (each.problems for each in _evidence(*runs).values.values())
    assert one is not two


def test_two_values_for_one_problem_and_replicate_are_refused() -> None:
    with pytest.raises(ValueError, match="two values for one problem"):
        _evidence(_run([_value("a", 1.0), _value("a", 0.0)]))


def test_measurements_are_by_cell_in_order_of_replicates_and_given_once() -> None:
    one = Measurement(
        model="m",
        metric="pass@1",
        split=Split.TEST,
        iteration=1,
        replicate=1,
        value=0.5,
        unit="share",
        n=2,
        undefined=0,
        standard_error=0.1,
        reason=None,
    )
    run = replace(_run([]), measurements=(replace(one, replicate=2), one))
    found = _evidence(run).measurements["e", "m", GREEDY]
    assert [each.replicate for each in found] == [1, 2]
    with pytest.raises(ValueError, match="two measurements for one replicate"):
        _evidence(replace(run, measurements=(one, one)))


def test_values_come_back_as_they_were_written() -> None:
    random = np.random.Generator(np.random.PCG64(1))
    rows = [
        _value(f"p{problem}", float(random.random()), replicate, iteration, model)
        for model in ("m", "n")
        for iteration in (1, 2, 5)
        for replicate in (1, 3)
        for problem in range(7)
    ]
    random.shuffle(rows)  # type: ignore[arg-type]
    found = _evidence(_run(rows)).values
    assert len(found) == 6
    for row in rows:
        cell = found["e", row.model, replace(GREEDY, iteration=row.iteration)]
        at = cell.replicates.index(row.replicate), cell.problems.ids.index(row.problem_id)
        assert row.value is not None and math.isclose(cell.values[at], row.value)
