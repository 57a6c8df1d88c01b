"""Measuring a small hand-made set, with every number worked out by hand."""

import pytest

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.grading.outcome import Outcome
from selfimp_bench.manifest.model import Measure, Metric, Split
from selfimp_bench.metrics.measurement import Measurement
from selfimp_bench.plan import MeasureBlock, Role
from selfimp_bench.stages.measure import JudgedSet, Measured, measure
from selfimp_bench.stages.rows import SampleRow
from selfimp_bench.stages.select import JudgedSample


def _judged(role: Role, problem: str, outcomes: str, texts: tuple[str, ...] = ()) -> list[JudgedSample]:
    """One sample a letter: c is correct, w is wrong, x is a crash of the grader."""
    named = {"c": Outcome.CORRECT, "w": Outcome.WRONG, "x": Outcome.CRASHED}
    return [
        JudgedSample(
            sample=SampleRow(
                problem_id=problem,
                sample_index=index,
                completion=texts[index] if texts else f"text {index}",
                iteration=1,
                role=role,
                finish_reason=FinishReason.STOP,
                seed="0",
                prompt_sha256="",
                token_ids=(1,),
            ),
            outcome=named[letter],
        )
        for index, letter in enumerate(outcomes)
    ]


def _measure(*sets: JudgedSet, k: tuple[int, ...] = (2,)) -> Measured:
    spec = Measure(metrics=tuple(Metric), k=k, ngram_max=1)
    return measure(MeasureBlock(model="m", replicate=3, iterations=1, measure=spec), sets)


def _one(measured: Measured, metric: str, split: Split = Split.TEST) -> Measurement:
    (found,) = [each for each in measured.measurements if each.metric == metric and each.split is split]
    return found


def test_greedy_pass_at_1_is_the_share_of_problems_solved() -> None:
    samples = [*_judged(Role.GREEDY, "p", "c"), *_judged(Role.GREEDY, "q", "w"), *_judged(Role.GREEDY, "r", "c")]
    found = _one(_measure(JudgedSet(role=Role.GREEDY, iteration=1, samples=samples)), "pass@1")
    assert found.value == pytest.approx(2 / 3)
    assert found.standard_error == pytest.approx((1 / 3) ** 0.5 / 3**0.5)
    assert (found.n, found.undefined, found.replicate, found.model) == (3, 0, 3, "m")


def test_samples_give_coverage_and_unbiased_pass_at_k() -> None:
    samples = [*_judged(Role.SAMPLE, "p", "cwww"), *_judged(Role.SAMPLE, "q", "ccww")]
    measured = _measure(JudgedSet(role=Role.SAMPLE, iteration=1, samples=samples))
    assert _one(measured, "coverage").value == pytest.approx((1 / 4 + 2 / 4) / 2)
    assert _one(measured, "pass@2").value == pytest.approx((1 / 2 + 5 / 6) / 2)


def test_pass_at_k_with_fewer_than_k_samples_is_undefined_not_one() -> None:
    samples = _judged(Role.SAMPLE, "p", "cc")
    found = _one(_measure(JudgedSet(role=Role.SAMPLE, iteration=1, samples=samples), k=(3,)), "pass@3")
    assert (found.value, found.n, found.undefined) == (None, 0, 1)
    assert found.reason


def test_diversity_is_measured_on_correct_and_incorrect_outputs_apart() -> None:
    samples = _judged(Role.SAMPLE, "p", "ccw", ("a b", "a c", "d d"))
    measured = _measure(JudgedSet(role=Role.SAMPLE, iteration=1, samples=samples))
    assert _one(measured, "distinct-n.correct").value == pytest.approx(3 / 4)
    assert _one(measured, "distinct-n.incorrect").value == pytest.approx(1 / 2)


def test_a_problem_without_wrong_outputs_has_no_diversity_of_them() -> None:
    samples = [*_judged(Role.SAMPLE, "p", "cc"), *_judged(Role.SAMPLE, "q", "cw")]
    found = _one(_measure(JudgedSet(role=Role.SAMPLE, iteration=1, samples=samples)), "distinct-n.incorrect")
    assert (found.n, found.undefined) == (1, 1)


def test_an_output_the_grader_crashed_on_is_not_counted_as_incorrect_output() -> None:
    samples = _judged(Role.SAMPLE, "p", "cx")
    found = _one(_measure(JudgedSet(role=Role.SAMPLE, iteration=1, samples=samples)), "distinct-n.incorrect")
    assert found.value is None


def test_training_samples_give_coverage_on_the_training_problems_and_no_diversity() -> None:
    measured = _measure(JudgedSet(role=Role.TRAIN, iteration=1, samples=_judged(Role.TRAIN, "p", "cw")))
    assert {(each.metric, each.split) for each in measured.measurements} == {
        ("coverage", Split.TRAIN),
        ("pass@2", Split.TRAIN),
    }


def test_every_mean_has_its_values_per_problem() -> None:
    samples = [*_judged(Role.GREEDY, "p", "c"), *_judged(Role.GREEDY, "q", "w")]
    measured = _measure(JudgedSet(role=Role.GREEDY, iteration=1, samples=samples))
    assert [(each.problem_id, each.value) for each in measured.problem_values] == [("p", 1.0), ("q", 0.0)]
