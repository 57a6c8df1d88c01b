"""Which files of a repository are wanted, from its listing alone."""

import json

import pytest

from selfimp_bench.engines.hub.choice import encoder_files, model_files
from selfimp_bench.engines.hub.fetched import Kind, Pinned
from selfimp_bench.engines.hub.hub import HubFile, Listing, Source
from selfimp_bench.errors import InputError

PINNED = Pinned(kind=Kind.MODEL, id="big", repo="org/big", revision="a" * 40)
SOURCE = Source(wanted=PINNED, repo=PINNED.repo, revision=PINNED.revision, endpoint=None)
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
INDEX = json.dumps({"weight_map": {"a": SHARDS[0], "b": SHARDS[1], "c": SHARDS[0]}}).encode()


def _listing(*names: str) -> Listing:
    return Listing(gated=False, files=tuple(HubFile(path=name, bytes=1, sha256=None, git_sha1=name) for name in names))


def _paths(files: tuple[HubFile, ...]) -> list[str]:
    return [file.path for file in files]


def test_of_a_model_in_shards_those_that_its_index_names_are_wanted() -> None:
    listing = _listing(
        "config.json",
        "tokenizer.json",
        "tokenizer.model",
        "chat_template.jinja",
        "model.safetensors.index.json",
        *SHARDS,
        "consolidated.safetensors",
        "pytorch_model-00001-of-00002.bin",
        "modeling_big.py",
        "original/params.json",
    )
    wanted = ["config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors.index.json", *SHARDS]
    assert _paths(model_files(SOURCE, listing, INDEX)) == wanted


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (INDEX, "model-00002-of-00002.safetensors is not there"),
        (b"[]", "no index of safetensors shards"),
        (b"[" * 200_000, "no index of safetensors shards"),
        (b'{"weight_map": {"a": "pytorch_model.bin"}}', "not safetensors: pytorch_model.bin"),
        (b'{"weight_map": {}}', "not safetensors"),
    ],
)
def test_an_index_without_its_shards_is_refused(index: bytes, words: str) -> None:
    listing = _listing("config.json", "tokenizer.json", "model.safetensors.index.json", SHARDS[0], "pytorch_model.bin")
    with pytest.raises(InputError, match=words):
        model_files(SOURCE, listing, index)


def test_of_an_encoder_vocabulary_and_modules_are_wanted() -> None:
    wanted = [
        "modules.json",
        "config.json",
        "tokenizer.json",
        "vocab.txt",
        "1_Pooling/config.json",
        "model.safetensors",
    ]
    others = ["onnx/model.onnx", "onnx/config.json", "train_script.py", "pytorch_model.bin", "1_Pooling/x.py"]
    assert set(_paths(encoder_files(SOURCE, _listing(*wanted, *others)))) == set(wanted)


def test_an_encoder_without_safetensors_is_refused() -> None:
    with pytest.raises(InputError, match=r"model\.safetensors is not there; it has pytorch_model\.bin"):
        encoder_files(SOURCE, _listing("modules.json", "pytorch_model.bin"))


@pytest.mark.parametrize(
    ("mine", "other", "same"),
    [
        ((1, "s", "g"), (1, "s", "h"), True),
        ((1, "s", "g"), (1, "t", "g"), False),
        ((1, None, "g"), (1, None, "g"), True),
        ((1, None, "g"), (2, None, "g"), False),
        ((1, None, "g"), (1, "g", "x"), True),
    ],
)
def test_contents_are_compared_by_the_hash_that_the_hub_gives(
    mine: tuple[int, str | None, str], other: tuple[int, str | None, str], same: bool
) -> None:
    first, second = (HubFile(path="p", bytes=b, sha256=s, git_sha1=g) for b, s, g in (mine, other))
    assert first.same_content(second) is same
