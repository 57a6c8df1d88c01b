"""The outlook of several experiments: what sharing saves."""

import pytest

from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.hardware.cost import total
from selfimp_bench.runs.hardware.device import parse_hardware
from selfimp_bench.runs.hardware.outlook import StudyOutlook, outlook, study_outlook
from selfimp_bench.runs.study import Study, open_study

HARDWARE = parse_hardware("8xA100-80GB")


@pytest.fixture(scope="module")
def opened() -> Study:
    return open_study("progress-or-regress", profile=Profile.PAPER, only="model=llama-2-7b", replicates=1)


@pytest.fixture(scope="module")
def found(opened: Study) -> StudyOutlook:
    return study_outlook(opened, HARDWARE, done=frozenset())


def test_a_study_has_a_run_for_every_experiment_and_model(opened: Study, found: StudyOutlook) -> None:
    assert [member.experiment for member in found.experiments] == [each.manifest.name for each in opened.experiments]
    assert all(member.runs == 1 for member in found.experiments)


def test_alone_is_the_sum_of_the_experiments_by_themselves(opened: Study, found: StudyOutlook) -> None:
    sums = total(outlook(each.plan(), HARDWARE, done=frozenset()).gpu_hours for each in opened.experiments)
    assert found.alone.expected == pytest.approx(sums.expected)


def test_an_experiment_s_tokens_and_disk_are_those_of_its_own_plan(opened: Study, found: StudyOutlook) -> None:
    for experiment, member in zip(opened.experiments, found.experiments, strict=True):
        own = outlook(experiment.plan(), HARDWARE, done=frozenset())
        assert member.tokens.at_most == pytest.approx(total(cost.tokens for cost in own.costs).at_most)
        assert member.disk_bytes == own.disk_bytes


def test_what_each_adds_comes_to_the_whole(found: StudyOutlook) -> None:
    own = total(member.own_gpu_hours for member in found.experiments)
    assert own.expected == pytest.approx(found.whole.gpu_hours.expected)
    assert own.at_most == pytest.approx(found.whole.gpu_hours.at_most)
    assert found.saved.expected == pytest.approx(found.alone.expected - found.whole.gpu_hours.expected)


def test_sharing_saves_the_first_model_twice_and_the_second_of_dpo_once(opened: Study, found: StudyOutlook) -> None:
    # On each task: t = 1 is done once, not three times, and t = 2 of DPO and of SFT-DPO once, not twice.
    dpo = [each for each in opened.experiments if each.manifest.name.endswith("iter-dpo")]
    costs = [cost for each in dpo for cost in outlook(each.plan(), HARDWARE, done=frozenset()).costs]
    first, second = (total(cost.gpu_hours for cost in costs if f"/{t}/" in cost.step) for t in ("t1", "t2"))
    assert len(dpo) == 4
    assert found.saved.expected == pytest.approx((first * 2 + second).expected)
    assert found.saved.at_most == pytest.approx((first * 2 + second).at_most)


def test_what_the_source_says_its_runs_took_is_told(found: StudyOutlook) -> None:
    assert [(row.printed, row.unit) for row in found.published] == [("2000", "GPU hours")]
