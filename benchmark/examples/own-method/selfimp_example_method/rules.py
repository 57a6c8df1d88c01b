"""Which correct samples SFT trains on: those that differ most, after RFT (2308.01825).

RFT ("rejection sampling fine-tuning") keeps solutions with different lists of equations, for more distinct reasoning
paths helped it more. Here so many are kept as the manifest allows: the first, then always the one that differs most
from those kept, by its list of equations first, and by the words that would have to change second.
"""

import re
from collections.abc import Iterator, Sequence

from selfimp_bench.methods import ProblemSamples, Sample

_EQUATION = re.compile(r"[0-9.]+(?:\s*[-+*/]\s*[0-9.]+)+\s*=\s*[0-9.]+")


def most_different(
    problems: Sequence[ProblemSamples],
    *,
    most: int | None,
    seed: int,  # nothing is drawn
) -> Iterator[Sample]:
    """Up to ``most`` correct samples of every problem; of equally different ones the first."""
    for problem in problems:
        waiting = [sample for sample in problem.samples if sample.correct and sample.finished]
        kept: list[Sample] = []
        while waiting and (most is None or len(kept) < most):
            farthest = max(waiting, key=lambda sample: _difference(sample, kept))
            waiting.remove(farthest)
            kept.append(farthest)
        yield from kept


def _difference(sample: Sample, kept: Sequence[Sample]) -> tuple[bool, int]:
    """Whether its equations are new, and the fewest words that differ from one of those kept; larger is more."""
    is_new = all(equations(sample.text) != equations(other.text) for other in kept)
    return is_new, min((edit_distance(sample.text.split(), other.text.split()) for other in kept), default=0)


def equations(text: str) -> tuple[str, ...]:
    """The equations of a solution in order, without spaces: ``("12+7=19",)``."""
    return tuple(re.sub(r"\s", "", found) for found in _EQUATION.findall(text))


def edit_distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Levenshtein's distance: the fewest insertions, deletions and replacements that make one the other."""
    row = list(range(len(other) + 1))
    for index, word in enumerate(one, start=1):
        diagonal, row[0] = row[0], index
        for place, against in enumerate(other, start=1):
            replaced = diagonal + (word != against)
            diagonal, row[place] = row[place], min(replaced, row[place] + 1, row[place - 1] + 1)
    return row[-1]
