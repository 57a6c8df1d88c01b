"""Which claims an experiment can decide, before it runs."""

from itertools import pairwise

import pytest
from support import ManifestMaker

from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.decide import Decidability, decidable_claims
from selfimp_bench.runs.study import open_study

SCHEDULE = ("sft-gold", "dpo", "sft", "dpo", "sft")


def decidable(name: str, only: str | None = None) -> dict[tuple[str, str], Decidability]:
    opened = open_study(name, profile=Profile.PAPER, only=only, replicates=1)
    return {(each.claim, each.model): each for each in decidable_claims(opened.experiments[0])}


@pytest.fixture(scope="module")
def published() -> dict[tuple[str, str], Decidability]:
    return decidable("gsm8k-iter-sft")


def test_a_large_effect_is_decided_with_one_replicate_and_a_small_one_with_none(
    published: dict[tuple[str, str], Decidability],
) -> None:
    large, small = (published["last-above-first", model] for model in ("llama-2-7b", "llama-3-8b"))
    assert [each.decided for each in large.prospects] == [True, True, True]
    assert [each.decided for each in small.prospects] == [False, False, False]
    assert small.untold == "no difference"


def test_replicates_make_smaller_effects_detectable(published: dict[tuple[str, str], Decidability]) -> None:
    rises = published["last-above-first", "mistral-7b-v0.1"]
    assert [each.replicates for each in rises.prospects] == [1, 3, 5]
    assert rises.unit == "share"
    effects = {name: [each.smallest_effect for each in one.prospects] for name, one in published.items()}
    known = [each for each in effects.values() if None not in each]
    assert len(known) > len(effects) / 2
    assert all(more < fewer for each in known for fewer, more in pairwise(each))  # of every claim, not of some


def test_a_value_is_to_be_told_from_a_model_that_stays_as_it_was(
    published: dict[tuple[str, str], Decidability],
) -> None:
    value = published["pass-at-1", "llama-2-7b"]
    assert (value.untold, value.unit) == ("a model that stays as it was", "percent")
    assert value.prospects[0].decided


def test_only_the_models_that_run_are_asked_of() -> None:
    found = decidable("gsm8k-iter-sft", only="model=llama-2-7b")
    assert {model for _, model in found} == {"llama-2-7b"}


def test_a_claim_on_which_nothing_is_published_has_no_prospects() -> None:
    found = decidable("math-gv-gap")
    assert found and all(each.prospects == () for each in found.values())


def test_a_smoke_run_decides_nothing() -> None:
    opened = open_study("gsm8k-iter-sft", profile=Profile.SMOKE, only=None, replicates=1)
    assert decidable_claims(opened.experiments[0]) == ()


def test_fewer_problems_than_decide_anything_decide_nothing(
    make_manifest: ManifestMaker,
) -> None:
    found = decidable(str(make_manifest(counts=(8, 8, 8), keep_values=True, schedule=SCHEDULE)))
    prospects = [each for one in found.values() for each in one.prospects]
    assert prospects and not any(each.decided for each in prospects)
