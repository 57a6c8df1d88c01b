"""Which claim stands for which sentence of "Mind the Gap": Sections 4 to 6, their takeaways, the appendices.

Built from the text: every sentence with a comparison, a number or a trend is a claim, or listed with why it is none.
"""

from paper_sentences import Claimed, NotClaimed, Part, SentenceTests
from support import shipped_suite

from selfimp_bench.manifest.catalog import find
from selfimp_bench.protocols.load import load_experiment

SUITE = shipped_suite("mind-the-gap")
PARTS = (
    Part(first="2 A DISSECTION", last="3 EXPERIMENT"),
    Part(first="4 SCALING", last="7 CONCLUSION"),
    Part(first="C VERIFICATION", last="G GENERATION"),
)
CROSS = tuple(f"{way}.{family}.{by}" for way in ("verifier-up-gap-up", "generator-up-gap-down")
              for family in ("qwen2", "llama-2") for by in ("mc", "cot-score"))  # fmt: skip
ENSEMBLES = ("mc-cot-binary", "mc-cot-score", "cot-binary-cot-score", "all")
MC_NOT_POSITIVE = tuple(
    f"mc-gap-is-not-always-positive.{model}" for model in ("qwen1.5-14b", "qwen1.5-32b", "llama-3-8b", "llama-3.1-8b")
)

# A few words of the sentence, in the order of the paper, and the claims that it is; a name with a slash is the claim of
# one experiment, found in its manifest.
SENTENCES: Claimed = (
    ("the improvable generation phenomenon has been well-observed", ("math-gv-gap/responses-are-improvable",)),
    (
        "it is often observed that the distillation error",
        ("update-error-is-small.below", "update-error-is-small.above"),
    ),
    ("in our experiment we only observe the former scenario", ("format-is-learnt-in-one-round",)),
    (
        "is non-positive for nearly all verification methods",
        (
            *(f"small-models-do-not-improve.{model}" for model in ("qwen1.5-0.5b", "qwen2-0.5b", "llama-2-7b")),
            "math-small-models-do-not-improve",
        ),
    ),
    ("even though the models have non-trivial generation accuracy", ("small-models-have-accuracy",)),
    ("Some MC verification incurs non-positive gap even for", MC_NOT_POSITIVE),
    ("the same observations hold for a range of reasonable", ("temperature-0.5-scales", "temperature-1-scales")),
    ("For each row (a fixed generator), gap increases", CROSS[:4]),
    ("For each column (a fixed verifier), gap decreases", CROSS[4:]),
    ("always has a positive gap for medium/large-sized models", ("cot-gap-is-positive",)),
    (
        "the relative gap grows monotonically with the pre-training flops",
        (
            "relative-gap-is-monotone.cot-score",
            "relative-gap-is-in-order-of-compute",
            "relative-gap-scales-with-compute",
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
    (
        "LLMs demonstrate clear scaling trends in self- and cross-improvement",
        ("relative-gap-is-in-order-of-compute", *CROSS),
    ),
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
    ("LLMs do not universally self-improve", ("nq-gap-is-near-zero", "sudoku-most-models-do-not")),
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
        (
            "math-gap-saturates",
            "math-pass-at-large-k-falls",
            "math-iter-rejection/improves-while-gap-and-diversity-fall",
        ),
    ),
    ("LLMs can perform iterative self-improvement with an effective verification", ("iteration-improves",)),
    ("typically saturates after two or three rounds, regardless", ("gap-saturates", "gap-saturates-at-one-rate")),
    (
        "a decrease in effective diversity, caused by convergence on incorrect",
        (
            "pass-at-large-k-falls",
            "gsm8k-iter-rejection/wrong-answers-gain-majorities",
            "gsm8k-iter-rejection/answers-vary-less",
        ),
    ),
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
        "is consistent across most models when using any fixed",
        ("models-agree-on-the-threshold.mc-quantile", "models-agree-on-the-threshold.cot-score"),
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
    ("saturates more quickly than with CoT", ("mc-saturates-at-once", "gap-saturates")),
    (
        "CoT slightly improves the accuracy on most questions, MC will drive the accuracy to the extreme",
        (
            "cot-improves-most-questions",
            "mc-goes-to-the-extremes",
            "gsm8k-iter-rejection-mc/accuracy-goes-to-the-extremes",
        ),
    ),
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
    (
        "still scales monotonically with respect to the pre-training flops",
        ("temperature-0.5-scales", "temperature-1-scales"),
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
    ("Instruct models do not always have the scaling property", ("qwen1.5-chat-does-not-scale",)),
    ("We observe that Qwen-1.5-Chat models do not have the scaling", ("qwen1.5-chat-does-not-scale",)),
    ("even the accuracy of the models do not scale monotonically", ("qwen1.5-chat-accuracy-does-not-scale",)),
    ("observe the scaling property on Qwen-2.5-Instruct", ("qwen2.5-instruct-does-not-scale",)),
    ("Llama-2-Chat models demonstrate the scaling property", ("llama-2-chat-scales",)),
    ("there is no degradation of the effective diversity", ("gold-verifier-keeps-diversity",)),
    ("the model will not concentrate on any wrong answers", ("gold-verifier-concentrates-on-no-wrong-answer",)),
    (
        "the same degradation in the effective diversity still happens",
        (
            "strong-verifier-loses-diversity",
            "gsm8k-iter-strong-verifier/wrong-answers-gain-majorities",
            "gsm8k-iter-strong-verifier/answers-vary-less",
        ),
    ),
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


SET_UP = "what was done or is shown, not what came out of it"
DEFINITION = "what a quantity is, or what follows from that"
READING = "what the authors make of numbers; the numbers are claims"
CONJECTURE = "the authors call it a hypothesis or likely, or say what would be if"
ADVICE = "what others should do"
OTHERS = "a finding of other papers"
HEADING = "a heading within a line; its paragraph is claimed"
CONSTANT = "it follows from the scores 0 and 1, between which every threshold filters alike"
NOISE = "the paper names no measure of noise and no number; what Appendix D.2 says of the instruct models is claimed"
MAKERS = "the numbers of the models' makers are of another report, which no table of ours has"

NOT_CLAIMED: NotClaimed = {
    MAKERS: ("our accuracy results match the reported number",),
    SET_UP: (
        "In this section, we conduct a",
        "We only sample one due to computational",
        "As a preliminary investigation on",
        "Figure 3: GV-Gaps (%) in cross-improvement",
        "We perform a more in-depth analysis",
        "We visualize the scaling results",
        "In self-improvement, both generator and",
        "To better understand the relationship",
        "We consider the Llama-2 and Qwen-2",
        "Table 1: Gap (%) on Natural Question",
        "Table 2: Generation accuracy, gap",
        "Building on our understanding of",
        "Thus in this section, we study",
        "Figure 4: **Left:** The generation",
        "The horizontal line on the gap plot denotes 0.5%. **Right:**",
        "In our experiment, we perform",
        "To compare the dynamics between",
        "We provide a more detailed study",
        "We also examine the “effective",
        "For completeness, we also repeat",
        "In Appendix D.3, we also perform",
        "Figure 5: Change in the gap as",
        "Figure 6: Change in the generation",
        "Through this particular study, we",
        "Our analysis focuses on how the",
        "We present results for the Qwen-1.5",
        "As the verification methods are",
        "We cluster gaps in bins of intervals with width of 0.005",
        "To further compare the verification",
        "We employ a logical AND operation",
        "In this section, we provide a",
        "Specifically, we tried temperature $t",
        "We repeat the scaling experiment",
        "In this section, we present our",
        "Figure 10: The change of effective",
        "To achieve a better understanding",
        "We consider two settings, the",
        "Specially, we tested Qwen-1.5-72B model",
        "MC denotes Multiple Choice verification",
        "Figure 13: **Top:** The generation",
        "The horizontal line on the gap plot denotes 0.5%. **Bottom:**",
        "Figure 14: Change in the gap",
        "Figure 15: Change in the generation",
        "We cluster gaps in bins of intervals with width of 0.005",
        "Figure 18: The correlation plot",
        "Figure 19: The correlation plot",
        "We set the KL regularization",
        "Algorithm 1 Iterative self-improvement with",
        "Table 8: Hyperparameter for iterative",
    ),
    DEFINITION: (
        "is small (i.e., ℓ -projecting",
        "In this section, we introduce",
        "The goal is to find a generative",
        "We will often drop the subscript",
        "The specific form of w is determined",
        "Note that when $f' = f_t$, we",
        "For any meaningful self-improvement, at",
        "We identify the three key conditions",
        "Improvable Generation.** Our framework involves",
        "Figure 2: A visualization of",
        "When the generator f and verifier",
        "Consider a generator that already",
        "That is, we weigh the gap of",
        "One can also check that, for",
        "²Even under the case that $w(\\hat{u}_g)(x",
        "⁶Given a question, pass@ k is",
        "We label the mean (μ) and standard deviation (σ) of each distribution. **Right:**",
        "In our experiments we consider",
        "Each pair is compared using the",
        "After each round k , the set",
        "This process is repeated until",
        "⁷This batch-style distribution weighting also",
        "Note that the variance ranges",
    ),
    READING: (
        "We believe this result indicates",
        "At first glance, the results",
        "This suggests that certain tasks",
        "Consequently, smaller models may lack",
        "These findings suggest that the",
        "As we argued in the previous",
        "Among the three components of",
        "The non-overlap property of different",
        "This promising outcome indicates that",
        "The consistent improvements across different",
        "The consistency result suggests that",
        "The discovery that simple ensemble",
        "As we discussed in the earlier",
        "This result justifies our choice",
    ),
    CONJECTURE: (
        "For example, if generation were",
        "If the verification capability is",
        "In domains where verification is",
        "For instance, a benchmark may",
        "Conversely, it is conceivable that",
        "However, note that we should",
        "If the relative gap scales linearly",
        "Additionally, results from cross-verification suggest",
        "The primary objective of self-improvement",
        "We hypothesize that, despite sudoku",
        "This requirement is similar in",
        "As no additional information is",
        "This trend may result from the",
        "Addressing the reduction in diversity",
        "However, in general, one should",
        "That said, the consistency in",
        "We conjecture that in this case",
    ),
    OTHERS: (
        "Our results align with recent studies showing",
        "Recent works (Dubois et al.",
        "Generalized sudoku is a canonical",
        "In addition, some latest models",
    ),
    ADVICE: (
        "That said, both cases emphasize",
        "However, considering the computational costs",
        "We believe an interesting future",
        "This, however, might require a",
        "Although our analysis is primarily",
    ),
    HEADING: (
        "Small Models can not Self-improve",
        "CoT Verification is More Stable",
        "gap_{rel}(f) Scales with Pre-training Flops",
    ),
    CONSTANT: (
        "We only present the results for MC with quantile",
        "We only present the results for MC with global",
    ),
    NOISE: ("⁵In Appendix D.2, we repeat a",),
}


class TestSentences(SentenceTests):
    paper = "mind_the_gap.txt"
    parts = PARTS
    claimed = SENTENCES
    not_claimed = NOT_CLAIMED
    counts = (193, 74)


def test_every_claim_of_the_suite_stands_for_a_sentence_and_every_sentence_has_claims_that_exist() -> None:
    named = {claim for _, claims in SENTENCES for claim in claims}
    assert {claim.id for claim in SUITE.claims} == {claim for claim in named if "/" not in claim}
    for experiment, claim in (name.split("/") for name in named if "/" in name):
        assert claim in [each.id for each in load_experiment(find(experiment)).manifest.claims], experiment
