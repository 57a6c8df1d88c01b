"""The toy generator in the form of CommonsenseQA."""

from collections import Counter

import pytest

from selfimp_bench.measurement import Split
from selfimp_bench.tasks.commonsense_qa import LABELS, gold_answer
from selfimp_bench.tasks.toy_csqa import RELATIONS, generate


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
