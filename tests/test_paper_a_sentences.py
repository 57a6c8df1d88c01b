"""Which claim stands for which sentence of "Progress or Regress?": Sections 4 to 6 and the appendices.

Built from the text: every sentence with a comparison, a number or a trend is a claim, or listed with why it is none.
"""

import pytest
from paper_sentences import Claimed, NotClaimed, Part, SentenceTests, assertions
from support import shipped_suite

from selfimp_bench.manifest.catalog import find
from selfimp_bench.protocols.load import load_experiment

SUITE = shipped_suite("progress-or-regress")
PARTS = (Part(first="4 Experiment", last="References"), Part(first="Appendix A", last=None))
PLATEAUS = (
    "plateau-after-4-5",
    *(f"plateau-after-4-5.{method}" for method in ("iter-sft", "iter-dpo", "iter-sft-dpo")),
)
GAINS = tuple(f"gains-{easy}-over-{hard}" for easy in ("csqa", "gsm8k") for hard in ("math", "mbpp"))
NEAR = ("near-perfect-pass-at-n", *(f"near-perfect-pass-at-n.{task}" for task in ("csqa", "gsm8k", "math", "mbpp")))
SIDES = ("correct", "incorrect")
OF_SIDES = tuple(f"{metric}-falls.{side}" for metric in ("sbert-diversity", "distinct-n") for side in SIDES)
OF_EQUATIONS = tuple(f"distinct-equations-falls.{side}" for side in SIDES)

# A name with a slash is the claim of one experiment, which many experiments may make.
SENTENCES: Claimed = (
    (
        "a general trend of improvement in pass@1 accuracy",
        ("improvement-with-iterations", "gsm8k-iter-sft/pass-at-1-rises", "gsm8k-iter-sft/last-above-first"),
    ),
    ("the rate of improvement tends to plateau", PLATEAUS),
    ("LLaMA2-7B demonstrates a relatively higher capacity", ("llama-2-gains-most",)),
    (
        "LLaMA2-7B with Iterative SFT shows an improvement",
        (
            "llama-2-gain-after-5",
            "llama-2-gain-at-best",
            "llama-3-gain-moderate",
            "llama-2-gains-more-than-llama-3",
        ),
    ),
    ("the more capable is not necessarily the model", ("llama-2-gains-more-than-llama-3", "llama-2-gains-most")),
    ("the most capable model generally achieves the highest", ("most-capable-model-is-best",)),
    (
        "LLaMA2-7B achieves the maximum gains on GSM8K",
        (
            "llama-2-gains-most-on-gsm8k-sft",
            "llama-2-best-on-gsm8k-sft",
            "llama-3-best-on-gsm8k-sft",
            "llama-2-stays-below-llama-3",
        ),
    ),
    ("while showing more modest gains on the MATH and MBPP", GAINS),
    ("are relatively easier for the models to resolve", ("easier-than-math", "easier-than-mbpp")),
    ("the best-performing iterative method also changes", ("mistral-csqa-best-method", "mistral-gsm8k-best-method")),
    ("for Mistral-7B on the CSQA dataset", ("mistral-csqa-best-method", "mistral-csqa-gain")),
    ("when applied to the GSM8K dataset", ("mistral-gsm8k-best-method", "mistral-gsm8k-gain")),
    ("that perform well on a task after the initial iteration", ("first-accuracy-decides",)),
    ("those that achieve lower pass@1 accuracy initially", ("first-accuracy-decides",)),
    ("the relationship between correct answer coverage and optimal performance", ("coverage-rule",)),
    ("when the correct answer coverage is high", ("coverage-rule", "gsm8k-iter-sft/coverage")),
    ("when the coverage is lower (), Iterative SFT", ("coverage-rule",)),
    ("the pass@1 accuracy of consistently improves", ("consistent-improvement",)),
    ("the rapid increase in pass@N accuracy", ("pass-at-n-rises", "csqa-iter-sft/improvement-set-rises")),
    ("achieves near-perfect pass@N accuracy on IS(t)", (*NEAR, "csqa-iter-sft/improvement-set")),
    (
        "All methods show a consistent decrease in diversity",
        (
            "diversity-decreases-consistently",
            "diversity-is-lower-at-the-end",
            *(f"math-iter-sft/{claim}" for claim in OF_SIDES),
        ),
    ),
    (
        "evident across all three metrics",
        (
            "equations-decrease-consistently",
            "equations-are-fewer-at-the-end",
            *(f"gsm8k-iter-sft/{claim}" for claim in OF_EQUATIONS),
        ),
    ),
    ("both methods exhibit a reduction in diversity", ("diversity-is-lower-at-the-end",)),
    ("maintains a slightly higher semantic diversity", ("dpo-keeps-semantic-diversity",)),
    (
        "a critical trade-off in iterative self-improvement",
        (
            "consistent-improvement",
            "diversity-is-lower-at-the-end",
            "csqa-iter-sft/pass-at-1-rises-while-diversity-falls",
            "gsm8k-iter-sft/self-improvement-reversal",
        ),
    ),
    (
        "can significantly harm the OOD generalization",
        ("ood-falls", "gsm8k-iter-sft/ood-harmed", "gsm8k-iter-sft-dpo/ood-harmed-more"),
    ),
    (
        "Iterative DPO demonstrates a noticeable improvement",
        ("ood-rises-with-dpo", "gsm8k-iter-dpo/ood-improved", "gsm8k-iter-dpo/ood-improved-more"),
    ),
    ("is widening the performances between the easier and harder", ("disparity-widens-with-dpo",)),
    (
        "stems from fitting simpler problems",
        (
            "dpo-fits-simpler-problems",
            "dpo-at-the-expense-of-complex-problems",
            "gsm8k-iter-dpo/easier-problems-gain",
            "gsm8k-iter-dpo/harder-problems-lose",
        ),
    ),
    (
        "can exacerbate the generalization disparities",
        ("disparity-widens", "disparity-widens-at-every-iteration", "gsm8k-iter-sft/group-disparity-widens"),
    ),
    ("proves to be a robust practice", ("sft-dpo-always-improves",)),
    (
        "declining after the fourth iteration",
        (
            "llama-2-70b-improves",
            "llama-2-70b-peaks-at-4",
            "gsm8k-iter-sft-dpo-70b/rises-to-the-fourth",
            "gsm8k-iter-sft-dpo-70b/declines-after-the-fourth",
        ),
    ),
    (
        "From Figure (b), it is evident",
        ("llama-2-70b-selects-answers", "gsm8k-iter-sft-dpo-70b/improvement-set-rises-to-the-fourth"),
    ),
    ("is a universal phenomenon", ("llama-2-70b-loses-diversity",)),
    (
        "exhibits a certain degree of OOD generalization",
        ("llama-2-70b-generalises", "gsm8k-iter-sft-dpo-70b/ood-improves"),
    ),
    ("an opposing trend compared with the whole accuracy", ("llama-2-70b-generalises", "ood-falls")),
)
FIGURES = {
    "Figure 1": ("gsm8k-iter-sft/pass-at-1",),
    "Figure 2": ("gsm8k-iter-sft/coverage", "gsm8k-iter-sft/pass-at-1.first-model"),
    "Figure 3": ("gsm8k-iter-sft/improvement-set",),
    "Figure 4": ("gsm8k-iter-sft/sbert-diversity", "gsm8k-iter-sft/distinct-n", "gsm8k-iter-sft/distinct-equations"),
    "Figure 5": ("gsm8k-iter-sft/ood-pass-at-1", "gsm8k-iter-sft/group-disparity"),
}
"""What a figure shows, point by point, is claimed beside what is said of it."""

SET_UP = "what was done, not what came out of it"
AIM = "what the authors want, or what would follow from numbers that they do not say they have"
DEFINITION = "what a quantity is"
READING = "what the authors make of numbers; the numbers are claims"
CONJECTURE = "the authors call it a hypothesis, a conjecture or preliminary"
ADVICE = "what others should do, and limits of the work"
OTHERS = "a finding of other papers"
HEADING = "a heading within a line"
DIFFICULTY = "how hard a data set is for any model; what the models solve of it is claimed (easier-than-math)"
FEW_SHOT = (
    "it takes evaluations of tuned models with few-shot prompts; the paper gives neither the examples nor a number, "
    "and no experiment has them"
)
CASE = "of one problem, whose outputs the report has as its case study; over all problems it is claimed"

NOT_CLAIMED: NotClaimed = {
    SET_UP: (
        "Through this analysis, we seek",
        "Our experiments primarily leverages three",
        "More experimental details can be",
        "We perform the three post-training",
        "Based on the results shown in",
        "Formally, we use the following",
        "To better gauge how the model",
        "We apply this evaluative methodology",
        "Generation sampling varies from to",
        "To thoroughly understand the evolution",
        "At each iteration, we sample",
        "Reversal Observation Figure 4 presents",
        "In our pursuit to understand",
        "To evaluate the generalization capability",
        "The MATH algebra test set is",
        "For the sake of measuring OOD",
        "In this paper, we adopt distinct",
        "For a specific element in the",
        "Considering that all queries should",
        "To validate that the phenomenon",
        "Considering the limitation of GPU",
    ),
    AIM: (
        "We aim to determine if models",
        "Despite the extensive exploration of",
        "Transitioning beyond using pass@1 accuracy",
        "An intuitive improvement between and",
        "Notably, if exhibits lower pass@N",
        "In this paper, we foster a comprehensive",
        "Our evaluation, beyond simple pass@1",
        "By broadening the scope of our",
        "Our intention here is to offer",
    ),
    DEFINITION: (
        "In practical experiments, the correctness of an answer",
        "The Sentence-BERT metric assesses semantic",
        "The metric is then 1 minus the",
        "• Group Disparity: This metric",
        "A higher value of Group Disparity",
        "The training objective of SFT",
        "The preference learning dataset includes",
        "Using a theoretical model of",
        "For the Bradley-Terry model, the",
        "More recently, [24] show that",
        "The DPO loss for the language",
        "In evaluating natural language generation",
        "The distinct n-gram measure is",
        "In general , higher distinct-n",
        "Sentence-BERT embedding cosine similarity assesses",
        "The cosine similarity between each",
        "Cosine similarity between two embeddings",
        "The average cosine similarity of",
        "Lower average cosine similarity indicates",
        "In our calculations, we measure",
        "The calculation of this metric",
        "Higher values indicate greater diversity",
        "Although we cannot exhaust the",
    ),
    READING: (
        "This indicates that iterative post-training",
        "This suggests that current post-training",
        "Therefore, with these identifiable variables",
        "As discussed above, the identifiable",
        "Therefore, correct answer coverage can",
        "However, we posit a nuanced perspective:",
        "Selection Optimization for Answer Alignment",
        "Generalization performance provides insight into",
        "As discussed in Section 5.2",
        "This highlights the intricate nature",
        "This real case can vividly display",
    ),
    CONJECTURE: (
        "As outlined in Algorithm 1, we",
        "Based on this observation, we",
        "Traditionally, it has been assumed",
        "In Section 4.2, we mentioned",
        "Additionally, we emphasize that our",
        "It should be noted that we need",
        "We conjecture that with the scaling",
    ),
    ADVICE: (
        "Future approaches should consider strategies",
        "Therefore, research developing more sophisticated",
        "Secondly, our evaluation metrics, although",
        "Thirdly, the iterative nature of",
        "Expanding the range of models",
        "Additionally, developing more sophisticated and",
        "Future studies could also explore",
    ),
    OTHERS: (
        "These metrics have been shown",
        "The resulting algorithm, direct preference",
    ),
    HEADING: (
        "Answer Coverage: Characterizing More Deciding",
        "Trade-Off with Output Diversity",
    ),
    DIFFICULTY: (
        "the task of code generation, as represented by the MBPP",
        "In contrast, the MATH dataset",
        "Compared to GSM8K, addressing MATH",
    ),
    FEW_SHOT: (
        "Meanwhile, we utilize zero-shot prompting",
        "Our comprehensive evaluation across all",
        "Consequently, when LLMs are fine-tuned",
    ),
    CASE: ("Additionally, we will clearly see",),
}


class TestSentences(SentenceTests):
    paper = "progress_or_regress.txt"
    parts = PARTS
    claimed = SENTENCES
    not_claimed = NOT_CLAIMED
    counts = (125, 36)


def test_every_claim_of_the_suite_stands_for_a_sentence_and_every_sentence_has_claims_that_exist() -> None:
    named = {claim for _, claims in SENTENCES for claim in claims} | {
        name for each in FIGURES.values() for name in each
    }
    assert {claim.id for claim in SUITE.claims} == {claim for claim in named if "/" not in claim}
    made = {(member.name, claim.id) for member in SUITE.experiments
        for claim in load_experiment(find(member.name)).manifest.claims}  # fmt: skip
    of_one = {tuple(name.split("/")) for name in named if "/" in name}
    assert of_one <= made
    assert {claim for _, claim in made} == {claim for _, claim in of_one}, "each claim of experiments has its sentence"


@pytest.mark.parametrize("sentence", ["All gaps rise.", "It is 3 times as much.", "A is better than B.", "Most do so."])
def test_a_sentence_with_a_comparison_a_number_or_a_trend_asserts(sentence: str) -> None:
    assert assertions([sentence]) == [sentence]


def test_a_sentence_without_one_does_not() -> None:
    assert assertions(["We use the code of another paper.", "The prompt stands in the appendix."]) == []
