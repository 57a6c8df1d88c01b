"""Text to token ids and back with a model folder's own tokenizer, without torch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from selfimp_bench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class TokenCodec:
    """A model folder's tokenizer. ``eos_id`` ends a training completion; ``bos_id`` may be None: no such token."""

    folder: Path
    tokenizer: Tokenizer
    bos_id: int | None
    eos_id: int

    def encode(self, text: str) -> tuple[int, ...]:
        """The text's token ids; no special token is added."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of token ids; special tokens are left out."""
        return self.tokenizer.decode(list(token_ids), skip_special_tokens=True)

    def encode_prompt(self, text: str, *, add_bos: bool) -> tuple[int, ...]:
        """A prompt's token ids, with the BOS id in front when ``add_bos``.

        Raises InputError when the text itself begins with BOS, or BOS is wanted and the model has none.
        """
        token_ids = self.encode(text)
        if not add_bos:
            return token_ids
        if self.bos_id is None:
            raise InputError(
                f"{self.folder}: prompt.add_bos is true, but neither tokenizer_config.json nor config.json names a "
                "BOS token; set prompt.add_bos to false"
            )
        if token_ids[:1] == (self.bos_id,):
            raise InputError(
                f"{self.folder}: the prompt {text[:40]!r} already begins with the BOS token (id {self.bos_id}), and "
                "prompt.add_bos would add a second BOS; take it out of the template or set add_bos to false"
            )
        return (self.bos_id, *token_ids)


def load_codec(folder: Path) -> TokenCodec:
    """The codec of a model folder (tokenizer.json, and the BOS and EOS of its configuration files).

    Raises InputError when a file is missing or unreadable, or when no EOS is given.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file; a model folder needs a tokenizer.json (tokenizers format)")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{path}: not a tokenizer that `tokenizers` can read ({error}); fetch it again") from error
    eos_id = _special_id(folder, tokenizer, "eos")
    if eos_id is None:
        raise InputError(
            f"{folder}: no EOS token in tokenizer_config.json, config.json or generation_config.json; "
            "completions need one to end with"
        )
    stops = stop_ids(folder)
    if stops and eos_id not in stops:
        raise InputError(
            f"{folder}: the tokenizer's EOS id {eos_id} is not among the model's EOS ids {sorted(stops)} "
            "(config.json, generation_config.json): it would learn an end at which no sampler stops"
        )
    return TokenCodec(folder=folder, tokenizer=tokenizer, bos_id=_special_id(folder, tokenizer, "bos"), eos_id=eos_id)


def stop_ids(folder: Path) -> frozenset[int]:
    """Every EOS id of config.json and generation_config.json: generation stops at any of them."""
    named = (read_json(folder / name).get("eos_token_id") for name in ("generation_config.json", "config.json"))
    return frozenset(token for value in named for token in _as_ids(value))


def needed_stop_ids(folder: Path) -> frozenset[int]:
    """``stop_ids``, for a model that is to generate. Raises InputError when there are none."""
    if stops := stop_ids(folder):
        return stops
    raise InputError(f"{folder}: no eos_token_id in config.json or generation_config.json")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty when the file does not exist. Raises InputError when it is not one."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({error}); fetch the model again") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: a JSON object was expected, found {type(value).__name__}")
    return value


def _special_id(folder: Path, tokenizer: Tokenizer, name: str) -> int | None:
    """The tokenizer's own token first: where a model stops at several, it is the one that ends a turn."""
    token = read_json(folder / "tokenizer_config.json").get(f"{name}_token")
    content = token.get("content") if isinstance(token, dict) else token
    if isinstance(content, str):
        token_id = tokenizer.token_to_id(content)
        if token_id is None:
            raise InputError(f"{folder / 'tokenizer_config.json'}: {name}_token {content!r} is not in tokenizer.json")
        return token_id
    for file in ("config.json", "generation_config.json"):
        if ids := _as_ids(read_json(folder / file).get(f"{name}_token_id")):
            return ids[0]
    return None


def _as_ids(value: object) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, int)]
