"""What is measured of grades, scores and matches: the columns that are used, by problem.

Problems are in the order of their first rows, and the rows of each in their order.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum, isnan, nan
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from selfimp_bench.protocols.verification.metrics.scored import Responses
from selfimp_bench.protocols.verification.metrics.tournament import RoundColumns, Side
from selfimp_bench.steps.columns import cut, floats, grouped, integers, labels
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome

ANSWERS: Final = "extracted"
"""The column of grades that only what responses agree on is measured of."""

GRADE_COLUMNS: Final = ("problem_id", "sample_index", "outcome", "other_outcome")
SCORE_COLUMNS: Final = ("problem_id", "sample_index", "score", "label_mass")
MATCH_COLUMNS: Final = ("problem_id", "round", "a", "b", "judgement", "winner")


@dataclass(frozen=True, kw_only=True, eq=False)
class Graded:
    """The judged responses to one problem: their sample indices, and whether each is right by the rule of extraction
    that decides, and by the other. answers: as the deciding rule extracted them (None: none); None where not read."""

    samples: NDArray[np.int64]
    correct: NDArray[np.bool_]
    other_correct: NDArray[np.bool_]
    answers: NDArray[np.object_] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """A verifier's judgements of the responses to one problem, of each as many as it was asked for.

    scores: NaN where unusable. masses: the probability of both labels together, NaN where none were weighed.
    """

    samples: NDArray[np.int64]
    scores: NDArray[np.float64]
    masses: NDArray[np.float64]

    @property
    def usable(self) -> NDArray[np.float64]:
        """The scores of the usable judgements."""
        return np.asarray(self.scores[~np.isnan(self.scores)])


NOT_SCORED: Final = Scored(samples=np.empty(0, np.int64), scores=np.empty(0), masses=np.empty(0))


def graded(table: pa.Table) -> dict[str, Graded]:
    """By problem id, of a table of grades; a grader that crashed has not judged. Raises ValueError for what is none."""
    names, codes = labels(table["problem_id"])
    judged, correct = _outcomes(table["outcome"])
    _, other = _outcomes(table["other_outcome"])
    answers = None
    if ANSWERS in table.column_names:
        words, places = labels(table[ANSWERS])
        answers = np.array([*words, None], dtype=np.object_)[places]
    problems = grouped(names, codes[judged])
    columns = [column[judged] for column in (integers(table["sample_index"]), correct, other)]
    found = zip(problems.names, *map(problems.parts, columns), strict=True)
    own = [None] * len(names) if answers is None else list(problems.parts(answers[judged]))
    return {
        name: Graded(samples=samples, correct=right, other_correct=other_right, answers=each)
        for (name, samples, right, other_right), each in zip(found, own, strict=True)
    }


def _outcomes(column: pa.ChunkedArray) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """By row whether it was judged, and whether it is right."""
    words, codes = labels(column)
    outcomes = [None if word is None else Outcome(word) for word in words]
    judged = np.array([each not in UNJUDGED for each in outcomes], dtype=np.bool_)
    return judged[codes], np.array([each is Outcome.CORRECT for each in outcomes], dtype=np.bool_)[codes]


def scored(table: pa.Table) -> dict[str, Scored]:
    """By problem id, of a table of scores. Raises ValueError for a score that is not a number."""
    names, codes = labels(table["problem_id"])
    problems = grouped(names, codes)
    scores = floats(table["score"])
    if np.count_nonzero(~np.isfinite(scores)) > table["score"].null_count:
        raise ValueError("a score is not a finite number; expected one, or none where a judgement was not usable")
    columns = (integers(table["sample_index"]), scores, floats(table["label_mass"]))
    return {
        name: Scored(samples=samples, scores=scores, masses=masses)
        for name, samples, scores, masses in zip(names, *map(problems.parts, columns), strict=True)
    }


def responses_of(problem: Graded, judgements: Scored) -> Responses:
    """The graded responses to a problem with a score each: the mean of its usable judgements, none without any.

    Raises ValueError for a response that was not given to the verifier.
    """
    scores = judgements.scores
    if not np.array_equal(judgements.samples, problem.samples):
        means = mean_scores(judgements)
        if missing := [sample for sample in problem.samples.tolist() if sample not in means]:
            raise ValueError(f"sample {missing[0]} is graded, and no verifier was asked about it")
        scores = np.array([means[sample] for sample in problem.samples.tolist()], dtype=np.float64)
    return Responses(samples=problem.samples, correct=problem.correct, scores=scores)


def mean_scores(judgements: Scored) -> Mapping[int, float]:
    """A score for every response, by sample index: the mean of its usable judgements, NaN without any."""
    usable: dict[int, list[float]] = defaultdict(list)
    for sample, score in zip(judgements.samples.tolist(), judgements.scores.tolist(), strict=True):
        usable[sample] += [] if isnan(score) else [score]
    return {sample: fsum(scores) / len(scores) if scores else nan for sample, scores in usable.items()}


def played(table: pa.Table) -> dict[str, tuple[RoundColumns, ...]]:
    """The rounds of every problem as they were played, by problem id, of a table of matches."""
    names, codes = labels(table["problem_id"])
    numbers = integers(table["round"])
    sides, judged = labels(table["judgement"])
    given = [None if side is None else Side(side) for side in sides]
    by_side = [np.array([each is side for each in given], dtype=np.bool_)[judged] for side in Side]
    columns = [*(integers(table[name]) for name in ("a", "b", "winner")), *by_side]
    order = np.lexsort((numbers, codes))
    first = np.flatnonzero(np.diff(codes[order], prepend=-1) | np.diff(numbers[order], prepend=-1))
    found: dict[str, list[RoundColumns]] = {name: [] for name in names}
    parts = [cut(column[order], np.append(first[1:], len(order))) for column in columns] if len(order) else [()] * 5
    for start, a, b, winner, judged_a, judged_b in zip(first.tolist(), *parts, strict=True):
        each = RoundColumns(a=a, b=b, winner=winner, judged_a=judged_a, judged_b=judged_b)
        found[names[codes[order[start]]]].append(each)
    return {name: tuple(rounds) for name, rounds in found.items()}
