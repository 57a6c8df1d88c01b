"""A model in shards is the model: found by its index, proved by one digest, sampled from and trained like one file."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from support import ManifestMaker
from transformers import AutoModelForCausalLM

from selfimp_bench.canonical import digest, file_sha256
from selfimp_bench.cli.app import cli
from selfimp_bench.engines.base import Decoding, Prompt, SamplerSettings
from selfimp_bench.engines.hf.model import load_model
from selfimp_bench.engines.trl.model import _stored_weights, stored_dtypes
from selfimp_bench.engines.vllm.sampler import vllm_sampler
from selfimp_bench.engines.weights import INDEX, WEIGHTS, weight_files, weights_digest
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.places import ASSETS
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.record import RunRecord, read_record
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.progress import Silent

from .conftest import DEVICE, VLLM

BASE = ASSETS / "tiny-gsm-base"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as transformers saves it in two files."""
    folder = tmp_path_factory.mktemp("sharded") / "model"
    shutil.copytree(BASE, folder)
    (folder / WEIGHTS).unlink()
    model = AutoModelForCausalLM.from_pretrained(BASE)
    model.save_pretrained(folder, max_shard_size=f"{(BASE / WEIGHTS).stat().st_size * 2 // 3 // 1000}KB")
    shutil.copyfile(BASE / "config.json", folder / "config.json")
    assert len(list(folder.glob("*.safetensors"))) == 2
    return folder


def _copy(shards: Path, folder: Path) -> Path:
    return Path(shutil.copytree(shards, folder / "model"))


def test_the_shards_are_those_of_the_index_and_no_others(shards: Path, tmp_path: Path) -> None:
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    folder = _copy(shards, tmp_path)
    shutil.copyfile(folder / names[0], folder / "consolidated.safetensors")
    assert [file.name for file in weight_files(folder)] == names
    assert [file.name for file in weight_files(BASE)] == [WEIGHTS]


def test_one_file_is_pinned_by_its_own_digest_and_shards_by_that_of_theirs(shards: Path) -> None:
    assert weights_digest({WEIGHTS: "ab"}) == "ab"
    hashes = {file.name: file_sha256(file) for file in weight_files(shards)}
    assert weights_digest(hashes) == digest(hashes)
    assert weights_digest(dict(reversed(hashes.items()))) == digest(hashes)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("{", "no index of safetensors shards"),
        ("[" * 200_000, "no index of safetensors shards"),
        ('{"weight_map": {}}', "names weights that are not safetensors: none"),
        ('{"weight_map": {"a": "model.bin"}}', "names weights that are not safetensors: model.bin"),
        ('{"weight_map": {"a": "../other.safetensors"}}', "names files outside of its folder"),
        (
            '{"weight_map": {"a": "gone.safetensors"}}',
            r"gone.safetensors not found, which .* names \(1 shards in all\)",
        ),
    ],
)
def test_an_index_that_cannot_be_followed_is_refused(index: str, words: str, tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(index)
    with pytest.raises(InputError, match=words):
        weight_files(tmp_path)


def test_a_folder_with_neither_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"not found, nor {INDEX}; expected a Hugging Face model folder"):
        weight_files(tmp_path)


def _manifest(make: ManifestMaker, folder: Path, name: str, sha256: str, engine: str = "hf") -> Path:
    link = folder if folder.parent == make.folder else make.folder / f"own-{name}"
    if link != folder:
        link.symlink_to(folder)

    def change(data: dict[str, Any]) -> None:
        model = {"id": "own", "path": link.name, "weights_sha256": sha256, "source": "test"}
        data["models"] = [model]
        for canary in data["prompt"]["canaries"]:
            canary["model"] = "own"
        data["sft"]["epochs"] = 1
        for block in (data["sampling"], data["evaluation"]["sampled"]):
            block |= {"samples_per_problem": 2, "max_tokens": 24}
        data["measure"] = {"metrics": ["pass@1"], "k": [], "ngram_max": 5, "assumed": "test"}

    return make(name=name, engine=engine, counts=(16, 6, 0), schedule=("sft-gold", "sft"), change=change)


def _run(path: Path, home: Path) -> RunRecord:
    experiment = open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1)
    return read_record(execute(experiment, home, Silent()))


def _tensors(folder: Path) -> dict[str, Any]:
    found = {}
    for path in weight_files(folder):
        with safe_open(path, framework="numpy") as file:
            found |= {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118 - not a dict
    return found


@pytest.mark.slow
def test_a_run_from_shards_is_the_run_from_one_file(shards: Path, make_manifest: ManifestMaker, tmp_path: Path) -> None:
    home, made = tmp_path / "home", {}
    for name, folder in (("one", BASE), ("two", shards)):
        sha256 = weights_digest({file.name: file_sha256(file) for file in weight_files(folder)})
        record = _run(_manifest(make_manifest, folder, name, sha256), home)
        made[name] = {step.id: step for step in record.steps}
    one, two = made["one"]["own/seed1/t1/train"], made["two"]["own/seed1/t1/train"]
    assert one.fingerprint != two.fingerprint
    assert one.artifacts == two.artifacts
    assert not two.reused
    assert made["two"]["own/seed1/t2/train"].reused, "M_1 is the same to the last bit, and so is all that is made of it"


def test_what_a_sampler_loads_from_shards_is_the_model(shards: Path) -> None:
    one, two = (load_model(folder, torch.float32).state_dict() for folder in (BASE, shards))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_adapters_are_merged_into_the_weights_of_all_shards(shards: Path) -> None:
    assert {name: tensor.numpy().tobytes() for name, tensor in _stored_weights(shards)} == _tensors(BASE)
    assert stored_dtypes(shards)("lm_head.weight") is stored_dtypes(BASE)("lm_head.weight")


def test_other_shards_than_the_pinned_are_refused_and_named(
    shards: Path, make_manifest: ManifestMaker, tmp_path: Path
) -> None:
    folder = _copy(shards, tmp_path)
    path = _manifest(make_manifest, folder, "own", "0" * 64, engine="fake")
    found = digest({file.name: file_sha256(file) for file in weight_files(folder)})
    with pytest.raises(InputError, match=f"model own: {folder}, 2 shards has sha256 {found}; the manifest pins 0000"):
        _run(path, tmp_path / "home")


def test_doctor_looks_at_a_model_in_shards_and_names_a_missing_one(
    shards: Path, make_manifest: ManifestMaker, tmp_path: Path
) -> None:
    folder = _copy(shards, tmp_path)
    sha256 = digest({file.name: file_sha256(file) for file in weight_files(folder)})
    path = _manifest(make_manifest, folder, "own", sha256, engine="fake")
    found = CliRunner().invoke(cli, ["doctor", str(path), "--home", str(tmp_path / "home")])
    assert f"ok       model: own: 2 files of weights, 0.0 GB, in {folder}" in found.output
    (folder / "model-00002-of-00002.safetensors").unlink()
    found = CliRunner().invoke(cli, ["doctor", str(path), "--home", str(tmp_path / "home")])
    assert found.exit_code == 2
    assert "model-00002-of-00002.safetensors not found, which model.safetensors.index.json names" in found.output


def test_an_index_is_part_of_what_the_model_step_proves(
    shards: Path, make_manifest: ManifestMaker, tmp_path: Path
) -> None:
    sha256 = digest({file.name: file_sha256(file) for file in weight_files(shards)})
    record = _run(_manifest(make_manifest, shards, "own", sha256, engine="fake"), tmp_path / "home")
    step = next(each for each in record.steps if each.stage == "model")
    proved = json.loads((tmp_path / "home" / "store" / step.fingerprint / "model.json").read_bytes())
    assert proved["files"][INDEX] == file_sha256(shards / INDEX)
    assert set(proved["files"]) >= {file.name for file in weight_files(shards)}


@pytest.mark.slow
def test_vllm_starts_from_shards_and_swaps_them_into_a_running_engine(
    model_folder: Path, prompts: tuple[Prompt, ...], tmp_path: Path
) -> None:
    """Fresh from shards, then one file in their place, then shards again: the same answers each time."""
    sharded = tmp_path / "sharded"
    shutil.copytree(model_folder, sharded)
    (sharded / WEIGHTS).unlink()
    size = (model_folder / WEIGHTS).stat().st_size
    AutoModelForCausalLM.from_pretrained(model_folder).save_pretrained(
        sharded, max_shard_size=f"{size * 2 // 3 // 1000}KB"
    )
    shutil.copyfile(model_folder / "config.json", sharded / "config.json")
    assert len(weight_files(sharded)) == 2
    decoding = Decoding(temperature=0.0, top_p=1.0, top_k=-1, max_tokens=12, stop=())
    sampler = vllm_sampler(SamplerSettings(device=DEVICE, precision="float32", max_batch_rows=7, threads=1, vllm=VLLM))
    try:
        made = [
            {(each.problem_id, each.sample_index): each for each in sampler.sample(folder, prompts, decoding)}
            for folder in (sharded, model_folder, sharded)
        ]
    finally:
        sampler.close()
    assert made[0] == made[1] == made[2]
