"""A model's sizes, and those that shipped manifests give."""

from dataclasses import replace

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import entries
from selfimp_bench.manifest.model import Architecture, ModelRef
from selfimp_bench.protocols.load import read_experiment
from selfimp_bench.runs.hardware.sizes import architecture_of

GIVEN = {
    (model.id, model.architecture)
    for entry in entries()
    for model in read_experiment(entry.place).models
    if model.architecture is not None
}


TIED = ("qwen1.5-0.5b", "qwen2-0.5b", "qwen2-1.5b", "qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-3b", "smollm2-135m")
"""Models whose output table is their embedding table, without the endings of instruct models."""


def _named_parameters(name: str, sizes: Architecture) -> int:
    """Those of a model by its name: Qwen has biases on queries, keys and values."""
    total = _parameters(sizes)
    if name.startswith("qwen"):
        total += sizes.layers * (sizes.heads + 2 * sizes.kv_heads) * sizes.head_dim
    if name.removesuffix("-chat").removesuffix("-instruct") in TIED:
        total -= sizes.vocab_size * sizes.hidden_size
    return total


def _parameters(sizes: Architecture) -> int:
    """Embedding and output table, not tied; attention's four and the gated MLP's three matrices; two norms a layer."""
    width = sizes.hidden_size
    attention = 2 * width * sizes.heads * sizes.head_dim + 2 * width * sizes.kv_heads * sizes.head_dim
    layer = attention + 3 * width * sizes.intermediate_size + 2 * width
    return 2 * sizes.vocab_size * width + sizes.layers * layer + width


@pytest.mark.parametrize(("name", "sizes"), sorted(GIVEN, key=lambda item: item[0]))
def test_the_sizes_in_manifests_come_to_the_parameters_they_give(name: str, sizes: Architecture) -> None:
    assert _named_parameters(name, sizes) == sizes.parameters


def test_a_model_has_the_same_sizes_in_every_manifest() -> None:
    assert len({name for name, _ in GIVEN}) == len(GIVEN) >= 3


def test_every_hub_model_of_a_shipped_manifest_has_sizes() -> None:
    models = [model for entry in entries() for model in read_experiment(entry.place).models]
    assert [model.id for model in models if model.repo is not None and model.architecture is None] == []


def test_a_shipped_model_s_sizes_are_read_from_its_files() -> None:
    sizes = architecture_of(ModelRef(id="tiny", asset="tiny-gsm-base", source="test"))
    assert (sizes.hidden_size, sizes.heads * sizes.head_dim) == (128, 128)
    # Its output table is the embedding table.
    assert sizes.parameters == _parameters(sizes) - sizes.vocab_size * sizes.hidden_size


def test_a_model_of_unknown_sizes_is_refused_with_what_to_add() -> None:
    unknown = ModelRef(id="own", repo="me/own", revision="0" * 40, source="test")
    with pytest.raises(InputError, match="model own: its sizes are not known; add an `architecture` block"):
        architecture_of(unknown)
    known = next(sizes for _, sizes in GIVEN)
    assert architecture_of(replace(unknown, architecture=known)) is known
