"""What a checkpoint can be given, and the refusal of what it cannot: the same words from every sampler."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from selfimp_bench.engines.tokens import read_json
from selfimp_bench.engines.weights import weight_files
from selfimp_bench.errors import InputError

POSITIONS: Final = ("max_position_embeddings", "n_positions")
"""What the configurations of models call the number of their positions."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many token ids there are, and how many positions; None where the model has no limit of its own."""

    vocabulary: int
    positions: int | None


def context_of(checkpoint: Path, *, max_model_len: int | None) -> int | None:
    """Tokens of prompt and completion together that a checkpoint takes, by its config.json and by the engine's own
    limit; None where neither says.

    Raises InputError for a config.json that is no JSON object.
    """
    config = read_json(checkpoint / "config.json")
    inner = config.get("text_config")
    parts: tuple[dict[str, Any], ...] = (inner, config) if isinstance(inner, dict) else (config,)
    own = [part[name] for part in parts for name in POSITIONS if isinstance(part.get(name), int)]
    return min([*own[:1], *([] if max_model_len is None else [max_model_len])], default=None)


def check_files(checkpoint: Path) -> None:
    """Refuse a folder that is no Hugging Face model with safetensors, whole or in shards."""
    if not (checkpoint / "config.json").is_file():
        raise InputError(f"{checkpoint}: no config.json here; a checkpoint is a Hugging Face model folder")
    weight_files(checkpoint)


def check_prompt(limits: Limits, name: str, token_ids: Sequence[int], *, new_tokens: int, checkpoint: Path) -> None:
    """Refuse a prompt that is empty, too long for the model's positions, or has ids outside its vocabulary."""
    if not token_ids:
        raise InputError(f"{name}: its prompt has no tokens; set prompt.add_bos or a template")
    if max(token_ids) >= limits.vocabulary:
        raise InputError(
            f"{name}: token id {max(token_ids)} is outside the model's vocabulary of "
            f"{limits.vocabulary} ({checkpoint}); the tokenizer belongs to another model"
        )
    if limits.positions is not None and len(token_ids) + new_tokens > limits.positions:
        raise InputError(
            f"{name}: {len(token_ids)} prompt tokens and max_tokens "
            f"{new_tokens} exceed the model's {limits.positions} positions; "
            + ("lower max_tokens" if new_tokens else "shorten the prompt or lower the generation's max_tokens")
        )


def check_labels(limits: Limits, label_ids: Sequence[int], checkpoint: Path) -> None:
    """Refuse labels that are none, or outside the vocabulary."""
    outside = [label for label in label_ids if not 0 <= label < limits.vocabulary]
    if not label_ids or outside:
        found = f"found {outside}" if outside else "found none"
        raise InputError(
            f"labels: expected token ids of the model's vocabulary of {limits.vocabulary}, {found} ({checkpoint})"
        )
