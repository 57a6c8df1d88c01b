"""The experiments of "Mind the Gap": what the suite's claims need is measured, and every manifest is runnable."""

import pytest
from support import shipped_suite

from selfimp_bench.engines.base import sampler_settings
from selfimp_bench.manifest.catalog import find
from selfimp_bench.manifest.model import Architecture, ModelRef, Profile
from selfimp_bench.manifest.reference_table import read_table
from selfimp_bench.manifest.suite_model import Suite, readings
from selfimp_bench.places import REFERENCES
from selfimp_bench.protocols.load import load_experiment
from selfimp_bench.protocols.registry import measured_cells, resolve_profile
from selfimp_bench.protocols.verification.manifest import VerificationManifest
from selfimp_bench.protocols.verification.measure import CORRELATION
from selfimp_bench.protocols.verification.verify import VerifyBlock
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.sample import SampleBlock
from selfimp_bench.verdict.check import tables_of
from selfimp_bench.verdict.comparisons import Place, expand

SUITE = shipped_suite("mind-the-gap")
NAMES = [member.name for member in SUITE.experiments]
BASE_MODELS = 21
WITH_BIASES = "qwen"
TIED = {"qwen1.5-0.5b", "qwen2-0.5b", "qwen2-1.5b", "qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-3b"}

every_experiment = pytest.mark.parametrize("name", NAMES)


def manifest_of(name: str) -> VerificationManifest:
    manifest = load_experiment(find(name)).manifest
    assert isinstance(manifest, VerificationManifest)
    return manifest


def _models(manifest: VerificationManifest) -> tuple[ModelRef, ...]:
    return (*manifest.models, *(manifest.verifier_models or ()))


def places(suite: Suite) -> set[Place]:
    return {
        place
        for claim in suite.claims
        for reading in readings(claim)
        for group in expand(suite, claim, reading)
        for place in group.places
    }


def test_what_the_suite_s_claims_compare_is_measured() -> None:
    measured = {
        (name, cell.metric, cell.split, iteration)
        for name in NAMES
        for cell in measured_cells(manifest_of(name))
        for iteration in range(cell.first, cell.iterations + 1)
    }
    asked = {(each.experiment, each.cell.metric, each.cell.split, each.cell.iteration) for each in places(SUITE)}
    assert asked and asked - measured == set()


@every_experiment
def test_the_suite_names_a_member_s_models(name: str) -> None:
    (member,) = (each for each in SUITE.experiments if each.name == name)
    assert member.pending is None
    assert [model.id for model in manifest_of(name).models] == list(member.models)


def test_a_model_is_the_same_in_every_experiment() -> None:
    found: dict[str, set[tuple[str | None, str | None, Architecture | None, int | None]]] = {}
    for name in NAMES:
        for model in _models(manifest_of(name)):
            pinned = (model.repo, model.revision, model.architecture, model.tensor_parallel)
            found.setdefault(model.id, set()).add(pinned)
    assert all(len(variants) == 1 for variants in found.values())
    assert len({repo for variants in found.values() for repo, *_ in variants}) == len(found)
    assert len(manifest_of("gsm8k-gv-gap").models) == BASE_MODELS


def weights(name: str, sizes: Architecture) -> int:
    """The parameters of a Llama, with the query, key and value biases that Qwen's have."""
    of_heads = (sizes.heads + 2 * sizes.kv_heads) * sizes.head_dim
    attention = sizes.hidden_size * (of_heads + sizes.heads * sizes.head_dim)
    biases = of_heads if name.startswith(WITH_BIASES) else 0
    layer = attention + biases + 3 * sizes.hidden_size * sizes.intermediate_size + 2 * sizes.hidden_size
    embeddings = 1 if name.removesuffix("-chat").removesuffix("-instruct") in TIED else 2
    return sizes.layers * layer + embeddings * sizes.vocab_size * sizes.hidden_size + sizes.hidden_size


@every_experiment
def test_parameters_are_what_the_sizes_come_to_and_heads_divide_over_the_devices(name: str) -> None:
    manifest = manifest_of(name)
    for model in _models(manifest):
        assert model.architecture is not None
        assert model.architecture.parameters == weights(model.id, model.architecture), model.id
        vllm = sampler_settings(manifest.engines, model).vllm
        assert vllm is not None and model.architecture.heads % vllm.tensor_parallel == 0, model.id


@every_experiment
def test_the_smoke_profile_has_every_kind_of_verifier_and_of_training(name: str) -> None:
    manifest = manifest_of(name)
    smoke = resolve_profile(manifest, Profile.SMOKE)
    assert isinstance(smoke, VerificationManifest)
    assert {method.kind for method in smoke.verification} >= {method.kind for method in manifest.verification}
    assert smoke.measure.metrics == manifest.measure.metrics
    assert smoke.engines.device == "cpu" and {smoke.engines.sampler, smoke.engines.trainer} == {"hf", "trl"}
    rounds, small = manifest.self_improvement, smoke.self_improvement
    assert (rounds and (rounds.method, rounds.utility)) == (small and (small.method, small.utility))


def shared(name: str, other: str, models: str) -> int:
    """Steps with the same block and version in two experiments, of those that sample or judge."""
    plans = [open_experiment(each, profile=Profile.PAPER, only=models, replicates=1).plan() for each in (name, other)]
    asked = [{repr((step.block, step.version)) for step in plan.steps if step.tokens_at_most} for plan in plans]
    return len(asked[0] & asked[1])


def test_experiments_share_responses_and_judgements() -> None:
    assert shared("gsm8k-verifier-ensemble", "gsm8k-gv-gap", "model=qwen2-7b") == 4
    assert shared("gsm8k-cross-verification", "gsm8k-gv-gap", "model=qwen2-7b") == 3


@every_experiment
def test_published_numbers_are_in_a_unit_that_the_metric_has(name: str) -> None:
    manifest = manifest_of(name)
    tables = {
        table.name: table for table in tables_of(manifest.claims, lambda each: read_table(REFERENCES / each, each))
    }
    for claim in manifest.claims:
        for point in claim.value.points if claim.value is not None else ():
            row = tables[claim.value.table].find(point.reference)
            correlation = "-correlation." in point.metric
            assert row is not None and row.unit == (CORRELATION if correlation else "percent"), row


def test_a_step_spans_the_devices_of_the_model_that_does_it() -> None:
    plan = open_experiment(
        "gsm8k-cross-verification", profile=Profile.PAPER, only="model=qwen2-7b", replicates=1
    ).plan()
    spans = {
        step.id.rpartition("/")[2]: step.block.settings.vllm.tensor_parallel
        for step in plan.steps
        if isinstance(step.block, SampleBlock | VerifyBlock) and step.block.settings.vllm is not None
    }
    assert spans["sample.sample"] == spans["verify.mc@llama-2-7b.sample"] == 1
    assert spans["verify.mc@qwen2-72b.sample"] == spans["verify.cot-score@llama-2-70b.sample"] == 4
