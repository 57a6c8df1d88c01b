"""Blocks that several protocols have, in a few words for a person."""

from typing import Protocol

from selfimp_bench.manifest.model import Optimisation, OwnCode, PreferenceOptimisation
from selfimp_bench.plural import plural


class AnySampling(Protocol):
    """How completions are sampled."""

    @property
    def samples_per_problem(self) -> int: ...
    @property
    def temperature(self) -> float: ...
    @property
    def top_p(self) -> float: ...
    @property
    def top_k(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...


def sampling_words(sampling: AnySampling) -> str:
    """``N=8, temperature 0.7, ...``."""
    return (
        f"N={sampling.samples_per_problem}, temperature {sampling.temperature}, top-p {sampling.top_p}, "
        f"top-k {sampling.top_k}, at most {sampling.max_tokens} tokens"
    )


def preference_words(dpo: PreferenceOptimisation) -> str:
    """``beta 0.1, ...``, and the optimisation."""
    term = "" if dpo.sft_coefficient is None else f", SFT term {dpo.sft_coefficient}"
    loss = "" if dpo.pair_loss is None else f"loss {own_code_words(dpo.pair_loss)}, "
    return f"{loss}beta {dpo.beta}{term}, {optimisation_words(dpo.optimisation)}"


def optimisation_words(block: Optimisation) -> str:
    """``adamw, learning rate 1e-05, ...``."""
    length = plural(block.epochs or 0, "epoch") if block.steps is None else plural(block.steps, "step")
    return (
        f"{block.optimizer}, learning rate {block.learning_rate}, {block.scheduler}, warm-up {block.warmup_ratio}, "
        f"batch {block.batch_size}, {length}, {block.precision}"
    )


def own_code_words(own: OwnCode) -> str:
    """``ipo of my-package 0.1.0``, with its options."""
    options = "".join(f", {name} {value}" for name, value in (own.options or {}).items())
    return f"{own.name} of the package {own.package} {own.version}{options}"
