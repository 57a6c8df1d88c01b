"""What experiments need from the hub, and the command that brings it."""

from pathlib import Path

import pytest
from hub_experiments import hub_experiment
from support import ManifestMaker

from selfimp_bench.engines.hub.fetched import Kind
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.hub_needs import fetch_command, hub_needs, refuse_shortfalls
from selfimp_bench.runs.study import open_experiment


def test_a_paper_s_experiment_needs_its_models_and_data_once() -> None:
    names = ("gsm8k-iter-sft", "gsm8k-iter-dpo")
    experiments = [open_experiment(name, profile=Profile.PAPER, only=None, replicates=2) for name in names]
    needs = hub_needs(experiments)
    assert [need.pinned.id for need in needs if need.pinned.kind is Kind.MODEL] == [
        model.id for model in experiments[0].models
    ]
    assert {need.pinned.id for need in needs if need.pinned.kind is Kind.DATASET} == {
        "gsm8k-train",
        "gsm8k-test",
        "math-algebra",
    }
    assert {need.experiment for need in needs} == {"gsm8k-iter-sft"}


def test_rationales_are_brought_too() -> None:
    csqa = open_experiment("csqa-iter-sft", profile=Profile.PAPER, only=None, replicates=1)
    needs = {need.pinned.id: need for need in hub_needs((csqa,)) if need.pinned.kind is Kind.DATASET}
    assert set(needs) == {"csqa-train", "csqa-validation", "csqa-rationales"}
    assert needs["csqa-rationales"].task == "rationales"
    assert needs["csqa-rationales"].pinned.configs == ("csqa-train-ecqa",)


def test_smoke_profiles_and_shipped_miniatures_need_nothing() -> None:
    smoke = open_experiment("gsm8k-iter-sft", profile=Profile.SMOKE, only=None, replicates=1)
    tiny = open_experiment("tiny-iter-sft", profile=Profile.PAPER, only=None, replicates=1)
    assert hub_needs((smoke, tiny)) == ()


def test_the_command_repeats_what_was_asked_for(tmp_path: Path) -> None:
    one = open_experiment("gsm8k-iter-sft", profile=Profile.PAPER, only="model=llama-2-7b", replicates=1)
    assert fetch_command(one, Path("/a home")) == (
        "selfimp-bench fetch gsm8k-iter-sft --only model=llama-2-7b --home '/a home'"
    )
    smoke = open_experiment("gsm8k-iter-sft", profile=Profile.SMOKE, only=None, replicates=1)
    assert fetch_command(smoke, tmp_path) == f"selfimp-bench fetch gsm8k-iter-sft --profile smoke --home {tmp_path}"


def test_everything_missing_is_listed_at_once(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    path = hub_experiment(make_manifest)
    experiment = open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1)
    with pytest.raises(InputError) as caught:
        refuse_shortfalls(experiment, tmp_path / "home")
    message = str(caught.value)
    assert all(name in message for name in ("rows-train", "rows-test", "tiny-gsm-base"))
    assert message.splitlines()[-1] == f"bring it there with: selfimp-bench fetch {path} --home {tmp_path / 'home'}"
