"""The toy generator in the form of CommonsenseQA."""

from collections import Counter

import pytest

from selfimp_bench.measurement import Split
from selfimp_bench.tasks.commonsense_qa import LABELS, gold_answer
from selfimp_bench.tasks.toy_csqa import RATIONALES_EACH, RELATIONS, generate, generate_rationales


def test_each_question_has_five_different_choices_and_a_label_for_answer() -> None:
    for problem in (p for split in Split for p in generate(split, count=75, seed=7)):
        assert problem.choices is not None
        assert len(set(problem.choices)) == len(LABELS)
        assert gold_answer(problem) in LABELS


def test_each_label_is_right_sometimes() -> None:
    assert set(Counter(p.answer for p in generate(Split.TRAIN, count=75, seed=7))) == set(LABELS)


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_each_relation_has_answers_enough_for_five_choices(relation: object) -> None:
    assert isinstance(relation, type(RELATIONS[0]))
    assert len(relation.answers) >= len(LABELS)


def test_train_and_ood_share_no_answer() -> None:
    train, ood = ({answer for r in RELATIONS if r.held_out is held for answer in r.answers} for held in (False, True))
    assert not train & ood


def test_choices_stand_in_alphabetical_order() -> None:
    assert all(sorted(p.choices or ()) == list(p.choices or ()) for p in generate(Split.TEST, count=75, seed=7))


@pytest.mark.parametrize("split", list(Split))
def test_every_problem_has_several_rationales_that_name_its_answer(split: Split) -> None:
    problems = generate(split, count=30, seed=7)
    rows = generate_rationales(split, count=30 * RATIONALES_EACH, seed=7)
    assert [row.problem_id for row in rows] == [p.problem_id for p in problems for _ in range(RATIONALES_EACH)]
    for problem in problems:
        texts = {row.answer for row in rows if row.problem_id == problem.problem_id}
        right = (problem.choices or ())[LABELS.index(problem.answer or "")]
        assert len(texts) == RATIONALES_EACH > 1
        assert all(right in str(text) for text in texts)


def test_fewer_rationales_are_the_first_of_more() -> None:
    assert generate_rationales(Split.TRAIN, count=4, seed=7) == generate_rationales(Split.TRAIN, count=9, seed=7)[:4]
