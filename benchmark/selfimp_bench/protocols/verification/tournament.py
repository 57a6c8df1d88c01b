"""Tournaments: a model compares a problem's responses two by two, round by round."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from selfimp_bench.canonical import derive_seed
from selfimp_bench.engines.base import NOT_ASKED, FinishReason, SamplerSettings
from selfimp_bench.manifest.model import TooLong
from selfimp_bench.protocols.verification.judgement import parse_preference
from selfimp_bench.protocols.verification.metrics.tournament import (
    Match,
    PlayedMatch,
    PlayedRound,
    Side,
    first_round,
    next_round,
    play,
)
from selfimp_bench.protocols.verification.score import UNASKED
from selfimp_bench.protocols.verification.shown import clean_response
from selfimp_bench.protocols.verification.verify import (
    Judgement,
    Verifier,
    Writing,
    count_tokens,
    fill,
    said_by_seed,
    verifier_of,
    write,
)
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.replay import replaying
from selfimp_bench.steps.rows import SampleRow, table_rows
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.problem import Problem

MATCHES: Final = "matches.parquet"


@dataclass(frozen=True, kw_only=True)
class TournamentBlock:
    """Play single elimination in batches of 2^rounds responses. Inputs as of ``VerifyBlock``."""

    engine: str
    settings: SamplerSettings
    task: str
    prompt_template: str
    add_bos: bool
    rounds: int
    writing: Writing
    too_long: TooLong


@dataclass(frozen=True, kw_only=True)
class MatchRow:
    """A match of a tournament: responses ``a`` (shown first) and ``b`` and the winner, by sample index.

    judgement: None where the text was not usable (``outcome``), so that a coin decided.
    """

    problem_id: str
    round: int
    a: int
    b: int
    outcome: str
    judgement: Side | None
    winner: int
    text: str
    finish_reason: FinishReason
    seed: str


MATCH_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("round", pa.int32()),
        ("a", pa.int32()),
        ("b", pa.int32()),
        ("outcome", pa.string()),
        ("judgement", pa.string()),
        ("winner", pa.int32()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("seed", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """A match of one problem in one round, as it is asked."""

    problem: Problem
    match: Match
    prompt: tuple[int, ...]
    seed: int


@dataclass(frozen=True, kw_only=True)
class _Table:
    """What all rounds are played with: the shown text of every response, by problem id and sample index.

    unwritten: the problems that no model was asked, and of whose responses nobody is asked.
    """

    block: TournamentBlock
    problems: Mapping[str, Problem]
    shown: Mapping[str, Mapping[int, str]]
    unwritten: frozenset[str]
    verifier: Verifier

    def pair(self, problem_id: str, match: Match, number: int) -> _Pair:
        """A match of round ``number``."""
        problem, shown, writing = self.problems[problem_id], self.shown[problem_id], self.block.writing
        fields = {"question": problem.question, "response_a": shown[match.a], "response_b": shown[match.b]}
        text = fill(self.block.prompt_template, fields)
        place = (writing.seed, "tournament", writing.role, writing.iteration, problem_id, number, match.a, match.b)
        return _Pair(
            problem=problem,
            match=match,
            prompt=self.verifier.codec.encode_prompt(text, add_bos=self.block.add_bos),
            seed=derive_seed(*place),
        )

    def coin(self, problem_id: str, number: int) -> int:
        """The seed of the coins of one problem's round."""
        writing = self.block.writing
        return derive_seed(writing.seed, "coin", writing.role, writing.iteration, problem_id, number)


def tournament(
    block: TournamentBlock,
    problems: Mapping[str, Problem],
    samples: Sequence[SampleRow],
    verifier: Verifier,
    on_progress: Callable[[int, int], None],
) -> tuple[MatchRow, ...]:
    """Every match, by round, then problem, then place in the bracket. All problems play a round together.

    ``on_progress`` is told the matches done and those in all. Raises StepFailed if the engine left any out, ValueError
    unless the samples of every problem fill whole batches.
    """
    shown: dict[str, dict[int, str]] = defaultdict(dict)
    for sample in sorted(samples, key=lambda sample: sample.sample_index):
        shown[sample.problem_id][sample.sample_index] = clean_response(block.task, sample.completion)
    unwritten = frozenset(sample.problem_id for sample in samples if sample.finish_reason in NOT_ASKED)
    table = _Table(block=block, problems=problems, shown=shown, unwritten=unwritten, verifier=verifier)
    brackets = {name: first_round(list(own), batch=2**block.rounds) for name, own in shown.items()}
    total = sum(len(own) - len(own) // 2**block.rounds for own in shown.values())
    rows: list[MatchRow] = []
    for number in range(1, block.rounds + 1):
        done = len(rows)
        played = _play_round(table, brackets, number, lambda each, _: on_progress(done + each, total))  # noqa: B023
        rows += played.rows
        if number < block.rounds:
            brackets = {name: next_round(each.winners) for name, each in played.rounds.items()}
    return tuple(rows)


@dataclass(frozen=True, kw_only=True)
class _Round:
    rows: tuple[MatchRow, ...]
    rounds: Mapping[str, PlayedRound]


def _play_round(
    table: _Table, brackets: Mapping[str, Sequence[Match]], number: int, on_progress: Callable[[int, int], None]
) -> _Round:
    pairs = [table.pair(name, match, number) for name, matches in brackets.items() for match in matches]
    written = _written(table, pairs, on_progress)
    read = [parse_preference(each.text, truncated=each.finish_reason is FinishReason.LENGTH) for each in written]
    sides = iter([None if each.value is None else Side(each.value) for each in read])
    rounds = {
        name: play(matches, [next(sides) for _ in matches], seed=table.coin(name, number))
        for name, matches in brackets.items()
    }
    matches = [match for each in rounds.values() for match in each.matches]
    rows = tuple(
        _row(pair, number, match, text, UNASKED if text.finish_reason in NOT_ASKED else outcome.outcome.value)
        for pair, match, text, outcome in zip(pairs, matches, written, read, strict=True)
    )
    return _Round(rows=rows, rounds=rounds)


def _written(table: _Table, pairs: Sequence[_Pair], on_progress: Callable[[int, int], None]) -> list[Judgement]:
    """What the verifier says of every pair; nothing where it is not asked, so that a coin decides."""
    asked = [pair for pair in pairs if pair.problem.problem_id not in table.unwritten]
    prompts, seeds = [pair.prompt for pair in asked], [[pair.seed] for pair in asked]
    said = write(prompts, seeds, table.block.writing, table.verifier, on_progress)
    silent = Judgement(text="", finish_reason=table.verifier.room.unasked)
    return [silent if pair.problem.problem_id in table.unwritten else next(said)[0] for pair in pairs]


def _row(pair: _Pair, number: int, played: PlayedMatch, written: Judgement, outcome: str) -> MatchRow:
    return MatchRow(
        problem_id=pair.problem.problem_id,
        round=number,
        a=pair.match.a,
        b=pair.match.b,
        outcome=outcome,
        judgement=played.judgement,
        winner=played.winner,
        text=written.text,
        finish_reason=written.finish_reason,
        seed=str(pair.seed),
    )


def _do(block: TournamentBlock, work: Work) -> Counts:
    inputs = work.inputs
    verifier = verifier_of(block.engine, block.settings, block.too_long, work)
    played = tournament(block, inputs.problems_by_id(), inputs.samples("samples"), verifier, work.on_progress)
    work.folder.write_table(MATCHES, played, MATCH_SCHEMA)
    outcomes = Counter(row.outcome for row in played)
    tokens = count_tokens((row.text for row in played), verifier.codec)
    return {"matches": len(played), "tokens": tokens, **outcomes}


def _again(block: TournamentBlock, work: Work, own: Path) -> Counts:
    """Every match from the text that was written of it, by its seed."""
    return _do(block, replaying(work, said_by_seed(table_rows(own / MATCHES, MatchRow))))


def _engine(block: TournamentBlock) -> str:
    return block.engine


STAGE: Final = Stage(
    name="tournament",
    block=TournamentBlock,
    do=_do,
    engine=_engine,
    on_device=True,
    tokens="generated",
    rated_by_rows=True,
    again=_again,
)
