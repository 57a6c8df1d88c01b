"""A model's sizes: from its manifest, or from the files of a shipped asset."""

import json
from math import prod
from typing import Any

from safetensors import safe_open

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Architecture, ModelRef
from selfimp_bench.places import ASSETS


def architecture_of(model: ModelRef) -> Architecture:
    """The sizes a forecast needs. Raises InputError for a model whose manifest lacks them and that is not shipped."""
    if model.architecture is not None:
        return model.architecture
    if model.asset is not None:
        return _of_asset(model.asset)
    raise InputError(
        f"model {model.id}: its sizes are not known; add an `architecture` block to it (the numbers stand in the "
        "config.json of its repository)"
    )


def _of_asset(name: str) -> Architecture:
    folder = ASSETS / name
    config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    with safe_open(folder / "model.safetensors", framework="numpy") as file:
        parameters = sum(prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118 - not a dict
    return Architecture(
        parameters=parameters,
        layers=config["num_hidden_layers"],
        hidden_size=config["hidden_size"],
        intermediate_size=config["intermediate_size"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        head_dim=config["head_dim"],
        vocab_size=config["vocab_size"],
        source=f"{name}/config.json",
    )
