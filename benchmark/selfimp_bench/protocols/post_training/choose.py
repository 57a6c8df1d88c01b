"""Choosing a temperature and a reward threshold: the grid of an iteration, scored on a part of the training problems.

And sampling all of them at the temperature that was chosen.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Final

import pyarrow as pa

from selfimp_bench.manifest.model import Balance, Grading
from selfimp_bench.protocols.post_training.metrics.balance import balance_score, rewarded
from selfimp_bench.steps.grade import grade
from selfimp_bench.steps.inputs import StepInputs
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.probe import spread
from selfimp_bench.steps.rows import JudgedSample, by_problem, judge
from selfimp_bench.steps.sample import SampleBlock, draw, recorded, sample, sampling, write
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.grading.outcome import Outcome

GRID: Final = "grid.parquet"


@dataclass(frozen=True, kw_only=True)
class ChooseBlock:
    """Score a grid of temperatures and thresholds. Inputs: model, checkpoint, problems.

    ``sample`` is what all problems would be asked, but for the temperature.
    """

    sample: SampleBlock
    grading: Grading
    balance: Balance


@dataclass(frozen=True, kw_only=True)
class ChosenSampleBlock:
    """Sample at the temperature that was chosen. Inputs: model, checkpoint, problems, choice."""

    sample: SampleBlock


@dataclass(frozen=True, kw_only=True)
class GridScore:
    """The balance score, 0 to 1, of one place of the grid: the mean over the problems that were asked."""

    temperature: float
    threshold: float
    score: float


GRID_SCHEMA = pa.schema([("temperature", pa.float64()), ("threshold", pa.float64()), ("score", pa.float64())])


def best(grid: Sequence[GridScore]) -> GridScore:
    """The place with the highest score, the first of equals (2412.17256, Algorithm 1). At least one place."""
    return max(grid, key=lambda each: each.score)


def chosen(inputs: StepInputs, name: str) -> GridScore:
    """What the step behind an input chose."""
    return best(inputs.rows(name, GRID, GridScore))


def scores(balance: Balance, temperature: float, samples: Sequence[JudgedSample]) -> Iterator[GridScore]:
    """The grid's places at one temperature, from what was sampled there of every problem."""
    groups = by_problem(samples).values()
    for threshold in balance.thresholds:
        selected = [rewarded(own, balance.reward, threshold) for own in groups]
        score = fmean(
            balance_score(_correct(each), len(each), enough=balance.enough) if each else 0.0 for each in selected
        )
        yield GridScore(temperature=temperature, threshold=threshold, score=score)


def _correct(samples: Iterable[JudgedSample]) -> int:
    return sum(each.outcome is Outcome.CORRECT for each in samples)


def _choose(block: ChooseBlock, work: Work) -> Counts:
    inputs, balance = work.inputs, block.balance
    problems = spread(inputs.problems(), balance.problems)
    codec, checkpoint = inputs.codec("model"), inputs.checkpoint("checkpoint")
    sampler = work.resuming(block.sample.engine, block.sample.settings)
    of = len(problems) * block.sample.samples_per_problem * len(balance.temperatures)
    grid: list[GridScore] = []
    completions = tokens = 0
    for temperature in balance.temperatures:
        rows = sample(
            at_temperature(block.sample, temperature),
            problems,
            codec,
            sampler,
            checkpoint,
            partial(_tell, work, completions, of),
        )
        completions += len(rows)
        grades = tuple(grade(block.grading, {each.problem_id: each for each in problems}, rows))
        grid += scores(balance, temperature, judge(rows, grades))
        tokens += sum(len(row.token_ids) for row in rows)
    work.folder.write_table(GRID, grid, GRID_SCHEMA)
    place = best(grid)
    words = f"chosen: temperature {place.temperature}, threshold {place.threshold}"
    return {"completions": completions, "tokens": tokens, words: 1}


def _tell(work: Work, before: int, of: int, done: int) -> None:
    work.on_progress(before + done, of)


def at_temperature(block: SampleBlock, temperature: float) -> SampleBlock:
    """The same sampling at another temperature."""
    return replace(block, decoding=replace(block.decoding, temperature=temperature))


def _sample(block: ChosenSampleBlock, work: Work) -> Counts:
    asked = at_temperature(block.sample, chosen(work.inputs, "choice").temperature)
    return write(draw(asked, work.inputs.problems(), work), work)


def _sample_again(block: ChosenSampleBlock, work: Work, own: Path) -> Counts:
    return _sample(block, recorded(work, own))


def _engine(block: ChooseBlock) -> str:
    return block.sample.engine


CHOOSE: Final = Stage(
    name="choose", block=ChooseBlock, do=_choose, engine=_engine, on_device=True, tokens="generated", rated_by_rows=True
)
CHOSEN_SAMPLE: Final = sampling(ChosenSampleBlock, _sample, _sample_again, lambda block: block.sample)
