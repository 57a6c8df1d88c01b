"""The token codec against transformers' own tokenizer, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from selfimp_bench.engines.tokens import TokenCodec, load_codec, stop_ids
from selfimp_bench.errors import InputError


@pytest.fixture(scope="module")
def codec(model_folder: Path) -> TokenCodec:
    return load_codec(model_folder)


@pytest.fixture
def copy(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def edit(path: Path, **changes: object) -> None:
    """Change keys of a JSON file; None takes one out."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


TEXTS = [
    "How many apples are left? 3 + 4 = 7\n#### 7",
    " leading",
    "trailing ",
    "",
    "1,234 é 数 \U0001f34e\t\n\n",
    "a . b ,c",
]


@pytest.mark.parametrize("text", TEXTS)
def test_encoding_and_decoding_equal_those_of_transformers(codec: TokenCodec, model_folder: Path, text: str) -> None:
    theirs = AutoTokenizer.from_pretrained(model_folder)
    token_ids = theirs(text, add_special_tokens=False)["input_ids"]
    assert list(codec.encode(text)) == token_ids
    with_specials = [1, *token_ids, 2, 0]
    assert codec.decode(with_specials) == theirs.decode(with_specials, skip_special_tokens=True)


@settings(max_examples=50)
@given(text=st.text(max_size=40).filter(lambda text: "<" not in text))
def test_any_text_survives_the_round_trip(codec: TokenCodec, text: str) -> None:
    assert codec.decode(codec.encode(text)) == text


def test_bos_and_eos_come_from_the_folder(codec: TokenCodec) -> None:
    assert (codec.bos_id, codec.eos_id) == (1, 2)


def test_a_prompt_gets_one_bos(codec: TokenCodec) -> None:
    assert codec.encode_prompt("left?", add_bos=True) == (1, *codec.encode("left?"))
    assert codec.encode_prompt("left?", add_bos=False) == codec.encode("left?")


def test_a_second_bos_is_refused(codec: TokenCodec) -> None:
    with pytest.raises(InputError, match="second BOS"):
        codec.encode_prompt("<bos>left?", add_bos=True)


def test_bos_wanted_of_a_model_without_one_is_refused(copy: Path) -> None:
    edit(copy / "tokenizer_config.json", bos_token=None)
    edit(copy / "config.json", bos_token_id=None)
    edit(copy / "generation_config.json", bos_token_id=None)
    with pytest.raises(InputError, match="BOS"):
        load_codec(copy).encode_prompt("left?", add_bos=True)


def test_special_ids_come_from_config_json_when_the_tokenizer_names_none(copy: Path) -> None:
    edit(copy / "tokenizer_config.json", bos_token=None, eos_token=None)
    codec = load_codec(copy)
    assert (codec.bos_id, codec.eos_id) == (1, 2)


def test_stops_are_those_of_both_configuration_files(copy: Path) -> None:
    edit(copy / "generation_config.json", eos_token_id=[2, 9])
    assert stop_ids(copy) == {2, 9}


def test_an_eos_at_which_the_model_would_not_stop_is_refused(copy: Path) -> None:
    edit(copy / "generation_config.json", eos_token_id=9)
    edit(copy / "config.json", eos_token_id=9)
    with pytest.raises(InputError, match="no sampler stops"):
        load_codec(copy)


def test_a_model_without_eos_is_refused(copy: Path) -> None:
    edit(copy / "tokenizer_config.json", eos_token=None)
    edit(copy / "generation_config.json", eos_token_id=None)
    edit(copy / "config.json", eos_token_id=None)
    with pytest.raises(InputError, match="no EOS"):
        load_codec(copy)


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_missing_or_broken_tokenizer_is_refused(copy: Path, content: str | None) -> None:
    (copy / "tokenizer.json").unlink()
    if content is not None:
        (copy / "tokenizer.json").write_text(content)
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        load_codec(copy)


def test_a_broken_configuration_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        load_codec(copy)
