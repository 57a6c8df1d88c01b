"""What a method of one's own is given, and what it returns: the Python API of rules and losses in packages of others.

A package declares a function by an entry point of one of these groups, and a manifest names it by ``package``,
``version`` and ``name``::

    [project.entry-points."selfimp_bench.sample_rules"]    post_training.sample_rule: which samples SFT trains on
    most-different = "my_package:most_different"

    def most_different(problems: Sequence[ProblemSamples], *, most: int | None, seed: int) -> Iterable[Sample]: ...

    [project.entry-points."selfimp_bench.pair_rules"]      post_training.pair_rule: which pairs DPO trains on
    hardest = "my_package:hardest"

    def hardest(problems: Sequence[ProblemSamples], *, most: int | None, seed: int) -> Iterable[Pair]: ...

    [project.entry-points."selfimp_bench.pair_losses"]     dpo.pair_loss: the loss of a pair
    ipo = "my_package:ipo"

    def ipo(pairs: PairLogps[torch.Tensor], *, beta: float) -> torch.Tensor: ...

Further keyword arguments are the manifest's ``options``. A function is pure: what it returns follows from its arguments
alone, whatever the order of a set, the clock or the files. Each is called twice, and refused where the two differ.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Array = TypeVar("Array")


class Kind(StrEnum):
    """What a function of another package can do; the value is the entry points' group."""

    SAMPLE_RULE = "selfimp_bench.sample_rules"
    PAIR_RULE = "selfimp_bench.pair_rules"
    PAIR_LOSS = "selfimp_bench.pair_losses"

    @property
    def words(self) -> str:
        """What a message calls it: ``sample rule``."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One completion that a model wrote and a grader judged; it has at least one token.

    iteration: the i of the model M_i that wrote it. sample_index: its number among those of M_i for the problem, from
    0. answer: the final answer in it by the manifest's extraction rule; None where there is none. correct: by the gold
    answer. finished: it ended by itself, where others were cut at ``max_tokens``. tokens: how many it has, without EOS.
    """

    problem_id: str
    iteration: int
    sample_index: int
    text: str
    answer: str | None
    correct: bool
    finished: bool
    tokens: int


@dataclass(frozen=True, kw_only=True)
class ProblemSamples:
    """A training problem and what may be trained on of it, in order of iteration and sample; perhaps nothing.

    answer: the gold solution as the data set gives it, None where it gives none. level: from 1, the easiest; None where
    the data set has no levels. Texts that occur again are left out where the manifest says ``deduplicate: exact``.
    """

    problem_id: str
    question: str
    answer: str | None
    level: int | None
    samples: tuple[Sample, ...]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two samples of one model for one problem; training makes ``chosen`` likelier against ``rejected``."""

    chosen: Sample
    rejected: Sample


@dataclass(frozen=True, kw_only=True)
class PairLogps(Generic[Array]):
    """What the loss of some pairs rests on: float arrays of shape (pairs,), at least one pair.

    chosen, rejected: ln p(completion | prompt) under the model that is trained, at most 0; gradients flow through them.
    reference_chosen, reference_rejected: the same under the frozen reference. chosen_tokens, rejected_tokens: the
    completions' lengths in tokens, EOS included.
    """

    chosen: Array
    rejected: Array
    reference_chosen: Array
    reference_rejected: Array
    chosen_tokens: Array
    rejected_tokens: Array
