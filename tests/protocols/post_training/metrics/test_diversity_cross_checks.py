"""Every diversity metric against a second implementation that shares no code with it.

distinct_n_reference.jsonl has outputs in the form of each task, and what the published code that the paper builds on
makes of them: AveragedDistinctNgrams of github.com/GuyTevet/diversity-eval at 4fbc680, n from 1 to 5.
(Sentence-BERT diversity against SciPy: test_sbert_diversity.py.)
"""

import json
import random
import re
from collections import Counter
from pathlib import Path
from statistics import mean

import pytest
from real_rows import real_rows

from selfimp_bench.protocols.post_training.metrics.distinct_equations import distinct_equations
from selfimp_bench.protocols.post_training.metrics.distinct_n import distinct_n

REFERENCE = Path(__file__).with_name("distinct_n_reference.jsonl")
PUBLISHED = [json.loads(line) for line in REFERENCE.read_text("utf-8").splitlines()]

NAMES = ["Tom", "Ana", "The shop", "She"]
THINGS = ["apples", "eggs", "dollars", "books"]


def outputs(seed: int) -> list[str]:
    """Up to 50 short solutions that repeat each other in part."""
    draw = random.Random(seed)
    found = []
    for _ in range(draw.randint(1, 50)):
        a, b, c = (draw.randint(1, 6) for _ in range(3))
        lines = [
            f"{draw.choice(NAMES)} has {a} * {b} = {a * b} {draw.choice(THINGS)}.",
            f"So that is {a * b}-{c} = {a * b - c}{draw.choice(['', '.', ' in all.'])}",
        ]
        found.append("\n".join([*lines[: draw.randint(1, 2)], f"#### {a * b - c}"]))
    return found


def counted_distinct_n(texts: list[str], ngram_max: int) -> float:
    """Distinct-n by counting slices of word lists, with words found by a pattern."""
    shares = []
    for n in range(1, ngram_max + 1):
        counts: Counter[str] = Counter()
        for text in texts:
            found = re.findall(r"[^ ]+", re.sub(r"[.\n]", "", text))
            for start in range(len(found) - n + 1):
                counts["\x00".join(found[start : start + n])] += 1
        shares.append(len(counts) / sum(counts.values()))
    return mean(shares)


@pytest.mark.parametrize("case", PUBLISHED, ids=[case["outputs"][0][:20] for case in PUBLISHED])
def test_distinct_n_agrees_with_the_published_code_that_it_follows(case):
    assert distinct_n(case["outputs"], ngram_max=5) == pytest.approx(case["value"], abs=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_distinct_n_agrees_with_a_count_of_slices(seed):
    texts = outputs(seed)
    assert distinct_n(texts, ngram_max=5) == pytest.approx(counted_distinct_n(texts, 5), abs=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_distinct_equations_agrees_with_a_pattern_written_for_these_outputs(seed):
    texts = outputs(seed)
    found = Counter(re.sub(r"\s", "", match) for text in texts for match in re.findall(r"\d+ ?[*-] ?\d+ = -?\d+", text))
    assert distinct_equations(texts) == pytest.approx(len(found) / found.total(), abs=1e-6)


def test_distinct_equations_agrees_with_a_count_of_real_annotations():
    """Fifty solutions at a time, of which only the annotations of whole numbers are left, such as <<48/2=24>>."""
    plain = re.compile(r"<<([1-9][0-9]*(?:[-+*/][1-9][0-9]*)+=[1-9][0-9]*)>>")
    solutions = [plain.findall(row["answer"]) for row in real_rows("gsm8k/train.jsonl")]
    for start in range(0, len(solutions), 50):
        annotated = [each for each in solutions[start : start + 50] if each]
        outputs = ["\n".join(f"So that is <<{equation}>>." for equation in each) for each in annotated]
        counts = Counter(equation for each in annotated for equation in each)
        assert distinct_equations(outputs) == pytest.approx(len(counts) / counts.total(), abs=1e-6)


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        (["250*5 = 1250\n2000-1800 = 200\n200/1250 =0.16"], 1.0),  # 2407.05013, Appendix E
        (["250*5 = 1250", "250 * 5=1250"], 1 / 2),
        (["16 - 3 = 13 eggs. 13 * 2 = $26.", "16-3=13; 13*2=26", "16-4=12; 12*2=24"], 4 / 6),
        (["5+5=10, so 5+5=10", "10-5=5"], 2 / 3),
    ],
)
def test_distinct_equations_by_hand(texts, value):
    assert distinct_equations(texts) == pytest.approx(value, abs=1e-6)
