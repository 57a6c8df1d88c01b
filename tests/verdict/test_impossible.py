"""What no run can have measured, and what looks odd and is possible."""

import math
from collections.abc import Sequence
from dataclasses import replace

from selfimp_bench.manifest.measured import Scale
from selfimp_bench.measurement import Measurement, ProblemValue, Split, mean_over_problems
from selfimp_bench.protocols.post_training.cells import scale_of
from selfimp_bench.protocols.post_training.metrics.group_disparity import (
    LevelValue,
    disparity_pseudo_values,
    group_disparity,
)
from selfimp_bench.protocols.verification.cells import scale_of as scale_of_verification
from selfimp_bench.verdict.evidence import Evidence, RunEvidence, columns_of, evidence
from selfimp_bench.verdict.impossible import copied_replicates, impossible_means, impossible_numbers

Values = Sequence[float | None]
HALF = (0.0, 1.0) * 10
ROWS = {Split.TEST: 20}


def measured(values: Values, *, metric: str = "pass@1", replicate: int = 0, **changed: object) -> Measurement:
    """The measurement of these values by problem, or one with something changed."""
    mean = mean_over_problems(values)
    given = {
        "model": "m",
        "metric": metric,
        "split": Split.TEST,
        "iteration": 1,
        "replicate": replicate,
        "value": mean.value,
        "unit": "share",
        "n": mean.n,
        "undefined": mean.undefined,
        "standard_error": mean.standard_error,
        "reason": mean.reason,
    }
    return Measurement(**given | changed)  # type: ignore[arg-type]


def found(*several: tuple[Measurement, Values]) -> Evidence:
    """The evidence of these measurements with these values by problem."""
    values = [
        ProblemValue(
            model=each.model,
            metric=each.metric,
            split=each.split,
            iteration=each.iteration,
            replicate=each.replicate,
            problem_id=f"p{number}",
            value=value,
        )
        for each, own in several
        for number, value in enumerate(own)
    ]
    run = RunEvidence(
        experiment="e", digests={}, measurements=[each for each, _ in several], columns=columns_of(values)
    )
    return evidence([run])


def numbers(*several: Measurement) -> list[str]:
    return list(impossible_numbers(found(*((each, ()) for each in several)), scale_of, ROWS))


def test_a_share_of_83_is_refused_with_what_it_can_be() -> None:
    assert numbers(measured(HALF, value=83.0)) == ["m, pass@1 test t=1 is 83; expected a share, from 0 to 1"]


def test_a_share_below_zero_or_no_number_is_refused() -> None:
    assert len(numbers(measured(HALF, value=-0.001))) == len(numbers(measured(HALF, value=math.nan))) == 1


def test_the_ends_of_a_range_are_possible_and_so_is_an_undefined_value() -> None:
    assert numbers(measured([0.0] * 20), measured([1.0] * 20, replicate=1), measured([None] * 20, replicate=2)) == []


def test_a_unit_that_is_not_the_metrics_is_refused() -> None:
    assert numbers(measured(HALF, unit="percent")) == ["m, pass@1 test t=1 is in 'percent'; expected 'share'"]


def test_a_gap_may_be_negative_and_a_relative_one_without_end_but_an_accuracy_may_not() -> None:
    ranges = {
        name: (scale.low, scale.high)
        for name in ("gap.mc.q0.8", "relative-gap.mc.q0.8", "accuracy", "gap-correlation.a+b", "step-gap.t.r1")
        if (scale := scale_of_verification(name))
    }
    assert ranges == {
        "gap.mc.q0.8": (-1, 1),
        "relative-gap.mc.q0.8": (-math.inf, 1),
        "accuracy": (0, 1),
        "gap-correlation.a+b": (-1, 1),
        "step-gap.t.r1": (-1, 1),
    }
    assert scale_of_verification("judgement-variance.cot").unit == "variance"
    assert scale_of_verification("judgement-variance.cot.to0.1").unit == "share"


def test_a_diversity_of_more_than_one_is_possible_where_outputs_point_away_from_each_other() -> None:
    assert numbers(measured(HALF, metric="sbert-diversity.correct", value=1.2)) == []
    assert len(numbers(measured(HALF, metric="distinct-n.correct", value=1.2))) == 1


def test_fewer_problems_than_the_data_has_are_refused() -> None:
    assert numbers(measured(HALF[:19])) == [
        "m, pass@1 test t=1 is over 19 problems, the undefined ones counted; expected all 20"
    ]


def test_problems_that_are_undefined_are_dropped_with_a_reason() -> None:
    assert numbers(measured([*HALF[:12], *[None] * 8])) == []


def test_a_metric_about_some_of_the_problems_may_have_fewer() -> None:
    some = [measured(HALF[:7], metric=name) for name in ("is-pass@4.first", "pass@1.level-5", "group-disparity")]
    assert numbers(*some) == []
    assert scale_of("pass@1") == Scale()


def test_a_mean_that_is_not_the_mean_of_its_values_is_refused() -> None:
    assert list(impossible_means(found((measured(HALF, value=0.8), HALF)))) == [
        "m, pass@1 test t=1 is 0.8; expected 0.5, the mean of its values by problem"
    ]


def test_a_mean_without_all_its_values_by_problem_is_refused() -> None:
    (missing,) = impossible_means(found((measured(HALF), HALF[:18])))
    assert "over 20 problems, of which 18 have a value" in missing
    (none,) = impossible_means(found((measured(HALF), ())))
    assert "of which 0 have a value" in none


def test_a_number_that_was_taken_away_while_its_values_are_there_is_refused() -> None:
    hidden = measured(HALF, value=None, standard_error=None, reason="not judged")
    assert list(impossible_means(found((hidden, HALF)))) == [
        "m, pass@1 test t=1 is undefined, and 20 problems have a value; expected their mean"
    ]
    whole = found((measured(HALF), HALF))
    assert list(impossible_means(replace(whole, measurements={}))) == [
        "m, pass@1 test t=1, replicate 0 has values by problem and no measurement; expected their mean"
    ]


def test_an_error_that_is_not_that_of_its_values_is_refused() -> None:
    """A large one would leave open what the run contradicts, none at all would decide what it leaves open."""
    for changed in (9.0, 0.0, -0.1, math.nan, math.inf):
        (fault,) = impossible_means(found((measured(HALF, standard_error=changed), HALF)))
        assert "expected about 0.114708, that of its values by problem" in fault


def test_the_error_of_a_ratio_is_that_of_the_values_that_stand_for_it() -> None:
    """A level of two problems beside one of many is as far as the two ways to take it come apart."""
    answers = {f"p{at}": LevelValue(level=1 if at < 2 else 5, value=float(at % 3 != 1)) for at in range(40)}
    answers["p0"] = LevelValue(level=1, value=1.0)
    answers["p1"] = LevelValue(level=1, value=0.0)
    ratio = group_disparity(answers.values(), best=1, worst=5)
    values = list(disparity_pseudo_values(answers, best=1, worst=5).values())
    given = measured(values, metric="group-disparity", value=ratio.value, standard_error=ratio.standard_error)
    assert list(impossible_means(found((given, values)))) == []


def test_means_of_other_sums_of_the_same_numbers_are_the_same() -> None:
    thirds = [1 / 3, 0.1, 0.7, None] * 5
    assert list(impossible_means(found((measured(thirds), thirds)))) == []
    assert list(impossible_means(found((measured([None] * 20), [None] * 20)))) == []


def test_a_copy_is_no_replicate() -> None:
    one, two = measured(HALF), measured(HALF, replicate=1)
    (copied,) = copied_replicates(found((one, HALF), (two, HALF)))
    assert copied.startswith("replicates 0 and 1 of m at iteration 1 have the same value on every problem")


def test_replicates_that_agree_in_one_metric_and_differ_in_another_are_two() -> None:
    other = HALF[::-1]
    cells = [
        (measured(HALF), HALF),
        (measured(HALF, replicate=1), HALF),
        (measured(HALF, metric="coverage"), HALF),
        (measured(other, metric="coverage", replicate=1), other),
    ]
    assert list(copied_replicates(found(*cells))) == []


def test_replicates_of_a_model_that_answers_next_to_nothing_may_be_equal() -> None:
    few = [*[1.0] * 4, *[0.0] * 16]
    assert list(copied_replicates(found((measured(few), few), (measured(few, replicate=1), few)))) == []
