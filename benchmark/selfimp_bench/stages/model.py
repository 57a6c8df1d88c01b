"""The base model: finding it, proving its weights, trying its canary prompts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from selfimp_bench.canonical import file_sha256
from selfimp_bench.catalog import ASSETS
from selfimp_bench.engines.hub import fetch_model
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import ModelRef
from selfimp_bench.plan import ModelBlock
from selfimp_bench.stages.sample import render_prompt
from selfimp_bench.tasks.problem import Problem

WEIGHTS = "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """The sha256 of every file of the base model that a run reads."""

    model: str
    files: Mapping[str, str]


def locate_model(model: ModelRef, base: Path) -> Path:
    """The folder of a base model: a shipped asset, a path relative to ``base``, or a hub snapshot (fetched if absent).

    Raises InputError when it is not there.
    """
    if model.repo is not None:
        return fetch_model(model)
    folder = ASSETS / model.asset if model.asset is not None else base / str(model.path)
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"model {model.id}: {folder / WEIGHTS} not found; expected a Hugging Face model folder")
    return folder


def examine_model(block: ModelBlock, folder: Path) -> ModelFiles:
    """Hash the model's files and try its canaries. Raises InputError when weights or token ids are not the pinned."""
    files = {file.name: file_sha256(file) for file in sorted(folder.iterdir()) if _is_read(file)}
    pinned = block.model.weights_sha256
    if pinned is not None and files.get(WEIGHTS) != pinned:
        raise InputError(
            f"model {block.model.id}: {folder / WEIGHTS} has sha256 {files.get(WEIGHTS)}; the manifest pins {pinned}; "
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
