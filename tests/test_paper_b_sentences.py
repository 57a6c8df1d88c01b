"""Which claim stands for which sentence of "Mind the Gap": Sections 4 to 6, their takeaways, the appendices."""

import os
import re
from pathlib import Path

import pytest
from support import shipped_suite

from selfimp_bench.manifest.catalog import find
from selfimp_bench.protocols.load import load_experiment

SUITE = shipped_suite("mind-the-gap")
CROSS = tuple(f"{way}.{family}.{by}" for way in ("verifier-up-gap-up", "generator-up-gap-down")
              for family in ("qwen2", "llama-2") for by in ("mc", "cot-score"))  # fmt: skip
ENSEMBLES = ("mc-cot-binary", "mc-cot-score", "cot-binary-cot-score", "all")
MC_NOT_POSITIVE = tuple(
    f"mc-gap-is-not-always-positive.{model}" for model in ("qwen1.5-14b", "qwen1.5-32b", "llama-3-8b", "llama-3.1-8b")
)

# A few words of the sentence, in the order of the paper, and the claims that it is; a name with a slash is the claim of
# one experiment, found in its manifest.
SENTENCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("the improvable generation phenomenon has been well-observed", ("math-gv-gap/responses-are-improvable",)),
    (
        "is non-positive for nearly all verification methods",
        (
            *(f"small-models-do-not-improve.{model}" for model in ("qwen1.5-0.5b", "qwen2-0.5b", "llama-2-7b")),
            "math-small-models-do-not-improve",
        ),
    ),
    ("even though the models have non-trivial generation accuracy", ("small-models-have-accuracy",)),
    ("Some MC verification incurs non-positive gap even for", MC_NOT_POSITIVE),
    ("For each row (a fixed generator), gap increases", CROSS[:4]),
    ("For each column (a fixed verifier), gap decreases", CROSS[4:]),
    ("always has a positive gap for medium/large-sized models", ("cot-gap-is-positive",)),
    (
        "the relative gap grows monotonically with the pre-training flops",
        (
            "relative-gap-is-monotone.cot-score",
            "relative-gap-is-in-order-of-compute",
            "math-relative-gap-is-monotone.cot-score",
        ),
    ),
    (
        "scales linearly with respect to the logarithm of the pre-training flops",
        ("relative-gap-is-linear", "relative-gap-rises-along-a-line"),
    ),
    ("we do not observe a similar trend with the absolute gap", ("gap-scales-less-than-relative-gap",)),
    ("increases as the model capacity (defined by pre-training flops) of the verifier", CROSS[:4]),
    ("decreases as the model capacity of the generator model", CROSS[4:]),
    ("a positive gap cannot always be assured", ("weak-to-strong-is-not-assured",)),
    ("With stable verification, the relative gap increases monotonically", ("relative-gap-is-monotone.cot-binary",)),
    ("The gap scales **directly** with the verifier’s flops and **inversely**", CROSS),
    ("all models have a non-trivial generation accuracy, all gaps are near 0", ("nq-gap-is-near-zero",)),
    ("Only the 72B models can self-improve", ("sudoku-other-models-do-not",)),
    ("the improvement is around 200%", ("sudoku-qwen2-72b-doubles", "sudoku-qwen2-72b-does-not-triple")),
    ("despite all models achieving non-trivial generation accuracy", ("nq-accuracy-is-not-trivial",)),
    ("the gap remains smaller than 1%, or is even negative", ("nq-gap-is-below-one-percent",)),
    (
        "only the largest models, such as Qwen-1.5/2 72B",
        ("sudoku-largest-models-improve", "sudoku-other-models-do-not"),
    ),
    ("(50% – 300% improvement in accuracy)", ("sudoku-improves-by-50-percent", "sudoku-improves-by-300-percent")),
    ("than the improvement in the math task", ("sudoku-improves-more-than-math",)),
    ("as most models demonstrate the ability to self-improve on tasks", ("most-models-improve",)),
    ("There is no significant generation-verification gap", ("nq-gap-is-near-zero",)),
    ("most models fail to self-improve", ("sudoku-most-models-do-not",)),
    ("When improvement occurs, it is notably significant", ("sudoku-improves-by-50-percent",)),
    ("We also perform model update using RL", ("rl-saturates",)),
    ("diminishes nearly to zero within two or three rounds", ("gap-saturates", "gsm8k-iter-rejection/gap-falls")),
    ("The rate of saturation is similar across models", ("gap-saturates-at-one-rate",)),
    (
        "the model accuracy at iteration one exceeds the sum of the generation accuracy and the gap",
        ("first-round-also-learns-the-format",),
    ),
    ("disappears after the first round", ("format-is-learnt-in-one-round",)),
    ("the gap immediately drops to near 0 after the first round", ("mc-saturates-at-once",)),
    (
        "This rapid saturation is consistent across other thresholds",
        ("mc-saturates-at-once-at-other-thresholds",),
    ),
    ("increases with the number of rounds of self-improvement", ("pass-at-small-k-rises",)),
    ("decreases with the number of iterations", ("pass-at-large-k-falls",)),
    (
        "the same phenomena of saturation limit and decrease in effective diversity in the MATH",
        ("math-gap-saturates", "math-pass-at-large-k-falls"),
    ),
    ("LLMs can perform iterative self-improvement with an effective verification", ("iteration-improves",)),
    ("typically saturates after two or three rounds, regardless", ("gap-saturates", "gap-saturates-at-one-rate")),
    ("a decrease in effective diversity, caused by convergence on incorrect", ("pass-at-large-k-falls",)),
    (
        "the gap with respect to the accuracy in the previous iteration generally decreases",
        ("tournament-gains-less-each-round",),
    ),
    ("the mode of the score is at 10 for all models", ("score-mode-is-10",)),
    (
        "is 0.56 with a standard deviation of 0.12",
        ("no-critical-recency-bias", "first-response-is-preferred-with-0.56"),
    ),
    (
        "For MC and Tournament, the gap follows a concave curve",
        ("mc-gap-is-concave-in-the-threshold", "tournament-gains-less-each-round"),
    ),
    (
        "for CoT-Score, it increases monotonically",
        ("cot-score-gap-rises-with-the-threshold", "cot-score-gap-rises-from-8-to-9"),
    ),
    (
        "most models agree on the optimal thresholds",
        tuple(
            f"models-agree-on-the-threshold.{by}" for by in ("mc-quantile", "mc-threshold", "cot-score", "tournament")
        ),
    ),
    ("the variance in the gap is considerably larger with MC", ("mc-gaps-vary-more",)),
    ("CoT slightly improves the accuracy on most questions", ("cot-improves-most-questions",)),
    ("this pattern holds across all models", ("mc-gaps-vary-more",)),
    (
        "the correlations between \\hat{u} are generally low",
        ("scores-correlate-little.qwen1.5-7b", "scores-correlate-little"),
    ),
    (
        "the correlation between CoT verifications are generally the highest",
        ("cot-scores-correlate-most", "gaps-of-one-kind-correlate-most"),
    ),
    ("larger models tend to have a higher correlation", ("larger-models-have-more-correlated-gaps",)),
    ("do not positively correlate with generation accuracy", ("gaps-do-not-follow-accuracy",)),
    (
        "combining any verifications with non-trivial gaps improves",
        tuple(f"ensemble-helps.{each}" for each in ENSEMBLES),
    ),
    ("typically generalize across models", ("models-agree-on-the-threshold.mc-quantile", "mc-gaps-vary-more")),
    ("show non-trivial differences among each other", ("scores-correlate-little",)),
    (
        "Simple verification ensemble heuristics can improve",
        tuple(f"ensemble-helps.{each}.mostly" for each in ENSEMBLES),
    ),
    ("Again, we do not observe scaling phenomenon", ("temperature-gap-does-not-scale",)),
    (
        "We observe the same scaling phenomena in both temperatures",
        ("temperature-0.5-scales", "temperatures-scale-linearly"),
    ),
    ("The only exception is the 14B model with temperature 1", ("temperature-1-scales",)),
    (
        "the improvement in temperature 0.5 setting is less prominent",
        ("temperature-0.5-improves-less", "gsm8k-gv-gap-temperature/colder-improves-less"),
    ),
    ("due to the reduced diversity in the generation", ("gsm8k-gv-gap-temperature/colder-responses-vary-less",)),
    ("We observe that Qwen-1.5-Chat models do not have the scaling", ("qwen1.5-chat-does-not-scale",)),
    ("even the accuracy of the models do not scale monotonically", ("qwen1.5-chat-accuracy-does-not-scale",)),
    ("observe the scaling property on Qwen-2.5-Instruct", ("qwen2.5-instruct-does-not-scale",)),
    ("Llama-2-Chat models demonstrate the scaling property", ("llama-2-chat-scales",)),
    ("there is no degradation of the effective diversity", ("gold-verifier-keeps-diversity",)),
    ("the same degradation in the effective diversity still happens", ("strong-verifier-loses-diversity",)),
    ("the variance behaves differently for the models", ("verifiers-vary-differently",)),
    ("the verification variance is near 0", ("large-verifiers-vary-little",)),
    ("No clear scaling phenomenon of the gap", ("gap-does-not-scale",)),
    ("all gaps are near 0, indicating that the task is non-improvable", ("nq-gap-is-near-zero",)),
    ("saturates (in 4 iterations) with gap diminishing to 0", ("math-gap-saturates",)),
    (
        "observe the same degradation in effective diversity along",
        ("math-pass-at-large-k-falls", "math-pass-at-small-k-rises"),
    ),
)


def test_every_claim_of_the_suite_stands_for_a_sentence_and_every_sentence_has_claims_that_exist() -> None:
    named = {claim for _, claims in SENTENCES for claim in claims}
    assert {claim.id for claim in SUITE.claims} == {claim for claim in named if "/" not in claim}
    for experiment, claim in (name.split("/") for name in named if "/" in name):
        assert claim in [each.id for each in load_experiment(find(experiment)).manifest.claims], experiment


def test_the_sentences_are_the_paper_s_and_in_its_order() -> None:
    data = os.environ.get("SELFIMP_BENCH_DATA")
    path = Path(data or "nowhere").parent / "papers" / "mind_the_gap.txt"
    if data is None or not path.is_file():
        pytest.skip("the paper's text is working material and not shipped")
    text = re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))
    at = 0
    for words, _ in SENTENCES:
        found = text.find(words, at)
        assert found >= 0, words
        at = found
