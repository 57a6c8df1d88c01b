"""Training sets that gold answers do not decide: by a vote of the model's samples, or by a reward's threshold."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from selfimp_bench.manifest.model import Majority
from selfimp_bench.protocols.post_training.choose import chosen
from selfimp_bench.protocols.post_training.metrics.balance import distinct, is_whole, rewarded
from selfimp_bench.protocols.post_training.metrics.majority import lower_bound, vote
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.rows import Judged, JudgedAnswer, JudgedSample, by_problem
from selfimp_bench.steps.training_rows import (
    PairRow,
    PairSelection,
    RowMaker,
    SftRow,
    TrainingSet,
    deduplicated,
    draw_pairs,
    without_long_rows,
    write_training_set,
)
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome
from selfimp_bench.tasks.problem import Problem


@dataclass(frozen=True, kw_only=True)
class RowForm:
    """What a training row is made of, and how long it may be (the fields of ``SelectBlock`` of these names)."""

    add_bos: bool
    deduplicate: str
    max_correct_per_problem: int | None
    max_length: int


@dataclass(frozen=True, kw_only=True)
class VoteSelectBlock:
    """Build a training set from what votes agree on. Inputs: model, problems, ``samples.i`` and ``grades.i``.

    ``pairs`` for DPO, None for SFT. Of the grades only the answers count, never the outcomes.
    """

    prompt_template: str
    form: RowForm
    majority: Majority
    pairs: PairSelection | None


@dataclass(frozen=True, kw_only=True)
class RewardSelectBlock:
    """Build an SFT training set from rewards. Inputs: model, problems, ``samples.i``, ``grades.i``, ``choice.i``."""

    prompt_template: str
    form: RowForm
    reward: str


def sides(majority: Majority, samples: Sequence[JudgedSample]) -> tuple[list[JudgedSample], list[JudgedSample]]:
    """Of one model's samples of one problem those that agree with the vote, and those that do not; none where the vote
    is not sure, or is for no answer."""
    answer = voted(majority, samples)
    if answer is None:
        return [], []
    differ = [
        each for each in samples if each.outcome not in UNJUDGED and each.extracted != answer and each.sample.token_ids
    ]
    return agreeing(majority, samples), differ


def voted(majority: Majority, samples: Sequence[JudgedAnswer]) -> str | None:
    """The answer that the vote is for; None where it is not sure, or for no answer."""
    found = vote(samples)
    if found is None or lower_bound(found.votes, found.total, level=majority.level) < majority.share:
        return None
    return found.answer


def agreeing(majority: Majority, samples: Sequence[Judged]) -> list[Judged]:
    """Of one model's samples of one problem the whole ones that agree with the vote."""
    answer = voted(majority, samples)
    return [] if answer is None else [each for each in samples if is_whole(each) and each.extracted == answer]


def select_by_vote(
    block: VoteSelectBlock, rows: RowMaker, problems: Sequence[Problem], pools: Sequence[Sequence[JudgedSample]]
) -> TrainingSet:
    """The rows of a step; ``pools``: the samples of every M_i, each of which votes by itself."""
    counts: Counter[str] = Counter(problems=len(problems))
    made: list[SftRow | PairRow] = []
    grouped = [by_problem(pool) for pool in pools]
    for problem in problems:
        parted = [sides(block.majority, groups.get(problem.problem_id, [])) for groups in grouped]
        agree = [each for side, _ in parted for each in side]
        differ = [each for _, side in parted for each in side]
        counts["problems dropped: no sure majority"] += not agree
        counts["problems whose majority is right"] += any(each.outcome is Outcome.CORRECT for each in agree)
        if block.pairs is None:
            kept = deduplicated([each.sample for each in agree], block.form.deduplicate)
            made += [rows.sample_row(problem, each) for each in kept[: block.form.max_correct_per_problem]]
        else:
            good, bad = ([each.sample for each in side] for side in (agree, differ))
            made += [rows.pair_row(problem, one, other) for one, other in draw_pairs(block.pairs, problem, good, bad)]
            counts["problems dropped: all agree"] += bool(agree) and not differ
    return _bounded(block.form, made, counts)


def select_by_reward(
    block: RewardSelectBlock,
    rows: RowMaker,
    problems: Sequence[Problem],
    pools: Sequence[tuple[float, Sequence[JudgedSample]]],
) -> TrainingSet:
    """The rows of a step; ``pools``: the threshold and the samples of every M_i."""
    counts: Counter[str] = Counter(problems=len(problems))
    made: list[SftRow | PairRow] = []
    grouped = [(threshold, by_problem(pool)) for threshold, pool in pools]
    for problem in problems:
        found = [
            each
            for threshold, groups in grouped
            for each in rewarded(groups.get(problem.problem_id, []), block.reward, threshold)
        ]
        kept = distinct(found)[: block.form.max_correct_per_problem]
        counts["responses above the threshold"] += len(found)
        counts["rows that are correct"] += sum(each.outcome is Outcome.CORRECT for each in kept)
        counts["problems dropped: no response above the threshold"] += not kept
        made += [rows.sample_row(problem, each.sample) for each in kept]
    return _bounded(block.form, made, counts)


def _bounded(form: RowForm, made: Sequence[SftRow | PairRow], counts: Counter[str]) -> TrainingSet:
    whole = TrainingSet(rows=tuple(made), counts=dict(counts) | {"rows": len(made)})  # type: ignore[arg-type]
    return without_long_rows(whole, form.max_length)


def _row_maker(block: VoteSelectBlock | RewardSelectBlock, work: Work) -> RowMaker:
    codec = work.inputs.codec("model")
    return RowMaker(prompt_template=block.prompt_template, add_bos=block.form.add_bos, codec=codec)


def _pools(work: Work) -> Iterable[tuple[str, tuple[JudgedSample, ...]]]:
    for name in work.inputs.named("samples."):
        yield name.removeprefix("samples."), work.inputs.judged(name, name.replace("samples", "grades"))


def _by_vote(block: VoteSelectBlock, work: Work) -> Counts:
    pools = [samples for _, samples in _pools(work)]
    made = select_by_vote(block, _row_maker(block, work), work.inputs.problems(), pools)
    return write_training_set(work.folder, made, pairs=block.pairs is not None)


def _by_reward(block: RewardSelectBlock, work: Work) -> Counts:
    pools = [(chosen(work.inputs, f"choice.{source}").threshold, samples) for source, samples in _pools(work)]
    made = select_by_reward(block, _row_maker(block, work), work.inputs.problems(), pools)
    return write_training_set(work.folder, made, pairs=False)


VOTE: Final = Stage(name="select", block=VoteSelectBlock, do=_by_vote, rated_by_rows=True)
REWARD: Final = Stage(name="select", block=RewardSelectBlock, do=_by_reward, rated_by_rows=True)
