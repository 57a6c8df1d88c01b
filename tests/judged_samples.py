"""Judged samples of one problem, in short: ``c5 w7 w7 u x t``."""

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.steps.rows import JudgedSample, Role, SampleRow
from selfimp_bench.tasks.grading.outcome import Outcome

_OUTCOMES = {
    "c": Outcome.CORRECT,
    "w": Outcome.WRONG,
    "u": Outcome.UNPARSED,
    "x": Outcome.CRASHED,
    "t": Outcome.TRUNCATED,
    "l": Outcome.TOO_LONG,
}


def judged(samples: str, *, problem: str = "p", iteration: int = 1) -> list[JudgedSample]:
    """One sample a word: how it was judged (correct, wrong, unparsed, crashed, truncated, too long a prompt), the
    answer, and after a colon its text, where that is not the word and its place."""
    found = []
    for index, word in enumerate(samples.split()):
        head, _, text = word.partition(":")
        outcome, answer = _OUTCOMES[head[0]], head[1:]
        found.append(
            JudgedSample(
                sample=SampleRow(
                    problem_id=problem,
                    sample_index=index,
                    completion=text or f"{head} {index}",
                    iteration=iteration,
                    role=Role.TRAIN,
                    finish_reason=FinishReason.LENGTH if outcome is Outcome.TRUNCATED else FinishReason.STOP,
                    seed="0",
                    prompt_sha256="",
                    token_ids=() if outcome is Outcome.TOO_LONG else (index + 1,),
                ),
                outcome=outcome,
                other_outcome=None,
                extracted=answer or None,
            )
        )
    return found
