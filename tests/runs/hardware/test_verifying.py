"""What judging asks of GPUs, worked out by hand."""

from pathlib import Path
from typing import Any

import pytest
from gap_support import BASE, PROMPTS, GapManifestMaker, canary

from selfimp_bench.canonical import file_sha256
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.hardware.cost import StepCost
from selfimp_bench.runs.hardware.device import parse_hardware
from selfimp_bench.runs.hardware.outlook import outlook
from selfimp_bench.runs.study import open_experiment

QUESTION, ANSWER = 100.0, 50.0
CHARACTERS = {"prompt_mean": QUESTION, "prompt_longest": 150, "answer_mean": ANSWER, "answer_longest": 60}


@pytest.fixture
def costs(tmp_path: Path) -> dict[str, StepCost]:
    """Of a manifest for a GPU: 12 problems, 8 responses each, trained once on what is kept."""
    maker = GapManifestMaker(folder=tmp_path)

    def change(data: dict[str, Any]) -> None:
        maker.improving(data)
        model = {"asset": BASE.name, "weights_sha256": file_sha256(BASE / "model.safetensors"), "source": "test"}
        data["models"], data["verifier_models"] = [{"id": "tiny"} | model], [{"id": "judge"} | model]
        data["self_improvement"]["kept_by"]["model"] = "judge"
        data["prompt"]["canaries"] = [canary("tiny"), canary("judge")]
        data["engines"] = data["engines"] | {"sampler": "hf", "trainer": "trl", "device": "cuda"}
        for dataset in data["datasets"].values():
            dataset["characters"] = CHARACTERS | {"source": "test"}

    plan = open_experiment(str(maker(change=change)), profile=Profile.PAPER, only=None, replicates=1).plan()
    found = outlook(plan, parse_hardware("1xA100-80GB"), done=frozenset())
    return {cost.step: cost for cost in found.costs}


def test_every_step_that_asks_a_model_is_costed_and_the_judge_s_are_the_judge_s(costs: dict[str, StepCost]) -> None:
    kinds = {cost.kind for cost in costs.values()}
    assert kinds == {"sample sample", "sample train", "verify", "tournament", "train sft"}
    assert costs["tiny/seed1/t1/train"].model == costs["tiny/seed1/t2/train"].model == "tiny"
    assert costs["tiny/seed1/t1/verify.cot-binary@judge.train"].model == "judge"


def test_a_label_is_one_token_a_response_and_written_judgements_are_taken_at_their_limit(
    costs: dict[str, StepCost],
) -> None:
    responses = 12 * 8
    assert costs["tiny/seed1/t0/verify.mc.sample"].tokens.expected == responses
    assert costs["tiny/seed1/t0/verify.cot-binary.sample"].tokens.expected == responses * 3 * 32
    assert costs["tiny/seed1/t0/tournament.tournament.sample"].tokens.expected == 12 * (4 + 2) * 32


def test_a_pair_is_read_longer_than_one_response(costs: dict[str, StepCost]) -> None:
    assert len(PROMPTS["mc.txt"]) < 200  # so that the template's own words are left out
    footprint = costs["tiny/seed1/t0/verify.cot-score.sample"].footprint.total
    assert costs["tiny/seed1/t0/tournament.tournament.sample"].footprint.total > footprint
