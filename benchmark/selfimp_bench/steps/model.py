"""The base model: finding it, proving its weights, trying its canary prompts.

What is read of a model besides its weights is kept, so that all that follows from completions can be done again.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from selfimp_bench.canonical import file_sha256
from selfimp_bench.engines.hub.fetched import FETCH_AGAIN, locate_fetched, pinned_model, snapshot_folder
from selfimp_bench.engines.tokens import TokenCodec, load_codec
from selfimp_bench.engines.weights import INDEX, WEIGHTS, named_in, weight_files, weights_digest
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Canary, ModelRef
from selfimp_bench.places import ASSETS
from selfimp_bench.steps.inputs import TOKENIZER
from selfimp_bench.steps.plan import Counts, Places, Stage
from selfimp_bench.steps.proved import MODEL, ModelFiles
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.problem import Problem

KEPT: Final = ("tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json", INDEX)
"""What is read of a model besides its weights."""


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
    weights = weight_files(folder)
    held = str(weights[0]) if len(weights) == 1 else f"{folder}, {len(weights)} shards"
    refuse_other_weights(block.model, {file.name: files[file.name] for file in weights}, held)
    refuse_other_tokens(block, load_codec(folder))
    return ModelFiles(model=block.model.id, files=files)


def refuse_other_weights(model: ModelRef, hashes: Mapping[str, str], held: str) -> None:
    """Raises InputError where the weights, by the sha256 of their files, are not the pinned ones."""
    sha256 = weights_digest(hashes)
    if model.weights_sha256 not in (None, sha256):
        raise InputError(
            f"model {model.id}: {held} has sha256 {sha256}; the manifest pins {model.weights_sha256}; "
            "use the pinned weights, or write a manifest for these"
        )


def refuse_other_tokens(block: ModelBlock, codec: TokenCodec) -> None:
    """Raises InputError where a canary prompt does not become the token ids that the manifest locks."""
    for canary in block.canaries:
        asked = Problem(problem_id="canary", question=canary.question, choices=canary.choices, tests=canary.tests)
        found = codec.encode_prompt(render_prompt(block.prompt_template, asked), add_bos=block.add_bos)
        if found != canary.token_ids:
            raise InputError(
                f"model {block.model.id}: the canary prompt {canary.question!r} became token ids {list(found)}; the "
                f"manifest locks {list(canary.token_ids)}; the tokenizer, its special tokens or the template changed"
            )


def _is_read(file: Path) -> bool:
    return file.is_file() and file.suffix in {".json", ".safetensors", ".jinja"}


def _do(block: ModelBlock, work: Work) -> Counts:
    places = work.inputs.places
    folder = locate_model(block.model, places.base, places.hub)
    files = examine_model(block, folder, fetched_hashes(block.model, places.hub))
    return _write(block, work, files, folder)


def _write(block: ModelBlock, work: Work, files: ModelFiles, source: Path) -> Counts:
    work.folder.write_json(MODEL, files)
    kept = work.folder.path / TOKENIZER
    kept.mkdir()
    for name in KEPT:
        if (source / name).is_file():
            shutil.copyfile(source / name, kept / name)
    return {"files": len(files.files), "canaries": len(block.canaries)}


def _again(block: ModelBlock, work: Work, own: Path) -> Counts:
    """The weights by their recorded hashes, the rest by the files that were kept."""
    recorded = msgspec.json.decode((own / MODEL).read_bytes(), type=ModelFiles)
    found = {file.name: file_sha256(file) for file in (own / TOKENIZER).iterdir()}
    wanted = {name: recorded.files.get(name) for name in found}
    if found != wanted:
        raise InputError(f"model {block.model.id}: {own / TOKENIZER} holds other files than {MODEL} names")
    index = own / TOKENIZER / INDEX
    names = named_in(index) if WEIGHTS not in recorded.files and index.is_file() else (WEIGHTS,)
    refuse_other_weights(block.model, {name: recorded.files.get(name, "") for name in names}, MODEL)
    refuse_other_tokens(block, load_codec(own / TOKENIZER))
    files = ModelFiles(model=block.model.id, files=recorded.files)
    return _write(block, work, files, own / TOKENIZER)


def _checkpoint(block: ModelBlock, _own: Path, places: Places) -> Path:
    return locate_model(block.model, places.base, places.hub)


STAGE: Final = Stage(name="model", block=ModelBlock, do=_do, checkpoint=_checkpoint, again=_again)
