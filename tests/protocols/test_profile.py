"""A manifest at another size."""

from dataclasses import replace
from pathlib import Path

import pytest
from support import load_post_training

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.protocols.registry import resolve_profile

VALID = Path(__file__).parents[1] / "manifest" / "valid" / "example-iter-dpo.v1.yaml"


def test_the_paper_profile_is_the_manifest_itself() -> None:
    manifest = load_post_training(VALID)
    assert resolve_profile(manifest, Profile.PAPER) is manifest


def test_a_profile_replaces_whole_blocks_and_keeps_the_others() -> None:
    manifest = load_post_training(VALID)
    assert manifest.profiles is not None
    smoke = resolve_profile(manifest, Profile.SMOKE)
    assert smoke.measure == manifest.profiles["smoke"].measure
    assert [model.id for model in smoke.models] == ["tiny"]
    assert smoke.sampling == manifest.sampling
    assert smoke.claims == manifest.claims
    assert smoke.profiles is None


def test_a_profile_that_is_not_there_is_refused_with_those_that_are() -> None:
    without = replace(load_post_training(VALID), profiles=None)
    with pytest.raises(InputError, match=r"no profile smoke; expected one of: paper$"):
        resolve_profile(without, Profile.SMOKE)
