"""The rows of training sets: a problem's prompt and sampled token ids, alone or in pairs."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from selfimp_bench.canonical import derive_seed
from selfimp_bench.engines.base import FinishReason
from selfimp_bench.engines.tokens import TokenCodec
from selfimp_bench.steps.plan import PairSelection
from selfimp_bench.steps.rows import PairRow, SampleRow, SftRow
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.tasks.problem import Problem


@dataclass(frozen=True, kw_only=True)
class RowMaker:
    """Makes rows for one model: its tokenizer, and the prompt that training sees."""

    prompt_template: str
    add_bos: bool
    codec: TokenCodec

    def prompt_ids(self, problem: Problem) -> tuple[int, ...]:
        """The prompt of a problem."""
        text = render_prompt(self.prompt_template, problem)
        return self.codec.encode_prompt(text, add_bos=self.add_bos)

    def sample_row(self, problem: Problem, sample: SampleRow) -> SftRow:
        """A sample to imitate."""
        return SftRow(
            problem_id=problem.problem_id,
            iteration=sample.iteration,
            sample_index=sample.sample_index,
            prompt_ids=self.prompt_ids(problem),
            completion_ids=self._completion_ids(sample),
        )

    def pair_row(self, problem: Problem, chosen: SampleRow, rejected: SampleRow) -> PairRow:
        """Two samples of one model to tell apart."""
        return PairRow(
            problem_id=problem.problem_id,
            iteration=chosen.iteration,
            chosen_index=chosen.sample_index,
            rejected_index=rejected.sample_index,
            prompt_ids=self.prompt_ids(problem),
            chosen_ids=self._completion_ids(chosen),
            rejected_ids=self._completion_ids(rejected),
        )

    def _completion_ids(self, sample: SampleRow) -> tuple[int, ...]:
        """The sampled ids themselves (never re-tokenised text), with EOS only where the sample ended by itself."""
        ended = sample.finish_reason is FinishReason.STOP
        return (*sample.token_ids, self.codec.eos_id) if ended else sample.token_ids


def deduplicated(samples: Sequence[SampleRow], rule: str) -> list[SampleRow]:
    """All samples, or the first of every text (``exact``), in order of sampling."""
    if rule == "none":
        return list(samples)
    first: dict[str, SampleRow] = {}
    for sample in samples:
        first.setdefault(sample.completion, sample)
    return list(first.values())


def draw_pairs(
    rules: PairSelection, problem: Problem, good: Sequence[SampleRow], bad: Sequence[SampleRow]
) -> list[tuple[SampleRow, SampleRow]]:
    """The product of good and bad samples of the same M_i, or a seeded draw from it without replacement."""
    chosen, rejected = deduplicated(good, rules.deduplicate), deduplicated(bad, rules.deduplicate)
    every = [(one, other) for one, other in product(chosen, rejected) if one.iteration == other.iteration]
    if rules.pairs_per_problem is None or len(every) <= rules.pairs_per_problem:
        return every
    draw = random.Random(derive_seed(rules.seed, problem.problem_id))
    return draw.sample(every, rules.pairs_per_problem)
