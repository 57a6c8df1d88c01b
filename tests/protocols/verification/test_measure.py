"""The measuring of verifications on hand-made judgements: what each number is, and that every one has an error."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from math import log

import pyarrow as pa
import pytest

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.protocols.verification.judged import graded, played, scored
from selfimp_bench.protocols.verification.manifest import (
    Ensemble,
    Filtered,
    Judging,
    PromptFile,
    Selection,
    VerificationMeasure,
    VerificationMetric,
    VerifierKind,
    VerifierMethod,
)
from selfimp_bench.protocols.verification.measure import MeasureGapBlock, Point, measure_gaps
from selfimp_bench.protocols.verification.metrics.tournament import Side
from selfimp_bench.protocols.verification.score import SCORE_SCHEMA, ScoreRow
from selfimp_bench.protocols.verification.tournament import MATCH_SCHEMA, MatchRow
from selfimp_bench.steps.grade import GRADE_SCHEMA
from selfimp_bench.steps.measured import Measured
from selfimp_bench.steps.rows import GradeRow
from selfimp_bench.tasks.grading.outcome import Outcome

M = VerificationMetric
FILE = PromptFile(path="x.txt", sha256="0" * 64)
CORRECT = {"p": (True, False, False, False), "q": (True, True, False, False)}


def judging(repeats: int, unparsed: str = "no-score", at_most: float | None = None) -> Judging:
    return Judging(
        repeats=repeats,
        temperature=1.0,
        top_p=1.0,
        top_k=-1,
        max_tokens=8,
        stop=(),
        unparsed=unparsed,  # type: ignore[arg-type]
        unusable_at_most=at_most,
    )


def binary(name: str, repeats: int = 1, at_most: float | None = None) -> VerifierMethod:
    return VerifierMethod(
        id=name,
        kind=VerifierKind.COT_BINARY,
        file=FILE,
        judging=judging(repeats, at_most=at_most),
        selections=(Selection(threshold=0.5),),
    )


def table(rows: Sequence[GradeRow | ScoreRow | MatchRow], schema: pa.Schema) -> pa.Table:
    """As a step writes them."""
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=schema)


TOURNAMENT = VerifierMethod(id="t", kind=VerifierKind.TOURNAMENT, file=FILE, judging=judging(1, "coin"), rounds=2)


def grades() -> list[GradeRow]:
    return [
        GradeRow(
            problem_id=name,
            sample_index=index,
            iteration=0,
            role="sample",
            outcome=Outcome.CORRECT if right else Outcome.WRONG,
            extracted=None,
            detail=None,
            other_outcome=Outcome.WRONG,
            other_extracted=None,
        )
        for name, own in CORRECT.items()
        for index, right in enumerate(own)
    ]


def verdicts(by_response: dict[str, tuple[tuple[float | None, ...], ...]]) -> list[ScoreRow]:
    return [
        ScoreRow(
            problem_id=name,
            sample_index=index,
            repeat=repeat,
            outcome="usable" if score is not None else "unparsed",
            score=score,
            label_mass=None,
        )
        for name, responses in by_response.items()
        for index, own in enumerate(responses)
        for repeat, score in enumerate(own)
    ]


def match(name: str, number: int, a: int, b: int, judgement: Side | None, winner: int) -> MatchRow:
    return MatchRow(
        problem_id=name,
        round=number,
        a=a,
        b=b,
        outcome="usable" if judgement else "unparsed",
        judgement=judgement,
        winner=winner,
        text="",
        finish_reason=FinishReason.STOP,
        seed="0",
    )


def measured(
    metrics: tuple[VerificationMetric, ...],
    verification: tuple[VerifierMethod, ...],
    *,
    scores: dict[str, list[ScoreRow]] | None = None,
    matches: dict[str, list[MatchRow]] | None = None,
    correlate: tuple[Filtered, ...] | None = None,
) -> dict[str, tuple[float | None, float | None]]:
    """Value and standard error of every measurement."""
    whole = measured_whole(metrics, verification, scores=scores, matches=matches, correlate=correlate)
    return {each.metric: (each.value, each.standard_error) for each in whole.measurements}


def measured_whole(
    metrics: tuple[VerificationMetric, ...],
    verification: tuple[VerifierMethod, ...],
    *,
    scores: dict[str, list[ScoreRow]] | None = None,
    matches: dict[str, list[MatchRow]] | None = None,
    correlate: tuple[Filtered, ...] | None = None,
    ensembles: tuple[Ensemble, ...] = (),
) -> Measured:
    block = MeasureGapBlock(
        model="m",
        replicate=0,
        iterations=0,
        temperatures=None,
        extraction="strict",
        measure=VerificationMeasure(metrics=metrics, k=(), empty_filter="zero", correlate=correlate),
        verification=verification,
        verifiers=("self",),
        ensembles=ensembles,
    )
    point = Point(
        iteration=0,
        temperature=None,
        grades=graded(table(grades(), GRADE_SCHEMA)),
        scores={name: scored(table(rows, SCORE_SCHEMA)) for name, rows in (scores or {}).items()},
        matches={name: played(table(rows, MATCH_SCHEMA)) for name, rows in (matches or {}).items()},
    )
    return measure_gaps(block, [point])


A, B = Side.A, Side.B


def test_a_tournament_s_preference_is_counted_over_all_rounds_and_in_each() -> None:
    matches = [
        *(match("p", 1, 0, 1, A, 0), match("p", 1, 2, 3, B, 3), match("p", 2, 0, 3, A, 0)),
        *(match("q", 1, 0, 1, B, 1), match("q", 1, 2, 3, None, 2), match("q", 2, 1, 2, B, 2)),
    ]
    found = measured((M.FIRST_PREFERRED,), (TOURNAMENT,), matches={"t": matches})
    assert {name: value for name, (value, _) in found.items()} == {
        "first-preferred.t": pytest.approx((2 / 3 + 0) / 2),
        "first-preferred.t.r1": pytest.approx((1 / 2 + 0) / 2),
        "first-preferred.t.r2": pytest.approx((1 + 0) / 2),
    }


def test_the_variance_of_verdicts_has_a_mean_and_the_shares_of_responses_with_at_most_so_much() -> None:
    """Variances: p has 0, 3/16, 1/4 and 0, q four times 0."""
    sure, split, half = (1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 0.0), (1.0, 0.0, None, 1.0)
    rows = verdicts({"p": (sure, split, half, (0.0,) * 4), "q": (sure,) * 4})
    found = {
        name: value
        for name, (value, _) in measured((M.JUDGEMENT_VARIANCE,), (binary("v", 4),), scores={"v": rows}).items()
    }
    assert found.pop("judgement-variance.v") == pytest.approx((7 / 16 / 4 + 0) / 2)
    assert len(found) == 10
    assert found["judgement-variance.v.to0.025"] == found["judgement-variance.v.to0.175"] == (2 / 4 + 1) / 2
    assert found["judgement-variance.v.to0.2"] == (3 / 4 + 1) / 2
    assert found["judgement-variance.v.to0.25"] == 1.0


def test_gaps_have_a_share_of_problems_above_0_a_deviation_and_correlations_each_with_an_error() -> None:
    """Verifier v keeps the right response of p and one right one of q, w everything: gaps of 3/4 and 1/2, and 0."""
    rows = {
        "v": verdicts({"p": ((1.0,), (0.0,), (0.0,), (0.0,)), "q": ((1.0,), (0.0,), (0.0,), (0.0,))}),
        "w": verdicts({"p": ((1.0,), (0.0,), (1.0,), (0.0,)), "q": ((0.0,), (0.0,), (1.0,), (1.0,))}),
    }
    picked = tuple(Filtered(verifier=name, selection=Selection(threshold=0.5)) for name in ("v", "w"))
    metrics = (M.GAP, M.GAP_POSITIVE, M.GAP_SPREAD, M.SCORE_CORRELATION, M.GAP_CORRELATION, M.GAP_ACCURACY_CORRELATION)
    found = measured(metrics, (binary("v"), binary("w")), scores=rows, correlate=picked)
    assert found["gap.v.t0.5"][0] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found["gap.w.t0.5"][0] == pytest.approx((1 / 4 - 1 / 2) / 2)
    assert (found["gap-positive.v.t0.5"][0], found["gap-positive.w.t0.5"][0]) == (1.0, 0.5)
    assert found["gap-sd.v.t0.5"][0] == pytest.approx(1 / 4 / 2**0.5)
    # p: (1, 1), (0, 0), (0, 1), (0, 0); q: (1, 0), (0, 0), (0, 1), (0, 1)
    assert found["score-correlation.v+w"][0] == pytest.approx(
        (1 / 8 - 2 / 8 * 4 / 8) / (3 / 16 * 1 / 4) ** 0.5, abs=1e-12
    )
    assert found["gap-correlation.v.t0.5+w.t0.5"][0] == pytest.approx(1.0)
    assert found["gap-accuracy-correlation.v.t0.5"][0] == pytest.approx(-1.0)
    assert all(error is not None for _, error in found.values())


# Of eight responses two have no usable judgement by v, none by w.
UNREAD = {
    "v": verdicts({"p": ((1.0,), (None,), (0.0,), (None,)), "q": ((1.0,), (0.0,), (0.0,), (0.0,))}),
    "w": verdicts({"p": ((1.0,), (0.0,), (1.0,), (0.0,)), "q": ((0.0,), (0.0,), (1.0,), (1.0,))}),
}
BOTH = tuple(Filtered(verifier=name, selection=Selection(threshold=0.5)) for name in ("v", "w"))
RESTING = (M.ACCURACY, M.GAP, M.KEPT_SHARE, M.SCORED_SHARE, M.SCORE_CORRELATION, M.GAP_CORRELATION)


def _unread(at_most: float | None) -> Measured:
    verification = (binary("v", at_most=at_most), binary("w", at_most=at_most))
    metrics = (*RESTING, M.GAP_ACCURACY_CORRELATION)
    return measured_whole(metrics, verification, scores=UNREAD, correlate=BOTH, ensembles=(Ensemble(members=BOTH),))


def test_above_the_bound_of_unusable_judgements_nothing_that_rests_on_the_verifier_has_a_value() -> None:
    found = {each.metric: each for each in _unread(0.2).measurements}
    blocked = {name for name, each in found.items() if each.value is None}
    assert blocked == {
        *("gap.v.t0.5", "gap.v.t0.5.left-out", "kept-share.v.t0.5", "gap-accuracy-correlation.v.t0.5"),
        *("gap.and(v.t0.5+w.t0.5)", "gap.and(v.t0.5+w.t0.5).left-out", "kept-share.and(v.t0.5+w.t0.5)"),
        *("score-correlation.v+w", "gap-correlation.v.t0.5+w.t0.5"),
    }
    assert found["scored-share.v"].value == pytest.approx((2 / 4 + 1) / 2)
    assert found["gap.v.t0.5"].reason == (
        "v: the judgement's format was not followed: 2 of 8 responses have no usable judgement, and unusable_at_most "
        "is 0.2: nothing measured"
    )
    assert (found["gap.v.t0.5"].n, found["gap.v.t0.5"].undefined) == (0, 2)
    values = {each.value for each in _unread(0.2).problem_values if each.metric in blocked}
    assert values == {None}


@pytest.mark.parametrize("at_most", [0.25, None])
def test_at_the_bound_or_without_one_everything_is_measured_and_the_same(at_most: float | None) -> None:
    measured_all = _unread(at_most)
    assert all(each.value is not None for each in measured_all.measurements)
    assert measured_all == _unread(None)


def test_above_the_bound_of_undecided_matches_a_tournament_has_no_value() -> None:
    matches = [
        *(match("p", 1, 0, 1, A, 0), match("p", 1, 2, 3, B, 3), match("p", 2, 0, 3, A, 0)),
        *(match("q", 1, 0, 1, B, 1), match("q", 1, 2, 3, None, 2), match("q", 2, 1, 2, None, 2)),
    ]
    metrics = (M.GAP, M.SCORED_SHARE, M.TOURNAMENT_STEPS, M.FIRST_PREFERRED)
    for at_most, blocks in ((0.3, True), (0.4, False)):
        tournament = replace(TOURNAMENT, judging=judging(1, "coin", at_most))
        found = measured_whole(metrics, (tournament,), matches={"t": matches}).measurements
        assert all((each.value is None) == (blocks and each.metric != "scored-share.t") for each in found)
    reasons = {
        each.reason
        for each in measured_whole(
            (M.GAP,), (replace(TOURNAMENT, judging=judging(1, "coin", 0.3)),), matches={"t": matches}
        ).measurements
    }
    assert reasons and all("2 of 6 matches have no usable judgement" in str(reason) for reason in reasons)


def test_what_responses_agree_on_is_measured_by_problem() -> None:
    """p has one right of four, q two of four; no response has an answer that was extracted."""
    found = measured((M.EXTREME_SHARE, M.WRONG_MAJORITY, M.ANSWER_ENTROPY), (binary("v"),), scores={"v": []})
    assert found["extreme-share"][0] == found["wrong-majority"][0] == 0.0
    of_p = (3 / 4 * log(4 / 3) + 1 / 4 * log(4)) / log(4)
    assert found["answer-entropy"][0] == pytest.approx((of_p + 1 / 2) / 2)
