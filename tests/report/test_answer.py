"""What a run's report says on top: by the rules of assess, with the numbers."""

import re
from dataclasses import replace

import msgspec
import pytest

from selfimp_bench.measurement import Split
from selfimp_bench.report.answer import answers, summed_up
from selfimp_bench.report.names import axis_words, capability, measured_words, reworded
from selfimp_bench.runs.assess.essentials import family_of
from selfimp_bench.runs.directions import directions
from selfimp_bench.runs.judge import read_run


@pytest.fixture
def answered(write_run, tables):
    def answer(left_out=(), models=("big",), renamed=None):
        made = tables(models, 1)
        names = renamed or {}

        def kept(rows, changed):
            own = [each for each in rows if (each.metric, each.split) not in left_out]
            return tuple(changed(each, metric=names.get(each.metric, each.metric)) for each in own)

        values = kept(made.problem_values, msgspec.structs.replace)
        made = replace(made, measurements=kept(made.measurements, replace), problem_values=values)
        run = read_run(write_run(models=models, tables=made))
        for found in directions(run):
            assert family_of(found.changes) == found.family
        return answers(run.measurements, directions(run))

    return answer


def test_accuracy_up_and_an_essential_down_is_reversal_with_the_numbers(answered):
    (found,) = answered()
    # the means of the values that the fixture draws about 0.42, 0.66 and 0.88, 0.75
    assert found.word == "Reversal"
    assert found.lead.startswith("Reversal: accuracy (pass@1) rose, 0.410")
    assert re.search(r" to 0\.6\d+, by 0\.2\d+ \(0\.\d+ to 0\.\d+\)\.$", found.lead)
    assert "Worse: pass@16 0.8633 to 0.7891." in found.rest and "Better: coverage 0.3904 to 0.6118." in found.rest
    by_name = {each.name: each for each in found.capabilities}
    assert list(by_name)[:3] == ["Accuracy (pass@1)", "Coverage", "Pass@16"]
    assert (by_name["Pass@16"].direction, by_name["Pass@16"].tone) == ("down", "worse")
    assert by_name["Accuracy (pass@1) out of distribution"].tone == ""


def test_the_papers_diversity_falls_also_where_more_outputs_are_correct_and_decides_nothing(answered):
    (found,) = answered(left_out=[("pass@16", Split.TEST)])
    assert found.word == "Progress"
    assert "Distinct-n of correct outputs" not in {each.name for each in found.capabilities}
    assert "diversity" in found.unseen


def test_diversity_of_equal_numbers_decides_where_a_run_has_it(answered):
    (found,) = answered(left_out=[("pass@16", Split.TEST)], renamed={"distinct-n.correct": "distinct-n.correct.equal"})
    assert found.word == "Reversal"
    assert "Worse: distinct-n of correct outputs, in equal numbers" in found.rest


def test_several_models_are_counted_and_a_run_without_accuracy_has_no_answer(answered):
    assert summed_up(answered(models=("big", "tiny"))) == "Reversal in 2 of 2."
    assert answered(left_out=[("pass@1", Split.TEST), ("coverage", Split.TEST)]) == ()


@pytest.mark.parametrize(
    ("metric", "split", "words"),
    [
        ("pass@1", Split.OOD, "accuracy (pass@1) out of distribution"),
        ("pass@1.level-5", Split.OOD, "accuracy (pass@1), level 5 out of distribution"),
        ("pass@8", Split.TRAIN, "pass@8 on the training problems"),
        ("is-pass@*.first", Split.TEST, "pass@N of M_1 on what M_t solves and M_1 does not"),
        (
            "is-pass@4.previous.plain",
            Split.TEST,
            "pass@4 of M_1 on what M_t solves and M_(t-1) does not, plain estimator",
        ),
        ("gap.mc.q0.8", Split.TEST, "generation-verification gap, mc.q0.8"),
        ("something-new.x", Split.TEST, "something-new.x"),
    ],
)
def test_a_measurement_in_words(metric, split, words):
    assert measured_words(metric, split) == words


def test_an_axis_of_one_of_two_and_of_many_kinds():
    assert axis_words(["distinct-n.correct", "distinct-n.incorrect"], "share") == "Distinct-n: share of n-grams"
    assert axis_words(["is-pass@*.first"], "share") == "Pass@N of M_1: share of problems"
    assert axis_words(["coverage", "pass@1"], "share") == "Coverage, accuracy (pass@1): share"
    assert axis_words(["coverage", "pass@1", "distinct-n.correct"], "share") == "Share"
    assert axis_words(["gap-spread.x"], "percent") == "Gap-spread.x: percent"


def test_what_a_measurement_is_about():
    assert capability("sbert-diversity.incorrect", Split.TEST) == "Diversity"
    assert capability("pass@1", Split.OOD) == "Out of distribution"
    assert capability("gap-spread.mc", Split.TEST) == "Generation-verification gap"
    assert capability("something-new", Split.TEST) == "Other measurements"


def test_what_a_headline_names_is_put_in_words():
    assert reworded("pass@1 on ood (of 3 problems; fewer than 20 decide nothing)") == (
        "accuracy (pass@1) out of distribution (of 3 problems; fewer than 20 decide nothing)"
    )
    assert reworded("out of distribution") == "out of distribution"
    assert reworded("distinct-n.correct.equal (not measured)").startswith("distinct-n of correct outputs, in equal")
