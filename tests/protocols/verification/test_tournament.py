"""Tournaments, played by a verifier that a test writes."""

from dataclasses import asdict, replace

import pyarrow as pa
import pytest
from support import quiet

from selfimp_bench.engines.base import FinishReason, SamplerSettings
from selfimp_bench.manifest.model import TooLong
from selfimp_bench.protocols.verification.judged import played
from selfimp_bench.protocols.verification.metrics.tournament import Side
from selfimp_bench.protocols.verification.tournament import MATCH_SCHEMA, TournamentBlock, tournament

from .judging import CODEC, PROBLEMS, WRITING, Scripted, sample_row

BLOCK = TournamentBlock(
    engine="fake",
    settings=SamplerSettings(device="cpu", precision="float32", max_batch_rows=8, threads=1, vllm=None),
    task="gsm8k",
    prompt_template="{question}\nA: {response_a}\nB: {response_b}\nJudgement:",
    add_bos=False,
    rounds=2,
    writing=WRITING,
    too_long=TooLong.COUNTED_WRONG,
)
SAMPLES = [sample_row(problem, index, f"number {index}") for problem in ("p", "q") for index in (2, 0, 1, 3)]


def prefers_larger(text: str, _seed: int) -> str:
    first, second = (int(line.split()[-1]) for line in text.splitlines()[1:3])
    return f"Preferred solution: {'A' if first > second else 'B'}"


def test_pairs_are_in_sample_order_and_winners_meet() -> None:
    rows = tournament(BLOCK, PROBLEMS, SAMPLES, Scripted(answer=prefers_larger).verifier(), quiet)
    assert [(row.problem_id, row.round, row.a, row.b, row.winner) for row in rows] == [
        *[("p", 1, 0, 1, 1), ("p", 1, 2, 3, 3), ("q", 1, 0, 1, 1), ("q", 1, 2, 3, 3)],
        *[("p", 2, 1, 3, 3), ("q", 2, 1, 3, 3)],
    ]
    assert {row.judgement for row in rows} == {Side.B}


def test_what_is_read_back_are_the_rounds_that_were_played() -> None:
    rows = tournament(BLOCK, PROBLEMS, SAMPLES, Scripted(answer=prefers_larger).verifier(), quiet)
    rounds = played(pa.Table.from_pylist([asdict(row) for row in rows], schema=MATCH_SCHEMA))
    assert {name: [each.winner.tolist() for each in own] for name, own in rounds.items()} == {
        "p": [[1, 3], [3]],
        "q": [[1, 3], [3]],
    }
    assert [list(each.judgements) for each in rounds["p"]] == [[Side.B, Side.B], [Side.B]]


def test_a_pair_without_a_verdict_is_settled_by_a_coin_that_its_place_decides() -> None:
    many = [sample_row("p", index, f"number {index}") for index in range(64)]
    silent = Scripted(answer=lambda _text, _seed: "Both are fine.")
    block = replace(BLOCK, rounds=1)
    rows = tournament(block, PROBLEMS, many, silent.verifier(), quiet)
    assert {(row.judgement, row.outcome) for row in rows} == {(None, "unparsed")}
    firsts = sum(row.winner == row.a for row in rows)
    assert 6 <= firsts <= 26  # 32 fair coins: outside with probability 0.0003
    assert tournament(block, PROBLEMS, many, silent.verifier(), quiet) == rows
    other = replace(block, writing=replace(WRITING, seed=4))
    assert [row.winner for row in tournament(other, PROBLEMS, many, silent.verifier(), quiet)] != [
        row.winner for row in rows
    ]


def test_batches_do_not_meet() -> None:
    many = [sample_row("p", index, f"number {index}") for index in range(8)]
    rows = tournament(BLOCK, PROBLEMS, many, Scripted(answer=prefers_larger).verifier(), quiet)
    assert [(row.a, row.b) for row in rows if row.round == 2] == [(1, 3), (5, 7)]


def test_every_match_has_a_seed_of_its_own_and_the_prompt_shows_both() -> None:
    sampler = Scripted(answer=prefers_larger)
    told: list[tuple[int, int]] = []
    verifier = sampler.verifier()
    rows = tournament(BLOCK, PROBLEMS, SAMPLES, verifier, lambda done, of: told.append((done, of)))
    assert len({row.seed for row in rows}) == len(rows) == 6
    assert told[-1] == (6, 6)
    assert CODEC.decode(sampler.asked[0].token_ids) == "What is p?\nA: number 0\nB: number 1\nJudgement:"


def test_samples_that_fill_no_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fill batches of 4"):
        tournament(BLOCK, PROBLEMS, SAMPLES[:3], Scripted().verifier(), quiet)


def test_responses_that_no_model_was_asked_for_meet_without_a_verdict() -> None:
    absent = [replace(each, finish_reason=FinishReason.TOO_LONG, token_ids=()) for each in SAMPLES[:4]]
    sampler = Scripted(answer=prefers_larger)
    rows = tournament(BLOCK, PROBLEMS, [*absent, *SAMPLES[4:]], sampler.verifier(), quiet)
    assert all("What is q?" in CODEC.decode(prompt.token_ids) for prompt in sampler.asked)
    assert {row.outcome for row in rows if row.problem_id == "p"} == {"did not fit"}
    assert {row.judgement for row in rows if row.problem_id == "p"} == {None}
    assert len({row.winner for row in rows if row.problem_id == "p" and row.round == 2}) == 1
    assert {row.judgement for row in rows if row.problem_id == "q"} == {Side.B}
