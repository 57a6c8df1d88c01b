"""What a run was trained on, what it cost, and how to do it again."""

from dataclasses import replace

import pytest

from selfimp_bench.manifest.model import Profile
from selfimp_bench.report.provenance import provenance_view, reproduce_command
from selfimp_bench.runs.judge import read_run
from selfimp_bench.steps.probe import Probed, Stamp


@pytest.fixture
def run(write_run):
    return read_run(write_run(models=("big", "tiny"), seeds=(7, 8)))


def test_every_count_of_selecting_and_training_is_shown(run):
    view = provenance_view(run)
    assert [(table.model, table.seed) for table in view.training] == [("big", 7), ("big", 8), ("tiny", 7), ("tiny", 8)]
    table = view.training[0]
    assert table.methods == ("sft-gold", "dpo", "sft")
    shown = {(row.part, row.name): row.values for row in table.rows}
    assert shown["selected", "problems dropped: no correct sample"] == ("-", "812", "-")
    assert shown["selected", "correct samples left out as duplicates or over the cap"] == ("-", "-", "9,120")
    assert shown["trained", "kept previous checkpoint, training set empty"] == ("-", "-", "1")
    assert shown["trained", "optimizer steps"] == ("351", "372", "0")
    assert len(shown) == len({(step.stage, name) for step in run.record.steps for name in step.counts}) - 3


def test_every_step_has_its_tokens_and_seconds(run):
    view = provenance_view(run)
    assert len(view.steps) == len(run.record.steps)
    train = view.steps[1]
    assert (train.tokens, train.seconds, train.rate) == ("2,511,234", "10 min 12 s", "4,100")
    assert train.done == "found in the store"
    assert [row.stage for row in view.stages] == ["select", "train", "sample", "measure"]  # in the order of the run


def test_the_command_names_version_profile_and_seeds(run):
    smoke = replace(run, record=replace(run.record, profile=Profile.SMOKE))
    assert reproduce_command(smoke) == "selfimp-bench reproduce example-iter-dpo@1 --profile smoke --seeds 2"


def test_the_command_names_the_model_when_the_manifest_has_more(run):
    one = replace(run, record=replace(run.record, models=("tiny",)))
    assert reproduce_command(one).endswith("--seeds 2 --only model=tiny")


def test_the_command_can_be_pasted_into_a_shell(run):
    odd = replace(run, record=replace(run.record, models=("a b; rm x",)))
    assert reproduce_command(odd).endswith("--only 'model=a b; rm x'")


def test_the_assumptions_and_the_environment_are_there(run):
    view = provenance_view(run)
    assert "$.datasets.ood" in [each.path for each in view.assumptions]
    facts = {fact.name: fact.value for fact in (*view.run, *view.environment, *view.packages)}
    assert facts["Seeds"] == "7, 8"
    assert facts["Driver"] == "570.86.15"
    assert facts["Commit"] == "cd" * 20 + ", unmodified"
    assert facts["torch"] == "2.13.0"
    assert run.record.manifest_digest in facts["Manifest"]


def test_a_probe_is_told_in_words(run):
    probed = Probed(
        prompts=4,
        completions=16,
        diverged=2,
        divergence_rate=0.125,
        first_divergence_positions=(3, 40),
        logprob_max_difference=0.0313,
        stamp=Stamp.DISTRIBUTIONAL,
    )
    facts = {fact.name: fact.value for fact in provenance_view(run).run}
    assert not [name for name in facts if name.startswith("Determinism")]
    found = provenance_view(replace(run, record=replace(run.record, probes={"big": probed}))).run
    assert {fact.name: fact.value for fact in found}["Determinism of big"] == (
        "distributional: 2 of 16 completions of 4 problems differ in other batches and orders; log-probabilities are "
        "up to 0.031 apart"
    )
