"""Correct-answer coverage: the part of a model's answers that is correct."""


def coverage(correct: int, sampled: int) -> float | None:
    """The share of one problem's samples that is correct, 0 to 1; its mean over problems is the model's coverage.

    Source: 2407.05013, Section 4.2, Eq. 1 and Appendix C, Eq. 12-13: every query weighs the same, so the mean is over
    problems, not over samples. None for no samples. Raises ValueError unless 0 <= correct <= sampled.
    """
    if not 0 <= correct <= sampled:
        raise ValueError(f"{correct} correct of {sampled} samples; expected 0 <= correct <= sampled")
    return correct / sampled if sampled else None
