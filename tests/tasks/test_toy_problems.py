"""What all toy generators promise: pure, extending, and splits that never meet."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Split
from selfimp_bench.steps.dataset import problems_digest
from selfimp_bench.tasks import toy_csqa, toy_math, toy_mbpp, toy_nq
from selfimp_bench.tasks.grading.choice import grade_choice
from selfimp_bench.tasks.grading.code_run import grade_code
from selfimp_bench.tasks.grading.math_answer import grade_math
from selfimp_bench.tasks.grading.nq_open import grade_nq_open
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.tiny_gsm import pool_of

Generate = Callable[..., tuple[Problem, ...]]

GENERATORS = {"csqa": toy_csqa.generate, "math": toy_math.generate, "mbpp": toy_mbpp.generate, "nq": toy_nq.generate}
GRADERS = {"csqa": grade_choice, "math": grade_math, "mbpp": grade_code, "nq": grade_nq_open}
PREFIXES = {"csqa": " ", "math": " ", "mbpp": "\n", "nq": " "}
ROWS = 75

every_generator = pytest.mark.parametrize("generate", GENERATORS.values(), ids=GENERATORS)
every_split = pytest.mark.parametrize("split", list(Split))


@every_generator
@every_split
def test_the_same_seed_gives_the_same_rows(generate: Generate, split: Split) -> None:
    assert generate(split, count=40, seed=3) == generate(split, count=40, seed=3)


@every_generator
@every_split
def test_another_seed_gives_other_rows(generate: Generate, split: Split) -> None:
    mine, others = ({p.question for p in generate(split, count=40, seed=seed)} for seed in (3, 4))
    assert mine != others


@every_generator
@settings(max_examples=20)
@given(small=st.integers(0, 40), extra=st.integers(0, 40), seed=st.integers(0, 5))
def test_a_larger_count_extends_the_list(generate: Generate, small: int, extra: int, seed: int) -> None:
    longer = generate(Split.TEST, count=small + extra, seed=seed)
    assert longer[:small] == generate(Split.TEST, count=small, seed=seed)
    assert len(longer) == small + extra


@every_generator
def test_splits_never_share_a_question_or_an_id(generate: Generate) -> None:
    problems = [p for split in Split for p in generate(split, count=ROWS, seed=7)]
    assert set(Counter(p.question for p in problems).values()) == {1}
    assert set(Counter(p.problem_id for p in problems).values()) == {1}


@every_generator
def test_train_and_test_stay_apart_across_seeds(generate: Generate) -> None:
    train = {pool_of(p.question) for p in generate(Split.TRAIN, count=50, seed=11)}
    test = {pool_of(p.question) for p in generate(Split.TEST, count=50, seed=12)}
    assert not train & test


@every_generator
def test_more_rows_than_there_are_questions_are_refused(generate: Generate) -> None:
    with pytest.raises(InputError, match=r"has no more than \d+ problems of split ood, found count 2000; lower it"):
        generate(Split.OOD, count=2000, seed=1)


@pytest.mark.parametrize("task", GENERATORS)
def test_gold_answers_are_graded_correct(task: str) -> None:
    for problem in (p for split in Split for p in GENERATORS[task](split, count=30, seed=5)):
        for gold in problem.answers or (problem.answer,):
            both = GRADERS[task](f"{PREFIXES[task]}{gold}", problem, truncated=False)
            assert (both.strict.outcome, both.flexible.outcome) == (Outcome.CORRECT, Outcome.CORRECT), problem


@pytest.mark.parametrize("task", GENERATORS)
def test_the_rows_of_seed_one_are_pinned(task: str) -> None:
    problems = [p for split in Split for p in GENERATORS[task](split, count=50, seed=1)]
    assert problems_digest(problems) == PINNED[task]


PINNED = {
    "csqa": "86aaed2f2f18e21ebdec2e4fe8d2bd643df5a350d28054ef1a4c3c692368d9d8",
    "math": "6ca819c8cd5f9768fbf072debfdef719013980813a1b66948c3c83953d7c9894",
    "mbpp": "1c9b130d9d6f3475e7c87e737f331c6bcf918ecf517c91bae1d977e8765aa668",
    "nq": "eba00f910cc2cb7a06d45540c940429c21be7cdd30407cafebfb23a1b9bdf2d0",
}
