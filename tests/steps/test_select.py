"""Selection: which samples become training rows, and what is counted of those that do not."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.engines.tokens import TokenCodec, load_codec
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.places import ASSETS
from selfimp_bench.steps.gold import gold_solutions
from selfimp_bench.steps.rows import JudgedSample, Role, SampleRow
from selfimp_bench.steps.select import CorrectSelection, SelectBlock, select
from selfimp_bench.steps.training_rows import PairRow, PairSelection, SftRow
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.problem import Problem

CODEC: TokenCodec = load_codec(ASSETS / "tiny-gsm-base")
PROBLEMS = tuple(
    Problem(problem_id=name, question=f"What is {name}?", answer="1 + 1 = 2\n#### 2") for name in ("p", "q", "r")
)


def _sample(
    problem: str,
    index: int,
    text: str,
    outcome: Outcome,
    *,
    iteration: int = 1,
    finish: FinishReason = FinishReason.STOP,
) -> JudgedSample:
    row = SampleRow(
        problem_id=problem,
        sample_index=index,
        completion=text,
        iteration=iteration,
        role=Role.TRAIN,
        finish_reason=finish,
        seed="1",
        prompt_sha256="0",
        token_ids=CODEC.encode(text),
    )
    return JudgedSample(sample=row, outcome=outcome, other_outcome=None)


def _block(correct: CorrectSelection | None = None, pairs: PairSelection | None = None) -> SelectBlock:
    return SelectBlock(
        prompt_template="Question: {question}\nAnswer:",
        add_bos=False,
        completion_prefix=" ",
        correct=correct,
        pairs=pairs,
        max_length=200,
    )


def _sft(*, deduplicate: str = "exact", cap: int | None = None, without: str = "drop") -> SelectBlock:
    return _block(
        correct=CorrectSelection(deduplicate=deduplicate, max_correct_per_problem=cap, without_correct=without)
    )


def _dpo(*, pairs: int | None = 2, without: str = "drop", deduplicate: str = "none", seed: int = 1) -> SelectBlock:
    return _block(
        pairs=PairSelection(
            deduplicate=deduplicate,
            pairing="all" if pairs is None else "random",
            pairs_per_problem=pairs,
            without_pair=without,
            seed=seed,
        )
    )


def _sft_rows(block: SelectBlock, samples: list[JudgedSample]) -> list[SftRow]:
    return [row for row in select(block, PROBLEMS, samples, CODEC).rows if isinstance(row, SftRow)]


def _pair_rows(block: SelectBlock, samples: list[JudgedSample]) -> list[PairRow]:
    return [row for row in select(block, PROBLEMS, samples, CODEC).rows if isinstance(row, PairRow)]


MIXED = [
    _sample("p", 0, " a", Outcome.CORRECT),
    _sample("p", 1, " a", Outcome.CORRECT),
    _sample("p", 2, " b", Outcome.CORRECT),
    _sample("p", 3, " c", Outcome.WRONG),
    _sample("q", 0, " d", Outcome.WRONG),
    _sample("q", 1, " e", Outcome.UNPARSED),
    _sample("r", 0, " f", Outcome.CORRECT),
]


def test_gold_selection_trains_on_every_solution_after_the_prefix_with_eos() -> None:
    chosen = select(_block(), PROBLEMS, [], CODEC)
    assert chosen.counts == {"problems": 3, "rows": 3}
    first = chosen.rows[0]
    assert isinstance(first, SftRow)
    assert CODEC.decode(first.prompt_ids) == "Question: What is p?\nAnswer:"
    assert CODEC.decode(first.completion_ids) == " 1 + 1 = 2\n#### 2"
    assert first.completion_ids[-1] == CODEC.eos_id


def test_rationales_give_a_gold_row_each_and_problems_without_one_are_counted() -> None:
    rationales = [Problem(problem_id="p", question="", answer=text) for text in ("One.", "Two.")]
    solutions = gold_solutions("{rationale} So {answer}", rationales, PROBLEMS)
    chosen = select(_block(), PROBLEMS, [], CODEC, solutions)
    assert chosen.counts == {"problems": 3, "rows": 2, "problems dropped: no rationale": 2}
    assert [(row.problem_id, CODEC.decode(row.completion_ids)) for row in chosen.rows if isinstance(row, SftRow)] == [
        ("p", " One. So 1 + 1 = 2\n#### 2"),
        ("p", " Two. So 1 + 1 = 2\n#### 2"),
    ]


def test_a_problem_without_a_correct_sample_takes_all_of_its_gold_solutions() -> None:
    rationales = [Problem(problem_id="q", question="", answer=text) for text in ("One.", "Two.")]
    solutions = gold_solutions("{rationale} So {answer}", rationales, PROBLEMS)
    chosen = select(_sft(without="gold"), PROBLEMS, MIXED, CODEC, solutions)
    assert [row.problem_id for row in chosen.rows] == ["p", "p", "q", "q", "r"]
    assert chosen.counts["problems without a correct sample, gold solution used"] == 1
    of_another = gold_solutions("{rationale} So {answer}", [replace(rationales[0], problem_id="p")], PROBLEMS)
    without = select(_sft(without="gold"), PROBLEMS, MIXED, CODEC, of_another)
    assert [row.problem_id for row in without.rows] == ["p", "p", "r"]
    assert without.counts["problems dropped: no rationale"] == 1
    assert "problems without a correct sample, gold solution used" not in without.counts


LONG = _sample("p", 9, " a" * 60, Outcome.CORRECT)


def _tokens(row: SftRow | PairRow) -> int:
    ends = (row.completion_ids,) if isinstance(row, SftRow) else (row.chosen_ids, row.rejected_ids)
    return len(row.prompt_ids) + max(map(len, ends))


@pytest.mark.parametrize("kind", ["gold", "sft", "dpo"])
def test_a_row_longer_than_training_takes_is_left_out_and_counted_and_no_other(kind: str) -> None:
    block = {"gold": _block(), "sft": _sft(), "dpo": _dpo(pairs=None)}[kind]
    samples = [] if kind == "gold" else [*MIXED, LONG]
    whole = select(block, PROBLEMS, samples, CODEC)
    longest = max(map(_tokens, whole.rows))
    assert select(replace(block, max_length=longest), PROBLEMS, samples, CODEC) == whole
    chosen = select(replace(block, max_length=longest - 1), PROBLEMS, samples, CODEC)
    assert set(chosen.rows) == {row for row in whole.rows if _tokens(row) < longest}
    left_out = len(whole.rows) - len(chosen.rows)
    assert left_out > 0
    assert (chosen.counts["rows"], chosen.counts["rows left out: longer than max_length"]) == (
        len(chosen.rows),
        left_out,
    )


def test_a_problem_without_gold_solution_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="problem x has no `answer`"):
        select(_block(), [Problem(problem_id="x", question="?")], [], CODEC)


def test_sft_keeps_each_distinct_correct_text_once_and_counts_the_rest() -> None:
    chosen = select(_sft(), PROBLEMS, MIXED, CODEC)
    kept = [(row.problem_id, row.sample_index) for row in chosen.rows if isinstance(row, SftRow)]
    assert kept == [("p", 0), ("p", 2), ("r", 0)]
    assert chosen.counts == {
        "problems": 3,
        "samples": 7,
        "correct samples": 4,
        "correct samples left out as duplicates or over the cap": 1,
        "problems dropped: no correct sample": 1,
        "rows": 3,
    }


def test_sft_without_deduplication_keeps_every_correct_sample() -> None:
    assert len(_sft_rows(_sft(deduplicate="none"), MIXED)) == 4


def test_the_cap_keeps_the_first_samples_of_each_problem() -> None:
    rows = _sft_rows(_sft(cap=1), MIXED)
    assert [(row.problem_id, row.sample_index) for row in rows] == [("p", 0), ("r", 0)]


def test_a_problem_without_correct_sample_can_fall_back_to_gold() -> None:
    chosen = select(_sft(without="gold"), PROBLEMS, MIXED, CODEC)
    assert [row.sample_index for row in chosen.rows if isinstance(row, SftRow)] == [0, 2, None, 0]
    assert chosen.counts["problems without a correct sample, gold solution used"] == 1


def test_a_cut_correct_sample_is_not_trained_on() -> None:
    cut = _sample("p", 0, " a", Outcome.CORRECT, finish=FinishReason.LENGTH)
    assert _sft_rows(_sft(), [cut]) == []


def test_a_sample_is_trained_on_as_the_ids_that_were_sampled() -> None:
    odd = CODEC.encode("1") + CODEC.encode("9")
    judged = _sample("p", 0, "19", Outcome.CORRECT)
    judged = JudgedSample(
        sample=SampleRow(**{**_fields(judged.sample), "token_ids": odd}),
        outcome=Outcome.CORRECT,
        other_outcome=None,
    )
    assert _sft_rows(_sft(), [judged])[0].completion_ids == (*odd, CODEC.eos_id)


def _fields(row: SampleRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def test_pairs_join_correct_with_wrong_of_the_same_problem() -> None:
    chosen = select(_dpo(pairs=None), PROBLEMS, MIXED, CODEC)
    rows = [row for row in chosen.rows if isinstance(row, PairRow)]
    assert [(row.problem_id, row.chosen_index, row.rejected_index) for row in rows] == [
        ("p", 0, 3),
        ("p", 1, 3),
        ("p", 2, 3),
    ]
    assert chosen.counts["problems dropped: no correct sample"] == 1
    assert chosen.counts["problems dropped: no wrong sample"] == 1


def test_a_problem_without_pair_can_stop_the_run() -> None:
    with pytest.raises(StepFailed, match="problem q has no correct sample"):
        select(_dpo(without="stop"), PROBLEMS[1:], MIXED, CODEC)


def test_a_wrong_sample_that_was_cut_has_no_eos() -> None:
    samples = [MIXED[0], _sample("p", 9, " x", Outcome.TRUNCATED, finish=FinishReason.LENGTH)]
    row = _pair_rows(_dpo(), samples)[0]
    assert row.chosen_ids[-1] == CODEC.eos_id
    assert CODEC.eos_id not in row.rejected_ids


@pytest.mark.parametrize("outcome", [Outcome.CRASHED])
def test_a_sample_the_grader_failed_on_is_neither_chosen_nor_rejected(outcome: Outcome) -> None:
    samples = [MIXED[0], _sample("p", 9, " x", outcome)]
    assert _pair_rows(_dpo(), samples) == []
    assert len(_sft_rows(_sft(), samples)) == 1


def test_pooled_samples_pair_within_their_own_iteration_only() -> None:
    samples = [
        _sample("p", 0, " a", Outcome.CORRECT, iteration=1),
        _sample("p", 0, " b", Outcome.WRONG, iteration=2),
    ]
    assert _pair_rows(_dpo(pairs=None), samples) == []


def test_a_text_that_an_earlier_model_wrote_too_still_pairs_with_its_own_model_s_wrong_one() -> None:
    of_1 = _sample("p", 0, " right", Outcome.CORRECT, iteration=1)
    of_2 = [
        _sample("p", 3, " right", Outcome.CORRECT, iteration=2),
        _sample("p", 4, " right", Outcome.CORRECT, iteration=2),
        _sample("p", 5, " wrong", Outcome.WRONG, iteration=2),
    ]
    block = _dpo(pairs=None, deduplicate="exact")
    for samples in (of_2, [of_1, *of_2]):
        rows = _pair_rows(block, samples)
        assert [(row.iteration, row.chosen_index, row.rejected_index) for row in rows] == [(2, 3, 5)]


def test_a_pair_of_texts_that_two_models_wrote_is_one_pair() -> None:
    samples = [
        _sample("p", index, text, outcome, iteration=iteration)
        for iteration in (1, 2)
        for index, (text, outcome) in enumerate(((" right", Outcome.CORRECT), (" wrong", Outcome.WRONG)))
    ]
    rows = _pair_rows(_dpo(pairs=None, deduplicate="exact"), samples)
    assert [(row.iteration, row.chosen_index, row.rejected_index) for row in rows] == [(1, 0, 1)]
    assert len(_pair_rows(_dpo(pairs=None), samples)) == 2


@given(correct=st.integers(1, 6), wrong=st.integers(1, 6), pairs=st.integers(1, 40), seed=st.integers(0, 99))
def test_a_draw_of_pairs_is_distinct_seeded_and_no_larger_than_asked(
    correct: int, wrong: int, pairs: int, seed: int
) -> None:
    samples = [_sample("p", i, f" c{i}", Outcome.CORRECT) for i in range(correct)]
    samples += [_sample("p", correct + i, f" w{i}", Outcome.WRONG) for i in range(wrong)]
    rows = _pair_rows(_dpo(pairs=pairs, seed=seed), samples)
    drawn = [(row.chosen_index, row.rejected_index) for row in rows]
    assert len(drawn) == len(set(drawn)) == min(pairs, correct * wrong)
    assert rows == _pair_rows(_dpo(pairs=pairs, seed=seed), samples)


def test_the_codec_of_the_shipped_base_is_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        load_codec(tmp_path)
