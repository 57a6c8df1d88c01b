"""Whole runs on the fake engines: sharing, and what the record holds. What disturbs them is in ``tests/faults``."""

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import COMMAND, ManifestMaker

from selfimp_bench.canonical import pretty_json
from selfimp_bench.engines.base import PLAIN_TRAINING, Sampler, SamplerSettings
from selfimp_bench.engines.open import open_embedder, open_sampler, open_trainer
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.places import ASSETS
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.judge import judge_run
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.seals import seal_of
from selfimp_bench.steps.plan import Places, plan_keys
from selfimp_bench.steps.probe import PROBE, Probed, Stamp
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.runner import Engines, Runner
from selfimp_bench.steps.sample import SampleBlock
from selfimp_bench.steps.store import Store


def _run(manifest: Path, home: Path, replicates: int = 1) -> Path:
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=replicates)
    folder = execute(experiment, home, Silent())
    judge_run(folder)
    return folder


def _hashes(folder: Path) -> dict[str, Any]:
    record = json.loads((folder / "record.json").read_bytes())
    return {step["id"]: (step["fingerprint"], step["artifacts"], step["counts"]) for step in record["steps"]}


def test_a_base_model_that_changed_since_it_was_proved_is_refused_where_it_is_read(
    make_manifest: ManifestMaker, tmp_path: Path
) -> None:
    base = shutil.copytree(ASSETS / "tiny-gsm-base", tmp_path / "base")

    def with_path(data: dict[str, Any], seed: int = 1) -> None:
        model = data["models"][0]
        data["models"] = [{key: value for key, value in model.items() if key != "asset"} | {"path": "base"}]
        data["seed"] = seed

    home = tmp_path / "home"
    _run(make_manifest(change=with_path), home)
    weights = base / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(InputError, match=r"base/model\.safetensors: was changed"):
        _run(make_manifest(name="other", change=lambda data: with_path(data, seed=2)), home)
    weights.write_bytes(whole)
    assert _run(make_manifest(name="other", change=lambda data: with_path(data, seed=2)), home).is_dir()


def test_two_homes_hold_the_same_artifacts_and_findings(
    make_manifest: ManifestMaker, common_home: Path, tmp_path: Path
) -> None:
    manifest = make_manifest()
    first, second = _run(manifest, common_home), _run(manifest, tmp_path / "b")
    assert _hashes(first) == _hashes(second)
    assert (first / "findings.json").read_bytes() == (second / "findings.json").read_bytes()


def test_a_second_run_does_nothing_again(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    manifest = make_manifest()
    _run(manifest, tmp_path / "home")
    record = read_record(_run(manifest, tmp_path / "home"))
    assert all(step.reused for step in record.steps)


def _with_probe(data: dict[str, Any]) -> None:
    data["engines"]["probe"] = {"prompts": 5, "samples": 2, "assumed": "test"}


def test_a_probe_comes_before_anything_is_sampled_and_is_recorded(
    make_manifest: ManifestMaker, common_home: Path
) -> None:
    record = read_record(_run(make_manifest(change=_with_probe), common_home, replicates=2))
    (probed,) = record.probes.values()
    assert (probed.stamp, probed.prompts, probed.completions) == (Stamp.BITWISE, 5, 10)
    stages = [step.stage for step in record.steps]
    assert stages.count("probe") == 1
    assert stages.index("probe") < stages.index("sample")
    assert read_record(_run(make_manifest(), common_home)).probes == {}


def test_a_probe_changes_no_other_step(make_manifest: ManifestMaker) -> None:
    without, with_probe = (
        plan_keys(open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1).plan())
        for path in (make_manifest(), make_manifest(name="probed", change=_with_probe))
    )
    assert with_probe.items() - without.items() == {(name, with_probe[name]) for name in ["tiny-gsm-base/probe"]}
    assert without.items() <= with_probe.items()


def test_the_verdict_allows_for_the_divergence_that_the_record_tells(
    make_manifest: ManifestMaker, tmp_path: Path
) -> None:
    def with_values(data: dict[str, Any]) -> None:
        data["engines"]["probe"] = {"prompts": 5, "samples": 2, "assumed": "test"}
        data["claims"] = [claim for claim in data["claims"] if claim["id"] in ("accuracy", "coverage")]

    path = make_manifest(schedule=("sft-gold", "dpo", "sft", "sft", "sft"), keep_values=True, change=with_values)
    folder = _run(path, tmp_path / "home")
    narrow = _points(folder)
    record = json.loads((folder / "record.json").read_bytes())
    probed = msgspec.convert(
        record["probes"]["tiny-gsm-base"]
        | {"stamp": "distributional", "diverged": 1, "divergence_rate": 0.1, "first_divergence_positions": [0]},
        Probed,
    )
    record["probes"]["tiny-gsm-base"] = msgspec.to_builtins(probed)
    (wrote,) = (each for step in record["steps"] for each in step["artifacts"] if each["path"] == PROBE)
    wrote["sha256"] = hashlib.sha256(pretty_json(probed)).hexdigest()
    record["seal"] = seal_of(json.dumps(record).encode())
    (folder / "record.json").write_text(json.dumps(record))
    wide = _points(folder)
    assert "rerun noise" not in narrow["pass@1", "test"]
    assert wide["pass@1", "test"]["rerun noise"] == pytest.approx((0.1 / 24) ** 0.5)
    assert wide["coverage", "test"]["rerun noise"] == pytest.approx((8 * 0.1 / 24) ** 0.5)
    allowed = "allowed besides the error"
    assert wide["pass@1", "test"][allowed] > narrow["pass@1", "test"][allowed]


def _points(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The terms of every point at t = 1, by metric and split."""
    points = [point for finding in judge_run(folder).findings.findings for point in finding.points]
    return {
        (point.cell.metric, str(point.cell.split)): {term.name: term.value for term in point.terms}
        for point in points
        if point.cell.iteration == 1
    }


def test_manifests_share_the_steps_that_are_equal(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    dpo = make_manifest(name="dpo", schedule=("sft-gold", "dpo", "dpo"))
    mixed = make_manifest(name="mixed", schedule=("sft-gold", "dpo", "sft"))
    _run(dpo, tmp_path / "home")
    record = read_record(_run(mixed, tmp_path / "home"))
    shared = {step.id.partition("/seed1/")[2] for step in record.steps if step.reused}
    assert {"t1/train", "t2/train", "t2/sample.greedy", "t3/select"} - shared == {"t3/select"}


def test_plan_keys_tell_shared_steps_before_anything_has_run(make_manifest: ManifestMaker) -> None:
    plans = [
        open_experiment(
            str(make_manifest(name=name, schedule=schedule)), profile=Profile.PAPER, only=None, replicates=1
        )
        for name, schedule in (("dpo", ("sft-gold", "dpo", "dpo")), ("mixed", ("sft-gold", "dpo", "sft")))
    ]
    first, second = (plan_keys(plan.plan()) for plan in plans)
    same = {step.partition("/seed1/")[2] for step in first if first[step] == second[step]}
    assert {"t1/train", "t2/select", "t2/train", "t2/sample.train", "t2/grade.train"} <= same
    assert not {"t3/select", "t3/train"} & same


def test_every_replicate_has_seeds_of_its_own(make_manifest: ManifestMaker, common_home: Path) -> None:
    record = read_record(_run(make_manifest(), common_home, replicates=2))
    samples = [step for step in record.steps if step.id.endswith("t1/sample.sample")]
    assert [step.id.split("/")[1] for step in samples] == ["seed1", "seed2"]
    assert samples[0].artifacts != samples[1].artifacts


def test_the_record_holds_what_a_reader_needs(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    record = read_record(_run(make_manifest(), tmp_path / "home"))
    assert len(record.manifest_digest) == 64
    assert record.seeds == (1,)
    assert record.code.source_digest
    assert record.code.commit is None or len(record.code.commit) == 40
    assert set(record.environment.packages) >= {"torch", "transformers", "trl"}
    assert record.generated_tokens > 0
    assert all(artifact.sha256 and artifact.bytes > 0 for step in record.steps for artifact in step.artifacts)
    select = next(step for step in record.steps if step.id.endswith("t2/select"))
    assert select.counts["problems"] == 20
    assert sum(count for name, count in select.counts.items() if name.startswith("problems dropped")) <= 20


@pytest.mark.slow
def test_an_empty_training_set_keeps_the_checkpoint_or_stops(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    def hopeless(data: dict[str, Any]) -> None:
        data["sampling"]["max_tokens"] = 1

    manifest = make_manifest(name="hopeless", change=hopeless)
    record = read_record(_run(manifest, tmp_path / "home"))
    second = next(step for step in record.steps if step.id.endswith("t2/train"))
    assert second.counts["kept previous checkpoint, training set empty"] == 1

    def stop(data: dict[str, Any]) -> None:
        hopeless(data)
        data["post_training"]["empty_training_set"] = "stop"

    manifest = make_manifest(name="stop", change=stop)
    command = [*COMMAND, "run", str(manifest), "--home", str(tmp_path / "home")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 4
    assert "t2/train: the training set is empty" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_checkpoint_kept_is_the_previous_model_also_where_training_starts_from_the_base(
    make_manifest: ManifestMaker, tmp_path: Path
) -> None:
    def hopeless(data: dict[str, Any]) -> None:
        data["sampling"]["max_tokens"] = 1
        data["post_training"]["start_from"] = "base"

    record = read_record(_run(make_manifest(name="hopeless", change=hopeless), tmp_path / "home"))
    trained = {step.id[-8:]: step for step in record.steps if step.id.endswith("/train")}
    assert trained["t1/train"].counts["optimizer steps"] > 0
    assert trained["t2/train"].counts["kept previous checkpoint, training set empty"] == 1
    assert trained["t1/train"].artifacts == trained["t2/train"].artifacts == trained["t3/train"].artifacts


def test_a_home_that_is_a_file_is_refused(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    command = [*COMMAND, "run", str(make_manifest()), "--home", str(tmp_path / "home")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "is a file" in run.stderr


def test_a_missing_gpu_and_what_is_not_fetched_are_said_at_once_before_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    experiment = open_experiment("gsm8k-iter-sft", profile=Profile.PAPER, only="model=llama-2-7b", replicates=1)
    with pytest.raises(InputError) as refused:
        execute(experiment, tmp_path, Silent())
    gpu, *missing, command = str(refused.value).splitlines()
    assert re.search(r"no GPU here.*docker run --gpus all .*--profile smoke", gpu)
    assert any("meta-llama/Llama-2-7b-hf at revision" in line for line in missing)
    assert command.startswith("bring it there with: selfimp-bench fetch gsm8k-iter-sft --only model=llama-2-7b")
    assert not list((tmp_path / "store").glob("*/step.json"))


def test_another_sampler_is_opened_where_a_step_wants_other_settings(
    make_manifest: ManifestMaker, tmp_path: Path
) -> None:
    experiment = open_experiment(str(make_manifest()), profile=Profile.PAPER, only=None, replicates=1)
    last = max(number for number, step in enumerate(experiment.plan().steps) if isinstance(step.block, SampleBlock))
    steps = [
        replace(step, block=replace(step.block, settings=replace(step.block.settings, threads=7)))
        if isinstance(step.block, SampleBlock) and number == last
        else step
        for number, step in enumerate(experiment.plan().steps)
    ]
    opened: list[int] = []

    def open_fake(engine: str, settings: SamplerSettings) -> Sampler:
        opened.append(settings.threads)
        return open_sampler(engine, settings)

    Runner(
        plan=replace(experiment.plan(), steps=tuple(steps)),
        store=Store(tmp_path / "store"),
        places=Places(base=experiment.path.parent, hub=tmp_path / "hub"),
        engines=Engines(
            open_sampler=open_fake,
            open_embedder=open_embedder,
            trainer=open_trainer(experiment.manifest.engines, PLAIN_TRAINING),
        ),
    ).run(Silent())
    assert opened == [1, 7]
