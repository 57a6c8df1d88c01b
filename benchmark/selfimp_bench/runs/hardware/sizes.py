"""A model's sizes: from its manifest, or from the files of a shipped asset."""

from math import prod
from pathlib import Path

from safetensors import safe_open

from selfimp_bench.engines.tokens import read_json
from selfimp_bench.engines.weights import weight_files
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Architecture, ModelRef
from selfimp_bench.places import ASSETS


def architecture_of(model: ModelRef) -> Architecture:
    """The sizes a forecast needs. Raises InputError for a model whose manifest lacks them and that is not shipped."""
    if model.architecture is not None:
        return model.architecture
    if model.asset is not None:
        return architecture_in(ASSETS / model.asset, f"{model.asset}/config.json")
    raise InputError(
        f"model {model.id}: its sizes are not known; add an `architecture` block to it (the numbers stand in the "
        "config.json of its repository)"
    )


def architecture_in(folder: Path, source: str) -> Architecture:
    """The sizes of a model folder: those of its config.json, and the parameters that its weights come to.

    Raises InputError where config.json has not the usual names of a decoder's sizes.
    """
    config = read_json(folder / "config.json")
    parameters = 0
    for path in weight_files(folder):
        with safe_open(path, framework="numpy") as file:
            parameters += sum(prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118 - not a dict
    try:
        heads = config["num_attention_heads"]
        return Architecture(
            parameters=parameters,
            layers=config["num_hidden_layers"],
            hidden_size=config["hidden_size"],
            intermediate_size=config["intermediate_size"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads", heads),
            head_dim=config.get("head_dim") or config["hidden_size"] // heads,
            vocab_size=config["vocab_size"],
            source=source,
        )
    except KeyError as error:
        raise InputError(f"{folder / 'config.json'}: has no {error}; a forecast needs a decoder's sizes") from None
