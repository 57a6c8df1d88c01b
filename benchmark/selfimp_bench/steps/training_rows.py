"""Training sets: rows of a problem's prompt and sampled token ids, alone or in pairs, and how they are drawn."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import pyarrow as pa

from selfimp_bench.canonical import derive_seed
from selfimp_bench.engines.base import FinishReason
from selfimp_bench.engines.tokens import TokenCodec
from selfimp_bench.steps.plan import Counts
from selfimp_bench.steps.rows import IDS, SampleRow
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.steps.store import StepFolder
from selfimp_bench.tasks.problem import Problem

TRAINING_SET: Final = "training_set.parquet"


@dataclass(frozen=True, kw_only=True)
class PairSelection:
    """Which (correct, wrong) pairs DPO trains on (the fields of ``PostTraining`` of the same names)."""

    deduplicate: str
    pairing: str
    pairs_per_problem: int | None
    without_pair: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class SftRow:
    """One SFT example. ``sample_index`` is None for a gold solution; ``iteration`` is the i of the M_i sampled."""

    problem_id: str
    iteration: int | None
    sample_index: int | None
    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """One DPO pair, both completions from the same M_i."""

    problem_id: str
    iteration: int
    chosen_index: int
    rejected_index: int
    prompt_ids: tuple[int, ...]
    chosen_ids: tuple[int, ...]
    rejected_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """The rows of one iteration's training set (all SFT examples or all pairs) and what was counted on the way."""

    rows: tuple[SftRow, ...] | tuple[PairRow, ...]
    counts: Mapping[str, int]


LEFT_OUT: Final = "rows left out: longer than max_length"
"""What is counted of rows that are longer than training takes."""


def without_long_rows(chosen: TrainingSet, max_length: int) -> TrainingSet:
    """The rows of at most so many tokens, prompt and longer completion together; the others are counted, never cut."""
    kept = tuple(row for row in chosen.rows if _tokens(row) <= max_length)
    if len(kept) == len(chosen.rows):
        return chosen
    counts = dict(chosen.counts) | {"rows": len(kept), LEFT_OUT: len(chosen.rows) - len(kept)}
    return TrainingSet(rows=kept, counts=counts)  # type: ignore[arg-type]


def _tokens(row: SftRow | PairRow) -> int:
    if isinstance(row, SftRow):
        return len(row.prompt_ids) + len(row.completion_ids)
    return len(row.prompt_ids) + max(len(row.chosen_ids), len(row.rejected_ids))


SFT_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("iteration", pa.int32()),
        ("sample_index", pa.int32()),
        ("prompt_ids", IDS),
        ("completion_ids", IDS),
    ]
)
PAIR_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("iteration", pa.int32()),
        ("chosen_index", pa.int32()),
        ("rejected_index", pa.int32()),
        ("prompt_ids", IDS),
        ("chosen_ids", IDS),
        ("rejected_ids", IDS),
    ]
)


def write_training_set(folder: StepFolder, chosen: TrainingSet, *, pairs: bool) -> Counts:
    """Write a training set of pairs, or of single completions."""
    folder.write_table(TRAINING_SET, chosen.rows, PAIR_SCHEMA if pairs else SFT_SCHEMA)
    return chosen.counts


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


def deduplicated(samples: Sequence[SampleRow], rule: str, *, by_model: bool = False) -> list[SampleRow]:
    """All samples, or the first of every text (``exact``), in order of sampling; ``by_model``: of every M_i's texts.

    Pairs are of one model, so what they are made of is deduplicated by model: a text that M_1 wrote too may be the
    only right one that M_2 has.
    """
    if rule == "none":
        return list(samples)
    first: dict[tuple[int, str], SampleRow] = {}
    for sample in samples:
        first.setdefault((sample.iteration if by_model else 0, sample.completion), sample)
    return list(first.values())


def draw_pairs(
    rules: PairSelection, problem: Problem, good: Sequence[SampleRow], bad: Sequence[SampleRow]
) -> list[tuple[SampleRow, SampleRow]]:
    """The product of good and bad samples of the same M_i, or a seeded draw from it without replacement.

    ``exact`` leaves out a pair whose two texts are those of an earlier pair.
    """
    chosen, rejected = (deduplicated(side, rules.deduplicate, by_model=True) for side in (good, bad))
    every = [(one, other) for one, other in product(chosen, rejected) if one.iteration == other.iteration]
    if rules.deduplicate == "exact":
        first: dict[tuple[str, str], tuple[SampleRow, SampleRow]] = {}
        for one, other in every:
            first.setdefault((one.completion, other.completion), (one, other))
        every = list(first.values())
    if rules.pairs_per_problem is None or len(every) <= rules.pairs_per_problem:
        return every
    draw = random.Random(derive_seed(rules.seed, problem.problem_id))
    return draw.sample(every, rules.pairs_per_problem)
