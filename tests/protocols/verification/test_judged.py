"""What is measured by columns is what a straightforward look at row after row gives, to the last bit."""

from collections import Counter, defaultdict
from dataclasses import asdict
from math import ceil, exp, fsum

import numpy as np
import pyarrow as pa
import pytest

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.protocols.verification.judged import graded, played, responses_of, scored
from selfimp_bench.protocols.verification.metrics.gap import reweigh_all
from selfimp_bench.protocols.verification.metrics.selection import Quantile, Reweight, Threshold
from selfimp_bench.protocols.verification.metrics.tournament import Side, round_accuracies
from selfimp_bench.protocols.verification.score import SCORE_SCHEMA, ScoreRow
from selfimp_bench.protocols.verification.tournament import MATCH_SCHEMA, MatchRow
from selfimp_bench.steps.grade import GRADE_SCHEMA
from selfimp_bench.steps.rows import GradeRow
from selfimp_bench.tasks.grading.outcome import Outcome

SAMPLES, REPEATS = 16, 3
GRADED = (Outcome.CORRECT, Outcome.WRONG, Outcome.CRASHED)
SCORES = (None, 0.1, 0.2, 0.3, 0.7, 9.0)


def _grades(random: np.random.Generator) -> list[GradeRow]:
    """Rows of problems in turn, some of them not judged; of p3 none is."""
    return [
        GradeRow(
            problem_id=f"p{problem}",
            sample_index=index,
            iteration=0,
            role="sample",
            outcome=Outcome.CRASHED if problem == 3 else GRADED[random.choice(3, p=(0.5, 0.4, 0.1))],
            extracted=None if index == 1 else str(index % 3),
            detail=None,
            other_outcome=None if index == 2 else GRADED[random.choice(2)],
            other_extracted=None,
        )
        for index in range(SAMPLES)
        for problem in range(5)
    ]


def _scores(random: np.random.Generator) -> list[ScoreRow]:
    rows = [
        ScoreRow(
            problem_id=f"p{problem}",
            sample_index=index,
            repeat=repeat,
            outcome="usable",
            score=SCORES[random.choice(len(SCORES))],
            label_mass=None,
        )
        for problem in range(5)
        for index in range(SAMPLES)
        for repeat in range(REPEATS)
    ]
    return [rows[place] for place in random.permutation(len(rows))]


def _table(rows: list[GradeRow] | list[ScoreRow] | list[MatchRow], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=schema)


@pytest.mark.parametrize("seed", range(5))
def test_grades_by_columns_are_those_of_the_rows(seed: int) -> None:
    rows = _grades(np.random.Generator(np.random.PCG64(seed)))
    found = graded(_table(rows, GRADE_SCHEMA))
    expected: dict[str, list[GradeRow]] = defaultdict(list)
    for row in rows:
        expected[row.problem_id] += [] if row.outcome is Outcome.CRASHED else [row]
    assert list(found) == list(expected)
    for name, own in expected.items():
        assert found[name].samples.tolist() == [row.sample_index for row in own]
        assert found[name].correct.tolist() == [row.outcome is Outcome.CORRECT for row in own]
        assert found[name].other_correct.tolist() == [row.other_outcome is Outcome.CORRECT for row in own]
        answers = found[name].answers
        assert answers is not None
        assert answers.tolist() == [row.extracted for row in own]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("selection", [Quantile(q=0.8), Threshold(tau=0.3), Reweight(beta=0.7)])
def test_what_a_filter_keeps_by_columns_is_what_it_keeps_of_the_rows(
    seed: int, selection: Quantile | Threshold | Reweight
) -> None:
    random = np.random.Generator(np.random.PCG64(seed))
    grades, scores = _grades(random), _scores(random)
    judgements = scored(_table(scores, SCORE_SCHEMA))
    own = graded(_table(grades, GRADE_SCHEMA))
    weighed = reweigh_all({name: responses_of(each, judgements[name]) for name, each in own.items()}, selection)
    for name, each in weighed.items():
        rows = [row for row in grades if row.problem_id == name and row.outcome is not Outcome.CRASHED]
        means = [_mean_score(row, scores) for row in rows]
        weights = _weights(means, selection)
        kept = fsum(w for w, row in zip(weights, rows, strict=True) if row.outcome is Outcome.CORRECT)
        assert each.responses == len(rows)
        assert each.unscored == means.count(None)
        assert each.accuracy == (sum(row.outcome is Outcome.CORRECT for row in rows) / len(rows) if rows else None)
        assert each.reweighted == (kept / fsum(weights) if fsum(weights) else None)


def _mean_score(row: GradeRow, scores: list[ScoreRow]) -> float | None:
    place = (row.problem_id, row.sample_index)
    usable = [each.score for each in scores if (each.problem_id, each.sample_index) == place and each.score is not None]
    return fsum(usable) / len(usable) if usable else None


def _weights(means: list[float | None], selection: Quantile | Threshold | Reweight) -> list[float]:
    known = sorted(mean for mean in means if mean is not None)
    if isinstance(selection, Reweight):
        return [0.0 if mean is None else exp((mean - known[-1]) / selection.beta) for mean in means]
    if isinstance(selection, Quantile):
        cut = known[ceil(round(selection.q * 10) * (len(known) - 1) / 10)] if known else 0.0
    else:
        cut = selection.tau
    return [float(mean is not None and mean >= cut) for mean in means]


@pytest.mark.parametrize("seed", range(5))
def test_rounds_by_columns_are_those_of_the_rows(seed: int) -> None:
    """Rows by round, then problem, as a tournament writes them; a match in five is decided by a coin."""
    random = np.random.Generator(np.random.PCG64(seed))
    correct = {f"p{problem}": random.random(8) < 0.5 for problem in range(3)}
    entrants = {name: list(range(8)) for name in correct}
    rows, expected = [], {name: [grades.mean()] for name, grades in correct.items()}
    preferred: Counter[tuple[str, Side | None]] = Counter()
    for number in (1, 2, 3):
        for name, own in entrants.items():
            winners = []
            for a, b in zip(own[::2], own[1::2], strict=True):
                side = (Side.A, Side.B, None)[random.choice(3, p=(0.4, 0.4, 0.2))]
                winners.append({Side.A: a, Side.B: b, None: (a, b)[random.choice(2)]}[side])
                preferred[name, side] += 1
                rows.append(_match(name, number, a, b, side, winners[-1]))
            entrants[name] = winners
            expected[name].append(correct[name][winners].mean())
    found = played(_table(rows, MATCH_SCHEMA))
    for name, rounds in found.items():
        assert round_accuracies(np.arange(8), correct[name], rounds) == tuple(expected[name])
        assert Counter((name, side) for each in rounds for side in each.judgements) == Counter(
            {key: count for key, count in preferred.items() if key[0] == name}
        )


def _match(name: str, number: int, a: int, b: int, side: Side | None, winner: int) -> MatchRow:
    return MatchRow(
        problem_id=name,
        round=number,
        a=a,
        b=b,
        outcome="usable",
        judgement=side,
        winner=winner,
        text="",
        finish_reason=FinishReason.STOP,
        seed="0",
    )


def test_a_graded_response_that_no_verifier_was_asked_about_is_refused() -> None:
    random = np.random.Generator(np.random.PCG64(0))
    own = graded(_table(_grades(random), GRADE_SCHEMA))["p0"]
    few = [row for row in _scores(random) if row.sample_index != own.samples[-1]]
    with pytest.raises(ValueError, match=f"sample {own.samples[-1]} is graded"):
        responses_of(own, scored(_table(few, SCORE_SCHEMA))["p0"])


def test_a_score_that_is_not_a_number_is_refused() -> None:
    row = ScoreRow(problem_id="p", sample_index=0, repeat=0, outcome="usable", score=float("nan"), label_mass=None)
    with pytest.raises(ValueError, match="not a finite number"):
        scored(_table([row], SCORE_SCHEMA))
