"""Selecting: from gold solutions, or from graded samples of the model itself, to a training set.

What is left out is counted, never silent: ``counts`` goes into the step record.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.engines.tokens import TokenCodec
from selfimp_bench.errors import StepFailed
from selfimp_bench.steps.gold import ANSWERS_ALONE, GoldSolutions, gold_solutions
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.rows import JudgedSample, by_problem
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

NO_RATIONALE: Final = "problems dropped: no rationale"
"""What is counted of problems that gold solutions made of rationales leave out."""


@dataclass(frozen=True, kw_only=True)
class CorrectSelection:
    """Which correct samples SFT trains on (the fields of ``PostTraining`` of the same names)."""

    deduplicate: str
    max_correct_per_problem: int | None
    without_correct: str


@dataclass(frozen=True, kw_only=True)
class SelectBlock:
    """Build the training set of one iteration.

    Inputs: model (its tokenizer), problems, and for every pooled iteration i ``samples.i`` and ``grades.i``.
    Gold solutions (``correct`` and ``pairs`` both None), own correct samples, or pairs. Rows of more tokens than
    ``max_length``, which training takes, are left out. Where ``rationales`` is an input, gold solutions are its texts
    with the answer, in the form of ``gold_template``.
    """

    prompt_template: str
    add_bos: bool
    completion_prefix: str
    correct: CorrectSelection | None
    pairs: PairSelection | None
    max_length: int
    gold_template: str = ""


def select(
    block: SelectBlock,
    problems: Sequence[Problem],
    samples: Sequence[JudgedSample],
    codec: TokenCodec,
    solutions: GoldSolutions = ANSWERS_ALONE,
) -> TrainingSet:
    """The training set of a step: gold, correct samples (SFT) or pairs (DPO)."""
    rows = RowMaker(prompt_template=block.prompt_template, add_bos=block.add_bos, codec=codec)
    builder = _Builder(block=block, rows=rows, solutions=solutions)
    if block.correct is not None:
        chosen = builder.correct_samples(block.correct, problems, by_problem(samples))
    elif block.pairs is not None:
        chosen = builder.pairs(block.pairs, problems, by_problem(samples))
    else:
        chosen = builder.gold(problems)
    return without_long_rows(chosen, block.max_length)


@dataclass(frozen=True, kw_only=True)
class _Builder:
    block: SelectBlock
    rows: RowMaker
    solutions: GoldSolutions

    def gold(self, problems: Sequence[Problem]) -> TrainingSet:
        made = [self._gold_rows(problem) for problem in problems]
        rows = tuple(row for each in made for row in each)
        counts = {"problems": len(problems), "rows": len(rows)}
        without = sum(not each for each in made)
        return TrainingSet(rows=rows, counts=counts | ({NO_RATIONALE: without} if without else {}))

    def correct_samples(
        self, rules: CorrectSelection, problems: Sequence[Problem], samples: Mapping[str, list[JudgedSample]]
    ) -> TrainingSet:
        counts: Counter[str] = Counter(problems=len(problems))
        rows: list[SftRow] = []
        for problem in problems:
            own = samples.get(problem.problem_id, [])
            correct = [judged.sample for judged in own if _is_usable_correct(judged)]
            kept = deduplicated(correct, rules.deduplicate)[: rules.max_correct_per_problem]
            counts["samples"] += len(own)
            counts["correct samples"] += len(correct)
            counts["correct samples left out as duplicates or over the cap"] += len(correct) - len(kept)
            rows.extend(self.rows.sample_row(problem, sample) for sample in kept)
            if not kept and rules.without_correct == "gold":
                gold = self._gold_rows(problem)
                counts["problems without a correct sample, gold solution used" if gold else NO_RATIONALE] += 1
                rows.extend(gold)
            elif not kept:
                counts["problems dropped: no correct sample"] += 1
        return TrainingSet(rows=tuple(rows), counts=dict(counts) | {"rows": len(rows)})

    def pairs(
        self, rules: PairSelection, problems: Sequence[Problem], samples: Mapping[str, list[JudgedSample]]
    ) -> TrainingSet:
        counts: Counter[str] = Counter(problems=len(problems))
        rows: list[PairRow] = []
        for problem in problems:
            own = samples.get(problem.problem_id, [])
            correct = [judged.sample for judged in own if _is_usable_correct(judged)]
            wrong = [judged.sample for judged in own if _is_usable_wrong(judged)]
            counts["samples"] += len(own)
            counts["correct samples"] += len(correct)
            drawn = draw_pairs(rules, problem, correct, wrong)
            rows.extend(self.rows.pair_row(problem, chosen, rejected) for chosen, rejected in drawn)
            if not drawn:
                lacking = "correct" if not correct else "wrong"
                counts[f"problems dropped: no {lacking} sample"] += 1
                if rules.without_pair == "stop":
                    raise StepFailed(
                        f"problem {problem.problem_id} has no {lacking} sample, so no pair; the manifest says "
                        "`without_pair: stop` (`drop` would leave such problems out)"
                    )
        return TrainingSet(rows=tuple(rows), counts=dict(counts) | {"rows": len(rows)})

    def _gold_rows(self, problem: Problem) -> list[SftRow]:
        codec = self.rows.codec
        return [
            SftRow(
                problem_id=problem.problem_id,
                iteration=None,
                sample_index=None,
                prompt_ids=self.rows.prompt_ids(problem),
                completion_ids=(*codec.encode(self.block.completion_prefix + solution), codec.eos_id),
            )
            for solution in self.solutions.of(problem)
        ]


def _is_usable_correct(judged: JudgedSample) -> bool:
    """A correct completion that ended by itself: training on a cut one would teach the model not to stop."""
    return judged.outcome is Outcome.CORRECT and judged.sample.finish_reason is FinishReason.STOP


def _is_usable_wrong(judged: JudgedSample) -> bool:
    """Wrong, unparsed, truncated or too slow. A grader that crashed has not judged, and teaches nothing."""
    return judged.outcome not in {Outcome.CORRECT, *UNJUDGED} and len(judged.sample.token_ids) > 0


def _do(block: SelectBlock, work: Work) -> Counts:
    inputs = work.inputs
    judged: list[JudgedSample] = []
    for name in inputs.named("samples."):
        judged.extend(inputs.judged(name, name.replace("samples", "grades")))
    problems, solutions = inputs.problems(), ANSWERS_ALONE
    if inputs.has("rationales"):
        solutions = gold_solutions(block.gold_template, inputs.problems_of("rationales"), problems)
    chosen = select(block, problems, judged, inputs.codec("model"), solutions)
    return write_training_set(work.folder, chosen, pairs=block.pairs is not None)


STAGE: Final = Stage(name="select", block=SelectBlock, do=_do, rated_by_rows=True)
