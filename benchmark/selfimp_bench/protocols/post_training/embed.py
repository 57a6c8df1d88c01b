"""Embedding: the judged samples of one M_t become a Sentence-BERT diversity per problem and side."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal

from selfimp_bench.engines.embed.encoder import Embedder
from selfimp_bench.protocols.post_training.metrics.sbert_diversity import sbert_diversity
from selfimp_bench.steps.select import JudgedSample
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome

Side = Literal["correct", "incorrect"]
ProblemSide = tuple[str, Side]


def outputs_by_side(samples: Iterable[JudgedSample]) -> dict[ProblemSide, list[str]]:
    """The outputs of every problem, correct and incorrect ones apart (2407.05013, Section 5.2), in order.

    Everything judged and not correct is incorrect; what was not judged is on neither side. Both sides of every problem
    are there, if need be empty.
    """
    outputs: dict[ProblemSide, list[str]] = defaultdict(list)
    for judged in samples:
        problem_id, text = judged.sample.problem_id, judged.sample.completion
        correct, incorrect = outputs[problem_id, "correct"], outputs[problem_id, "incorrect"]
        if judged.outcome is Outcome.CORRECT:
            correct.append(text)
        elif judged.outcome not in UNJUDGED:
            incorrect.append(text)
    return dict(outputs)


def sbert_values(samples: Iterable[JudgedSample], embedder: Embedder) -> Mapping[ProblemSide, float | None]:
    """``sbert_diversity`` of each side of each problem in the samples of one M_t; None for fewer than two outputs.

    Only texts of sides with two or more outputs are embedded, all in one call; their vectors are held at once
    (4 x dimensions bytes a text).
    """
    outputs = outputs_by_side(samples)
    paired = [side for side, texts in outputs.items() if len(texts) > 1]
    values: dict[ProblemSide, float | None] = dict.fromkeys(outputs)
    if not paired:
        return values
    vectors = embedder.embed([text for side in paired for text in outputs[side]])
    start = 0
    for side in paired:
        end = start + len(outputs[side])
        values[side] = sbert_diversity(vectors[start:end])
        start = end
    return values
