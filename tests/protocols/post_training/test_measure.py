"""Measuring a small hand-made set, with every number worked out by hand."""

import pytest

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.manifest.model import Measure, Metric
from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.protocols.post_training.embed import SideValue
from selfimp_bench.protocols.post_training.measure import Evidence, JudgedSet, MeasureBlock, measure
from selfimp_bench.steps.measured import Measured
from selfimp_bench.steps.rows import JudgedSample, Role, SampleRow
from selfimp_bench.tasks.grading.outcome import Outcome


def _judged(
    role: Role, problem: str, outcomes: str, texts: tuple[str, ...] = (), others: str = ""
) -> list[JudgedSample]:
    """One sample a letter: c is correct, w is wrong, x is a crash of the grader, t and d are too long and counted or
    dropped; ``others`` by the other rule."""
    named = {"c": Outcome.CORRECT, "w": Outcome.WRONG, "x": Outcome.CRASHED}
    named |= {"t": Outcome.TOO_LONG, "d": Outcome.DROPPED}
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
            other_outcome=named[(others or outcomes)[index]],
        )
        for index, letter in enumerate(outcomes)
    ]


_OF_ONE_SET = (Metric.PASS_AT_1, Metric.PASS_AT_K, Metric.COVERAGE, Metric.DISTINCT_N, Metric.DISTINCT_EQUATIONS)


def _measure(*sets: JudgedSet, k: tuple[int, ...] = (2,)) -> Measured:
    spec = Measure(metrics=_OF_ONE_SET, k=k, ngram_max=1)
    return measure(_block(spec), Evidence(sets=sets, embeddings={}, levels={}))


def _block(spec: Measure, *, outputs_alike: bool = False) -> MeasureBlock:
    return MeasureBlock(
        model="m",
        replicate=3,
        iterations=1,
        extraction="strict",
        ood_extraction="flexible",
        outputs_alike=outputs_alike,
        measure=spec,
    )


def _one(measured: Measured, metric: str, split: Split = Split.TEST) -> Measurement:
    (found,) = [each for each in measured.measurements if each.metric == metric and each.split is split]
    return found


def test_greedy_pass_at_1_is_the_share_of_problems_solved() -> None:
    samples = [*_judged(Role.GREEDY, "p", "c"), *_judged(Role.GREEDY, "q", "w"), *_judged(Role.GREEDY, "r", "c")]
    found = _one(_measure(JudgedSet(role=Role.GREEDY, iteration=1, samples=samples)), "pass@1")
    assert found.value == pytest.approx(2 / 3)
    assert found.standard_error == pytest.approx((1 / 3) ** 0.5 / 3**0.5)
    assert (found.n, found.undefined, found.replicate, found.model) == (3, 0, 3, "m")


def test_greedy_pass_at_1_by_the_other_rule_stands_beside_it() -> None:
    samples = [
        *_judged(Role.GREEDY, "p", "c"),
        *_judged(Role.GREEDY, "q", "w", others="c"),
        *_judged(Role.GREEDY, "r", "w"),
        *_judged(Role.GREEDY, "s", "w", others="x"),
    ]
    measured = _measure(JudgedSet(role=Role.GREEDY, iteration=1, samples=samples))
    other = _one(measured, "pass@1.flexible")
    assert _one(measured, "pass@1").value == 1 / 4
    assert (other.value, other.n, other.undefined) == (2 / 3, 3, 1)
    values = [each.value for each in measured.problem_values if each.metric == "pass@1.flexible"]
    assert values == [1.0, 1.0, 0.0, None]


def test_the_other_rule_is_named_as_the_split_is_judged() -> None:
    ood = _measure(JudgedSet(role=Role.OOD, iteration=1, samples=_judged(Role.OOD, "p", "c", others="w")))
    assert {(each.metric, each.value) for each in ood.measurements} == {("pass@1", 1.0), ("pass@1.strict", 0.0)}


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


def test_diversity_looks_at_the_first_so_many_judged_outputs_and_coverage_at_all() -> None:
    samples = _judged(Role.SAMPLE, "p", "cxccw", ("a b", "x x", "a c", "e f", "d d"))
    spec = Measure(metrics=(Metric.COVERAGE, Metric.DISTINCT_N), k=(), ngram_max=1, diversity_samples=3)
    sets = [JudgedSet(role=Role.SAMPLE, iteration=1, samples=samples)]
    measured = measure(_block(spec), Evidence(sets=sets, embeddings={}, levels={}))
    assert _one(measured, "distinct-n.correct").value == pytest.approx(5 / 6)  # a b, a c, e f
    assert _one(measured, "distinct-n.incorrect").value is None  # d d is the fourth of those judged
    assert _one(measured, "coverage").value == pytest.approx(3 / 4)


def test_equal_numbers_are_those_of_the_iteration_with_fewest_and_the_first_ones() -> None:
    iterations = (
        _judged(Role.SAMPLE, "p", "cwcw", ("a b", "x x", "a c", "y y")),  # 3 words of 4
        _judged(Role.SAMPLE, "p", "cccw", ("a a", "a a", "e f", "z z")),  # 1 of the first 4; of all 3 of 6
        _judged(Role.SAMPLE, "p", "cxcc", ("g h", "g g", "g h", "i j")),  # 2 of the first 4
    )
    sets = [JudgedSet(role=Role.SAMPLE, iteration=t, samples=each) for t, each in enumerate(iterations, start=1)]
    measured = _measure(*sets)
    found = {(each.metric, each.iteration): each.value for each in measured.measurements}
    assert [found["distinct-n.correct", t] for t in (1, 2, 3)] == [3 / 4, 3 / 6, 4 / 6]
    assert [found["distinct-n.correct.equal", t] for t in (1, 2, 3)] == [3 / 4, 1 / 4, 2 / 4]
    assert [found["distinct-n.incorrect.equal", t] for t in (1, 2, 3)] == [None, None, None]  # one, and none


def test_a_problem_with_fewer_than_two_such_outputs_somewhere_is_undefined_everywhere() -> None:
    first = [*_judged(Role.SAMPLE, "p", "cc", ("a b", "a b")), *_judged(Role.SAMPLE, "q", "cw", ("c d", "c d"))]
    second = [*_judged(Role.SAMPLE, "p", "cc", ("a b", "c d")), *_judged(Role.SAMPLE, "q", "cc", ("c d", "c d"))]
    sets = [JudgedSet(role=Role.SAMPLE, iteration=t, samples=each) for t, each in enumerate((first, second), start=1)]
    equal = [each for each in _measure(*sets).measurements if each.metric == "distinct-n.correct.equal"]
    assert [(each.value, each.n, each.undefined) for each in equal] == [(1 / 2, 1, 1), (1.0, 1, 1)]


def test_where_bare_labels_are_trained_on_diversity_has_no_value_and_says_why() -> None:
    samples = [*_judged(Role.SAMPLE, "p", "ccw", ("B", "B", "C")), *_judged(Role.SAMPLE, "q", "cww", ("B", "C", "D"))]
    spec = Measure(metrics=(Metric.COVERAGE, Metric.DISTINCT_N, Metric.SBERT_DIVERSITY), k=(), ngram_max=1)
    embeddings = {1: [SideValue(problem_id="p", side="correct", value=0.0)]}
    evidence = Evidence(
        sets=[JudgedSet(role=Role.SAMPLE, iteration=1, samples=samples)], embeddings=embeddings, levels={}
    )
    alike, told_apart = (measure(_block(spec, outputs_alike=each), evidence) for each in (True, False))
    for metric in ("distinct-n.correct", "distinct-n.correct.equal", "distinct-n.incorrect", "sbert-diversity.correct"):
        found = _one(alike, metric)
        assert found.value is None and "targets are bare labels" in str(found.reason)
        assert not [each for each in alike.problem_values if each.metric == metric]
        assert _one(told_apart, metric).value is not None
    assert _one(alike, "coverage").value == pytest.approx(1 / 2)


def test_a_problem_without_wrong_outputs_has_no_diversity_of_them() -> None:
    samples = [*_judged(Role.SAMPLE, "p", "cc"), *_judged(Role.SAMPLE, "q", "cw")]
    found = _one(_measure(JudgedSet(role=Role.SAMPLE, iteration=1, samples=samples)), "distinct-n.incorrect")
    assert (found.n, found.undefined) == (1, 1)


def test_an_output_the_grader_crashed_on_is_not_counted_as_incorrect_output() -> None:
    samples = _judged(Role.SAMPLE, "p", "cx")
    found = _one(_measure(JudgedSet(role=Role.SAMPLE, iteration=1, samples=samples)), "distinct-n.incorrect")
    assert found.value is None


def test_a_sample_the_grader_failed_on_counts_as_if_never_drawn() -> None:
    measured = _measure(JudgedSet(role=Role.SAMPLE, iteration=1, samples=_judged(Role.SAMPLE, "p", "cwx")))
    assert _one(measured, "coverage").value == pytest.approx(1 / 2)
    greedy = _measure(JudgedSet(role=Role.GREEDY, iteration=1, samples=_judged(Role.GREEDY, "p", "x")))
    assert (_one(greedy, "pass@1").value, _one(greedy, "pass@1").undefined) == (None, 1)


def test_training_samples_give_coverage_on_the_training_problems_and_no_diversity() -> None:
    measured = _measure(JudgedSet(role=Role.TRAIN, iteration=1, samples=_judged(Role.TRAIN, "p", "cw")))
    assert {(each.metric, each.split) for each in measured.measurements} == {
        ("coverage", Split.TRAIN),
        ("pass@2", Split.TRAIN),
    }


def test_every_mean_has_its_values_per_problem() -> None:
    samples = [*_judged(Role.GREEDY, "p", "c"), *_judged(Role.GREEDY, "q", "w")]
    measured = _measure(JudgedSet(role=Role.GREEDY, iteration=1, samples=samples))
    values = [each for each in measured.problem_values if each.metric == "pass@1"]
    assert [(each.problem_id, each.value) for each in values] == [("p", 1.0), ("q", 0.0)]


def _set(role: Role, iteration: int, **outcomes: str) -> JudgedSet:
    samples = [sample for problem, letters in outcomes.items() for sample in _judged(role, problem, letters)]
    return JudgedSet(role=role, iteration=iteration, samples=samples)


def test_pass_at_n_of_the_first_model_on_improvement_sets_in_both_readings() -> None:
    """IS(3) is {q, r} where M_1 fails, and {r} where M_2 fails; of the two samples of M_1, q has one right, r none."""
    sets = [
        _set(Role.GREEDY, 1, p="c", q="w", r="w"),
        _set(Role.GREEDY, 2, p="c", q="c", r="w"),
        _set(Role.GREEDY, 3, p="c", q="c", r="c"),
        _set(Role.SAMPLE, 1, p="cc", q="wc", r="ww"),
    ]
    spec = Measure(metrics=(Metric.IMPROVEMENT_SET,), k=(), ngram_max=1, improvement_n=(1, 2))
    measured = measure(_block(spec), Evidence(sets=sets, embeddings={}, levels={}))
    found = {(each.iteration, each.metric): (each.value, each.n) for each in measured.measurements}
    assert found[3, "is-pass@2.first"] == (1 / 2, 2)
    assert found[3, "is-pass@1.first"] == (1 / 4, 2)
    assert found[3, "is-pass@1.first.plain"] == (0, 2)
    assert found[3, "is-pass@2.previous"] == (0, 1)
    assert found[2, "is-pass@2.previous"] == found[2, "is-pass@2.first"] == (1, 1)
    assert found[1, "is-pass@2.first"] == (None, 0)
    assert all(each.reason for each in measured.measurements if each.value is None)


@pytest.mark.parametrize(("outcome", "hard"), [("x", 0.5), ("d", 0.5), ("t", 1 / 3), ("w", 1 / 3)])
def test_an_ood_problem_that_was_not_judged_is_left_out_of_the_disparity_and_a_wrong_one_is_not(
    outcome: str, hard: float
) -> None:
    levels = {"a": 1, "b": 1, "c": 5, "d": 5, "e": 5}
    spec = Measure(metrics=(Metric.GROUP_DISPARITY,), k=(), ngram_max=1)
    given = {"a": "c", "b": "c", "c": "c", "d": "w", "e": outcome}
    samples = [each for name, letter in given.items() for each in _judged(Role.OOD, name, letter)]
    judged = JudgedSet(role=Role.OOD, iteration=1, samples=samples)
    measured = measure(_block(spec), Evidence(sets=[judged], embeddings={}, levels=levels))
    assert _one(measured, "pass@1.level-5", Split.OOD).value == pytest.approx(hard)
    assert _one(measured, "group-disparity", Split.OOD).value == pytest.approx(1 - hard)


def test_what_no_model_wrote_counts_as_wrong_and_is_no_text() -> None:
    samples = [*_judged(Role.SAMPLE, "p", "tt"), *_judged(Role.SAMPLE, "q", "ww", texts=("one two", "one two"))]
    measured = _measure(JudgedSet(role=Role.SAMPLE, iteration=1, samples=samples))
    assert (_one(measured, "coverage").n, _one(measured, "coverage").value) == (2, 0.0)
    incorrect = _one(measured, "distinct-n.incorrect")
    assert (incorrect.n, incorrect.undefined, incorrect.value) == (1, 1, 0.5)


def test_group_disparity_and_its_values_by_problem_agree() -> None:
    """Level 1: 2 of 2; level 5: 1 of 2. D = (1 - 1/2) / 1."""
    levels = {"a": 1, "b": 1, "c": 5, "d": 5, "e": 3}
    judged = _set(Role.OOD, 2, a="c", b="c", c="c", d="w", e="w")
    spec = Measure(metrics=(Metric.GROUP_DISPARITY,), k=(), ngram_max=1)
    measured = measure(_block(spec), Evidence(sets=[judged], embeddings={}, levels=levels))
    found = _one(measured, "group-disparity", Split.OOD)
    own = [each for each in measured.problem_values if each.metric == "group-disparity"]
    values = [each.value for each in own if each.value is not None]
    assert (found.metric, found.split, found.iteration, found.value, found.n) == (
        "group-disparity",
        Split.OOD,
        2,
        0.5,
        4,
    )
    assert sum(values) / len(values) == pytest.approx(0.5)
    assert {each.problem_id for each in own} == {"a", "b", "c", "d"}
    terms = [_one(measured, f"pass@1.level-{level}", Split.OOD) for level in (1, 5)]
    assert [(each.value, each.n) for each in terms] == [(1.0, 2), (0.5, 2)]


def test_sbert_diversity_is_the_mean_of_the_embedded_values_by_side() -> None:
    embedded = [
        SideValue(problem_id="p", side="correct", value=0.25),
        SideValue(problem_id="q", side="correct", value=0.75),
        SideValue(problem_id="p", side="incorrect", value=None),
        SideValue(problem_id="q", side="incorrect", value=0.5),
    ]
    spec = Measure(metrics=(Metric.SBERT_DIVERSITY,), k=(), ngram_max=1)
    measured = measure(_block(spec), Evidence(sets=[], embeddings={4: embedded}, levels={}))
    correct, incorrect = measured.measurements
    assert (correct.metric, correct.iteration, correct.value, correct.n) == ("sbert-diversity.correct", 4, 0.5, 2)
    assert (incorrect.value, incorrect.n, incorrect.undefined) == (0.5, 1, 1)
