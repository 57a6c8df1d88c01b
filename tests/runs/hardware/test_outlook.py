"""What the steps of real manifests ask of real devices, worked out by hand, and what cannot run."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from support import ManifestMaker

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import entries
from selfimp_bench.manifest.model import Profile
from selfimp_bench.protocols.post_training.embed import EmbedBlock, vector_bytes
from selfimp_bench.protocols.post_training.smoke import smoke_blocks
from selfimp_bench.protocols.post_training.stages import STAGES as POST_TRAINING
from selfimp_bench.protocols.verification.stages import STAGES as VERIFICATION
from selfimp_bench.runs.hardware.cost import Range, StepCost
from selfimp_bench.runs.hardware.device import Hardware, parse_hardware
from selfimp_bench.runs.hardware.fit import usable_bytes
from selfimp_bench.runs.hardware.outlook import COSTS, Outlook, outlook, refuse_misfits
from selfimp_bench.runs.study import Experiment, open_experiment
from selfimp_bench.steps.plan import Plan, Stage, fingerprint, plan_keys
from selfimp_bench.steps.probe import ProbeBlock
from selfimp_bench.steps.sample import SampleBlock
from selfimp_bench.steps.train import TrainBlock

CHOICES = {"grading": {"task": "commonsense_qa", "extraction": "strict", "source": "test"}}
EIGHT = parse_hardware("8xA100-80GB")


def _open(name: str, profile: Profile = Profile.PAPER) -> Experiment:
    return open_experiment(name, profile=profile, only=None, replicates=1)


@cache
def _plan(name: str) -> Plan:
    return _open(name).plan()


def _outlook(name: str, hardware: Hardware = EIGHT) -> Outlook:
    return outlook(_plan(name), hardware, done=frozenset())


@pytest.fixture(scope="module")
def gsm8k() -> dict[str, StepCost]:
    return {cost.step: cost for cost in _outlook("gsm8k-iter-sft-dpo").costs}


def test_the_first_training_s_hours_are_eight_operations_a_weight_and_token(gsm8k: dict[str, StepCost]) -> None:
    cost = gsm8k["llama-2-7b/seed1/t1/train"]
    # 3 epochs of 7473 rows of (234.5 + 287.5) characters / 2.5 and an end each; 40 % of 312e12 operations a second.
    tokens = 3 * 7473 * ((234.5 + 287.5) / 2.5 + 1)
    assert cost.tokens == Range(expected=pytest.approx(tokens), at_most=pytest.approx(tokens))
    hours = 8 * 6_738_415_616 * tokens / (0.4 * 312e12) / 3600
    assert cost.gpu_hours.expected == pytest.approx(hours)


def test_training_on_own_samples_expects_half_of_them_and_at_most_all_at_their_limit(
    gsm8k: dict[str, StepCost],
) -> None:
    cost = gsm8k["llama-2-7b/seed1/t3/train"]
    rows, prompt, answer = 7473 * 50, 234.5 / 2.5, 287.5 / 2.5 + 1
    assert cost.kind == "train sft"
    assert cost.tokens.expected == pytest.approx(3 * rows / 2 * (prompt + answer))
    assert cost.tokens.at_most == pytest.approx(3 * rows * (prompt + 512))


def test_dpo_trains_on_two_sequences_a_pair_and_reads_them_once_more(gsm8k: dict[str, StepCost]) -> None:
    cost = gsm8k["llama-2-7b/seed1/t2/train"]
    tokens = 7473 * 2 * (234.5 / 2.5 + 287.5 / 2.5 + 1)
    assert cost.tokens.expected == pytest.approx(tokens)
    hours = (8 + 2) * 6_738_415_616 * tokens / (0.4 * 312e12) / 3600
    assert cost.gpu_hours.expected == pytest.approx(hours)


def test_a_checkpoint_takes_two_bytes_a_weight_and_a_sampled_token_three(gsm8k: dict[str, StepCost]) -> None:
    assert gsm8k["llama-2-7b/seed1/t2/train"].disk_bytes.expected == 2 * 6_738_415_616
    greedy = gsm8k["llama-2-7b/seed1/t1/sample.greedy"]
    assert greedy.disk_bytes.at_most == 1319 * 512 * 3


def test_the_vectors_of_embedded_texts_lie_on_the_disk_too() -> None:
    found = outlook(_open("gsm8k-iter-sft").plan(), EIGHT, done=frozenset())
    kept = found.disk_bytes.at_most - sum(cost.disk_bytes.at_most for cost in found.costs)
    assert kept == pytest.approx(3 * 5 * 1319 * 64 * 1024 * 4)  # models, iterations, problems, samples, float32
    tiny = _open("tiny-iter-sft").plan().steps
    assert vector_bytes(tiny) == 5 * 200 * 8 * 384 * 4


def test_sampling_generates_the_plan_s_tokens_at_most(gsm8k: dict[str, StepCost]) -> None:
    plan = _open("gsm8k-iter-sft-dpo").plan()
    for step in plan.steps:
        if isinstance(step.block, SampleBlock):
            assert gsm8k[step.id].tokens.at_most == step.tokens_at_most
            assert gsm8k[step.id].tokens.expected < step.tokens_at_most


def test_sums_are_those_of_the_steps_and_done_ones_are_not_to_do() -> None:
    plan = _open("gsm8k-iter-sft").plan()
    everything = outlook(plan, EIGHT, done=frozenset())
    assert everything.gpu_hours == everything.gpu_hours_to_do
    assert everything.gpu_hours.expected == pytest.approx(sum(cost.gpu_hours.expected for cost in everything.costs))
    first = everything.costs[0]
    rest = outlook(plan, EIGHT, done=frozenset({first.step}))
    assert rest.gpu_hours == everything.gpu_hours
    assert rest.gpu_hours_to_do.expected == pytest.approx((rest.gpu_hours - first.gpu_hours).expected)


@pytest.mark.parametrize("hardware", ["8xA100-80GB", "4xH100", "1xA100-40GB"])
@pytest.mark.parametrize("name", sorted({entry.name for entry in entries()}))
def test_every_shipped_manifest_has_an_outlook_on_every_hardware(name: str, hardware: str) -> None:
    plan, asked = _plan(name), parse_hardware(hardware)
    found, steps = outlook(plan, asked, done=frozenset()), plan.by_id()
    for cost in found.costs:
        assert 0 < cost.gpu_hours.expected <= cost.gpu_hours.at_most
        assert 0 < cost.tokens.expected <= cost.tokens.at_most
        assert cost.per_device >= 1 and cost.footprint.total > 0
        block = steps[cost.step].block
        if isinstance(block, TrainBlock):
            assert cost.accumulation is not None
            assert cost.devices * cost.per_device * cost.accumulation == block.optimisation.batch_size
            assert bool(cost.misfits) == (cost.footprint.total > usable_bytes(asked))
        else:
            assert bool(cost.misfits) == (cost.devices > asked.count)
    refused = [(misfit.model, kind) for misfit in found.misfits for kind in misfit.kinds]
    assert set(refused) == {(cost.model, cost.kind) for cost in found.costs if cost.misfits}
    assert len(refused) == len(set(refused)) and all(misfit.reason for misfit in found.misfits)


SPANNING = {("llama-2-70b", "sample"), ("qwen1.5-72b", "sample"), ("qwen1.5-72b-chat", "sample")}
JUDGING = {(model, kind) for model in ("qwen1.5-72b", "qwen1.5-72b-chat") for kind in ("verify", "tournament")}


@pytest.mark.parametrize(
    ("hardware", "expected"),
    [
        ("8xA100-80GB", {("qwen1.5-32b", "train"), ("qwen1.5-72b", "train")}),
        ("4xH100", SPANNING | JUDGING | {("qwen1.5-32b", "train"), ("qwen1.5-72b", "train")}),
        ("32xA100-80GB", set()),
    ],
)
def test_of_all_that_the_papers_did_only_the_largest_models_are_refused(
    hardware: str, expected: set[tuple[str, str]]
) -> None:
    asked = parse_hardware(hardware)
    found = [_misfit for entry in entries() for _misfit in outlook(_plan(entry.name), asked, done=frozenset()).misfits]
    assert {(one.model, kind.split()[0]) for one in found for kind in one.kinds} == expected
    trained = [one.reason for one in found if one.model == "qwen1.5-72b" and "train sft" in one.kinds]
    assert all("or 32 of these (on several machines" in reason for reason in trained)


def test_hours_are_of_what_can_run() -> None:
    found = outlook(_plan("gsm8k-iter-rejection"), parse_hardware("8xA100-80GB"), done=frozenset())
    able = [cost.gpu_hours.expected for cost in found.costs if not cost.misfits]
    assert 0 < len(able) < len(found.costs)
    assert found.gpu_hours.expected == found.gpu_hours_to_do.expected == pytest.approx(sum(able))


def test_of_several_steps_of_a_kind_the_largest_says_why_it_cannot_run() -> None:
    (misfit,) = (one for one in _outlook("gsm8k-iter-sft", parse_hardware("1xA100-40GB")).misfits[:1])
    costs = _outlook("gsm8k-iter-sft", parse_hardware("1xA100-40GB")).costs
    largest = max(
        (cost for cost in costs if cost.model == misfit.model and cost.kind in misfit.kinds),
        key=lambda cost: cost.footprint.total,
    )
    assert misfit.reason.startswith(f"needs {largest.footprint.total / 1e9:,.1f} GB")


def test_four_bit_70b_on_a_device_of_eight_by_hand() -> None:
    """Linear maps in 4 bits with their constants, the rest in float32, 22 bytes an adapter weight under DDP."""
    (cost,) = (each for each in _outlook("gsm8k-iter-sft-dpo-70b").costs if each.step.endswith("t1/train"))
    layer = 2 * 8192**2 + 2 * 8192 * 1024 + 3 * 8192 * 28672
    total, linear = 68_976_648_192, 80 * layer
    adapters = 80 * 64 * (2 * (8192 + 8192) + 2 * (8192 + 1024) + 3 * (8192 + 28672))
    states = linear * (0.5 + 0.127 / 8) + 4 * (total - linear) + 22 * adapters
    assert cost.footprint.states == pytest.approx(states, rel=1e-6)
    assert (cost.devices, cost.misfits) == (8, ())


def test_a_7b_model_trains_on_no_single_device_of_40_gb() -> None:
    found = _outlook("gsm8k-iter-sft", parse_hardware("1xA100-40GB"))
    reasons = [misfit.reason for misfit in found.misfits if "train sft" in misfit.kinds]
    assert len(reasons) == 3
    assert all("of the 38.2 GB that may be filled" in reason for reason in reasons)
    with pytest.raises(InputError, match=r"cannot run on 1xA100-40GB:\nllama-2-7b, .*train sft"):
        refuse_misfits(found)


def test_what_fits_is_not_refused(make_manifest: ManifestMaker) -> None:
    found = _outlook(str(make_manifest(engine="hf", change=_on_cuda)))
    assert found.misfits == ()
    refuse_misfits(found)


def _on_cuda(data: dict[str, Any]) -> None:
    data["engines"]["device"] = "cuda"


def test_a_shipped_tiny_model_has_an_outlook_on_a_gpu(make_manifest: ManifestMaker) -> None:
    found = _outlook(str(make_manifest(engine="hf", change=_on_cuda)))
    assert {cost.kind for cost in found.costs} >= {"train sft-gold", "train dpo", "train sft", "sample greedy"}
    assert 0 < found.peak_bytes < 1e9


def test_steps_on_a_cpu_and_of_the_fake_engine_ask_nothing(make_manifest: ManifestMaker) -> None:
    for path in (make_manifest(engine="hf"), make_manifest(name="fake", change=_on_cuda)):
        found = _outlook(str(path))
        assert (found.costs, found.misfits, found.peak_bytes) == ((), (), 0)


def test_accumulation_is_the_batch_over_what_all_devices_take_in_a_pass(gsm8k: dict[str, StepCost]) -> None:
    sft, dpo = gsm8k["llama-2-7b/seed1/t1/train"], gsm8k["llama-2-7b/seed1/t2/train"]
    assert (sft.devices * sft.per_device * (sft.accumulation or 0), sft.per_device) == (128, 4)
    assert (dpo.devices * dpo.per_device * (dpo.accumulation or 0), dpo.per_device) == (32, 4)


@pytest.mark.parametrize("stages", [POST_TRAINING, VERIFICATION])
def test_every_stage_that_uses_a_gpu_has_a_cost(stages: Mapping[type, Stage[Any]]) -> None:
    small = {EmbedBlock, ProbeBlock}
    on_device = {block for block, stage in stages.items() if stage.on_device}
    assert on_device - small == COSTS.keys() & stages.keys()


def test_weighing_choices_reads_every_prompt_once(make_manifest: ManifestMaker) -> None:
    def change(data: dict[str, Any]) -> None:
        _on_cuda(data)
        blocks = smoke_blocks(data | {"models": [{"id": "any"}], "datasets": {}} | CHOICES)
        assert blocks is not None
        data |= {key: blocks[key] for key in ("models", "datasets", "prompt")} | CHOICES
        data["measure"] |= {"metrics": ["pass@1", "ece"], "k": [], "ece_bins": 10, "choice_lead": " ("}
        del data["measure"]["improvement_n"]

    costs = outlook(_open(str(make_manifest(engine="hf", change=change))).plan(), EIGHT, done=frozenset()).costs
    found = [cost for cost in costs if cost.kind == "weigh choices"]
    assert [cost.step.split("/", 1)[1] for cost in found] == ["seed1/t1/weigh", "seed1/t2/weigh", "seed1/t3/weigh"]
    assert all(cost.tokens == Range(expected=60.0, at_most=60.0) for cost in found)
    greedy = next(cost for cost in costs if cost.kind == "sample greedy")
    assert 0 < found[0].gpu_hours.at_most < greedy.gpu_hours.expected


def test_sizes_and_lengths_change_no_fingerprint(make_manifest: ManifestMaker) -> None:
    characters = {"prompt_mean": 9.5, "prompt_longest": 10, "answer_mean": 4.0, "answer_longest": 5, "source": "test"}
    sizes = {"parameters": 5, "layers": 1, "hidden_size": 1, "intermediate_size": 1, "heads": 1, "kv_heads": 1}

    def with_facts(data: dict[str, Any]) -> None:
        data["models"][0]["architecture"] = sizes | {"head_dim": 1, "vocab_size": 1, "source": "test"}
        data["datasets"]["train"]["characters"] = characters

    plain, told = _open(str(make_manifest())).plan(), _open(str(make_manifest(name="told", change=with_facts))).plan()
    assert plan_keys(plain) == plan_keys(told)
    assert fingerprint(plain.steps[0], {}) == fingerprint(told.steps[0], {})
