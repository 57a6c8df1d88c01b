"""The base model: finding it, proving its weights, trying its canary prompts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from selfimp_bench.canonical import file_sha256
from selfimp_bench.engines.hub.fetched import FETCH_AGAIN, locate_fetched, pinned_model, snapshot_folder
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.engines.weights import weight_files, weights_digest
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Canary, ModelRef
from selfimp_bench.places import ASSETS
from selfimp_bench.steps.plan import Counts, Places, Stage
from selfimp_bench.steps.proved import MODEL, ModelFiles
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.problem import Problem


@dataclass(frozen=True, kw_only=True)
class ModelBlock:
    """Find the base model M_0, prove that its weights are the pinned ones, and try its canary prompts."""

    model: ModelRef
    prompt_template: str
    add_bos: bool
    canaries: tuple[Canary, ...]


def locate_model(model: ModelRef, base: Path, hub: Path) -> Path:
    """The folder of a base model: a shipped asset, a path relative to ``base``, or what `fetch` brought under ``hub``.

    Raises InputError when it is not there.
    """
    pinned = pinned_model(model)
    if pinned is not None:
        locate_fetched(pinned, hub)
        return snapshot_folder(pinned, hub)
    folder = ASSETS / model.asset if model.asset is not None else base / str(model.path)
    try:
        weight_files(folder)
    except InputError as error:
        raise InputError(f"model {model.id}: {error}") from None
    return folder


def fetched_hashes(model: ModelRef, hub: Path) -> Mapping[str, str]:
    """The sha256 of every file of a hub model as it was fetched; empty for a model from elsewhere."""
    pinned = pinned_model(model)
    return {} if pinned is None else {file.path: file.sha256 for file in locate_fetched(pinned, hub).files}


def examine_model(block: ModelBlock, folder: Path, fetched: Mapping[str, str]) -> ModelFiles:
    """Hash the model's files and try its canaries; ``fetched`` are the hashes that a fetch recorded.

    Raises InputError when weights or token ids are not the pinned ones, or a file was changed since it was fetched.
    """
    files = {file.name: file_sha256(file) for file in sorted(folder.iterdir()) if _is_read(file)}
    for name, sha256 in fetched.items():
        if files.get(name) != sha256:
            raise InputError(
                f"model {block.model.id}: {folder / name} has sha256 {files.get(name)}; it had {sha256} when it was "
                f"fetched; {FETCH_AGAIN}"
            )
    pinned, weights = block.model.weights_sha256, weight_files(folder)
    sha256 = weights_digest({file.name: files[file.name] for file in weights})
    if pinned not in (None, sha256):
        held = str(weights[0]) if len(weights) == 1 else f"{folder}, {len(weights)} shards"
        raise InputError(
            f"model {block.model.id}: {held} has sha256 {sha256}; the manifest pins {pinned}; "
            "use the pinned weights, or write a manifest for these"
        )
    codec = load_codec(folder)
    for canary in block.canaries:
        asked = Problem(problem_id="canary", question=canary.question, choices=canary.choices, tests=canary.tests)
        found = codec.encode_prompt(render_prompt(block.prompt_template, asked), add_bos=block.add_bos)
        if found != canary.token_ids:
            raise InputError(
                f"model {block.model.id}: the canary prompt {canary.question!r} became token ids {list(found)}; the "
                f"manifest locks {list(canary.token_ids)}; the tokenizer, its special tokens or the template changed"
            )
    return ModelFiles(model=block.model.id, files=files)


def _is_read(file: Path) -> bool:
    return file.is_file() and file.suffix in {".json", ".safetensors", ".jinja"}


def _do(block: ModelBlock, work: Work) -> Counts:
    places = work.inputs.places
    folder = locate_model(block.model, places.base, places.hub)
    files = examine_model(block, folder, fetched_hashes(block.model, places.hub))
    work.folder.write_json(MODEL, files)
    return {"files": len(files.files), "canaries": len(block.canaries)}


def _checkpoint(block: ModelBlock, _own: Path, places: Places) -> Path:
    return locate_model(block.model, places.base, places.hub)


STAGE: Final = Stage(name="model", block=ModelBlock, do=_do, checkpoint=_checkpoint)
