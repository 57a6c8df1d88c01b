"""Where the hours go, what a plan saves and what else would, by hand."""

from functools import cache

import pytest

from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.hardware.cost import Range, total
from selfimp_bench.runs.hardware.device import parse_hardware
from selfimp_bench.runs.hardware.outlook import StudyOutlook, outlook, study_outlook
from selfimp_bench.runs.hardware.savings import SHARES, Savings, computing, savings
from selfimp_bench.runs.study import Study, open_study
from selfimp_bench.steps.sample import SampleBlock

EIGHT = parse_hardware("8xA100-80GB")
WEIGHTS = 6_738_415_616
READING = 2 * WEIGHTS / (0.4 * 312e12) / 3600
"""GPU hours to read a token."""


@cache
def of(name: str, only: str | None = "model=llama-2-7b") -> tuple[Study, StudyOutlook, Savings]:
    study = open_study(name, profile=Profile.PAPER, only=only, replicates=1)
    found = study_outlook(study, EIGHT, done=frozenset())
    return study, found, savings(study, EIGHT, found)


def by_name(found: Savings) -> dict[str, Range]:
    return {each.what: each.gpu_hours for each in (*found.made, *found.possible)}


def waits(found: StudyOutlook) -> dict[str, Range]:
    return {wait.kind: wait.gpu_hours for wait in found.whole.waits}


def test_computing_by_what_comes_to_all_computing() -> None:
    for name in ("gsm8k-iter-sft", "gsm8k-verifier-ensemble"):
        _, found, _ = of(name, None)
        parts = computing(found.whole)
        assert total(parts.values()).expected == pytest.approx(found.whole.gpu_hours.expected)
        assert ("judging" in parts, "training" in parts) == (name != "gsm8k-iter-sft", name == "gsm8k-iter-sft")


def test_equal_steps_save_their_hours_and_what_gpus_would_wait_for_them() -> None:
    study, found, saved = of("progress-or-regress")
    apart = [outlook(each.plan(), EIGHT, done=frozenset()) for each in study.experiments]
    waiting = sum(wait.gpu_hours.expected for each in apart for wait in each.waits)
    hours = by_name(saved)["equal steps once"]
    assert hours.expected == pytest.approx(
        found.saved.expected + waiting - (found.whole.all_hours - found.whole.gpu_hours).expected
    )
    assert by_name(of("gsm8k-iter-sft")[2])["equal steps once"].expected == 0


def test_an_engine_for_all_steps_of_a_checkpoint_saves_the_other_starts() -> None:
    study, found, saved = of("gsm8k-iter-sft")
    sampled = sum(isinstance(step.block, SampleBlock) for step in study.plan().plan.steps)
    assert sampled == 5 + 5 + 4 + 5  # greedy, test, train, out of distribution
    each = 8 * (60 + 2 * WEIGHTS / 1e9) / 3600
    assert by_name(saved)["engines for all steps of a checkpoint"].expected == pytest.approx((sampled - 5) * each)
    assert waits(found)["engine starts"].expected == pytest.approx(5 * each)


def test_a_prompt_read_once_saves_all_readings_but_one_and_shared_beginnings_those_of_a_template() -> None:
    _, _, saved = of("gsm8k-iter-sft")
    test, train = 239.9 / 2.5, 234.5 / 2.5
    # 64 completions of the test problems after each of 5 trainings, and 50 of the training problems after 4.
    tokens = 5 * 1319 * 63 * test + 4 * 7473 * 49 * train
    assert by_name(saved)["a prompt read once"].expected == pytest.approx(READING * tokens, rel=1e-3)
    assert by_name(saved)["beginnings read once"] == Range(expected=0, at_most=0)
    assert by_name(of("gsm8k-verifier-ensemble", None)[2])["beginnings read once"].expected > 0


def test_kept_activations_save_a_quarter_of_training_where_they_fit() -> None:
    _, found, saved = of("gsm8k-iter-sft")
    trained = computing(found.whole)["training"]
    hours = by_name(saved)["activations kept, not recomputed"]
    quarter, checkpoints = trained.expected / 4, waits(found)["checkpoints to resume from"].expected
    assert quarter <= hours.expected <= quarter + checkpoints / 2  # shorter trainings write fewer of them
    assert saved.trained.expected == pytest.approx(trained.expected - quarter)
    _, large, none = of("gsm8k-iter-sft-dpo-70b", None)
    assert by_name(none)["activations kept, not recomputed"] == Range(expected=0, at_most=0)
    assert none.trained == computing(large.whole)["training"]


def test_what_goes_beside_other_steps_is_no_waiting() -> None:
    _, found, saved = of("gsm8k-iter-sft")
    hours, waited = by_name(saved), waits(found)
    assert hours["grading beside other steps"] == waited["grading"]
    assert hours["embedding on one GPU each"].expected == pytest.approx(waited["embedding"].expected * 7 / 8)
    assert 0 < hours["seldom a checkpoint to resume from"].expected <= waited["checkpoints to resume from"].expected


def test_the_rest_is_what_all_savings_leave_and_less_at_a_larger_share_of_the_peak() -> None:
    _, found, saved = of("gsm8k-iter-sft")
    assert [each.share for each in saved.rest] == [0.4, *SHARES]
    rest = {each.share: each.gpu_hours.expected for each in saved.rest}
    together = sum(each.gpu_hours.expected for each in saved.possible)
    # Shorter trainings have fewer checkpoints to write seldom: those are not saved twice.
    assert rest[0.4] == pytest.approx(found.whole.all_hours.expected - together, rel=0.02)
    assert rest[0.4] >= found.whole.all_hours.expected - together
    faster = saved.trained.expected * (1 - 0.4 / 0.5)
    assert rest[0.4] - rest[0.5] == pytest.approx(faster, rel=0.05) and rest[0.4] - rest[0.5] > faster
