"""Judgements become scores."""

import math
from dataclasses import asdict, replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.protocols.verification.judged import mean_scores, scored
from selfimp_bench.protocols.verification.manifest import VerifierKind
from selfimp_bench.protocols.verification.score import SCORE_SCHEMA, score
from selfimp_bench.protocols.verification.verify import JudgementRow


def weighed(correct: float, incorrect: float) -> JudgementRow:
    return JudgementRow(
        problem_id="p",
        sample_index=0,
        repeat=0,
        logprob_correct=correct,
        logprob_incorrect=incorrect,
        text=None,
        finish_reason=None,
        seed=None,
    )


def written(text: str, *, index: int = 0, repeat: int = 0, ended: bool = True) -> JudgementRow:
    return JudgementRow(
        problem_id="p",
        sample_index=index,
        repeat=repeat,
        logprob_correct=None,
        logprob_incorrect=None,
        text=text,
        finish_reason=FinishReason.STOP if ended else FinishReason.LENGTH,
        seed="1",
    )


def test_a_label_s_share_of_both_is_the_score_and_their_sum_the_mass() -> None:
    (row,) = score(VerifierKind.MULTIPLE_CHOICE, [weighed(math.log(0.3), math.log(0.1))])
    assert row.score == pytest.approx(0.75)
    assert row.label_mass == pytest.approx(0.4)
    assert row.outcome == "weighed"


@pytest.mark.parametrize("kind", [VerifierKind.MULTIPLE_CHOICE, VerifierKind.COT_BINARY, VerifierKind.COT_SCORE])
@pytest.mark.parametrize("reason", [FinishReason.TOO_LONG, FinishReason.DROPPED])
def test_a_judgement_that_was_not_asked_for_has_no_score_and_says_so(kind: VerifierKind, reason: FinishReason) -> None:
    silent = replace(written("Score: 7\nCorrectness: correct"), text=None, finish_reason=reason, seed=None)
    (row,) = score(kind, [silent])
    assert (row.outcome, row.score, row.label_mass) == ("did not fit", None, None)


@given(st.floats(-800, 0), st.floats(-800, 0))
def test_a_score_is_a_share_and_swapped_labels_give_its_rest(correct: float, incorrect: float) -> None:
    one, other = score(VerifierKind.MULTIPLE_CHOICE, [weighed(correct, incorrect), weighed(incorrect, correct)])
    assert one.score is not None
    assert other.score is not None
    assert 0 <= one.score <= 1
    assert one.score + other.score == pytest.approx(1)
    assert one.score == pytest.approx(1 - other.score)


@pytest.mark.parametrize(
    ("kind", "text", "ended", "outcome", "value"),
    [
        (VerifierKind.COT_BINARY, "Fine. Correctness: correct", True, "parsed", 1.0),
        (VerifierKind.COT_BINARY, "Correctness: incorrect", True, "parsed", 0.0),
        (VerifierKind.COT_BINARY, "Score: 8", True, "unparsed", None),
        (VerifierKind.COT_SCORE, "Score: 8", True, "parsed", 8.0),
        (VerifierKind.COT_SCORE, "Score: 80", True, "out-of-range", None),
        (VerifierKind.COT_SCORE, "Score: 8", False, "unparsed", None),
    ],
)
def test_a_written_judgement_is_read_by_its_kind(
    kind: VerifierKind, text: str, ended: bool, outcome: str, value: float | None
) -> None:
    (row,) = score(kind, [written(text, ended=ended)])
    assert (row.outcome, row.score, row.label_mass) == (outcome, value, None)


def test_a_response_s_score_is_the_mean_of_its_usable_judgements() -> None:
    texts = ["Score: 8", "nothing", "Score: 5", "Score: 11"]
    rows = score(VerifierKind.COT_SCORE, [written(text, repeat=n) for n, text in enumerate(texts)])
    rows += score(VerifierKind.COT_SCORE, [written("nothing", index=1)])
    (own,) = scored(pa.Table.from_pylist([asdict(row) for row in rows], schema=SCORE_SCHEMA)).values()
    means = mean_scores(own)
    assert means[0] == 6.5
    assert math.isnan(means[1])


def test_no_judgements_give_no_scores() -> None:
    assert scored(SCORE_SCHEMA.empty_table()) == {}
    assert score(VerifierKind.COT_SCORE, []) == ()
