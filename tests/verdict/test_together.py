"""Findings of a study judged as one."""

from dataclasses import replace

import pytest
from verdict_support import finding

from selfimp_bench.verdict.findings import Finding, Verdict
from selfimp_bench.verdict.together import Together, in_words, together

NUMBERS = "the paper's own numbers"
CLEAR = finding(Verdict.REPRODUCED, 1e-9, 1.0, "clear")
NEAR = finding(Verdict.REPRODUCED, 0.009, 1.0, "near")
AGAINST = finding(Verdict.NOT_REPRODUCED, 1.0, 0.04, "against")


def of(*findings: Finding, own: tuple[bool, ...] | None = None) -> Together:
    return together(findings, own or tuple(False for _ in findings), NUMBERS)


def test_of_twenty_true_claims_one_is_contradicted_by_chance() -> None:
    found = of(*([CLEAR] * 19), AGAINST)
    assert (found.judged, found.contradicted, found.by_chance) == (20, 1, pytest.approx(1.0))


def test_what_stands_alone_need_not_stand_among_many() -> None:
    assert {each.claim for each in of(NEAR).lasting} == {"near"}
    assert {each.claim for each in of(*([replace(CLEAR, claim="other", p_for=0.5)] * 9), NEAR, CLEAR).lasting} == {
        "clear"
    }
    assert {each.verdict for each in of(AGAINST).lasting} == {Verdict.NOT_REPRODUCED}
    assert of(AGAINST, CLEAR, CLEAR).lasting != of(AGAINST).lasting


def test_what_was_not_measured_is_neither_judged_nor_expected_to_fail() -> None:
    missing = finding(Verdict.NOT_MEASURED, 1.0, 1.0)
    found = of(missing, CLEAR)
    assert (found.judged, found.by_chance) == (1, pytest.approx(0.05))
    assert of(missing) == Together(
        numbers=NUMBERS, judged=0, contradicted=0, by_chance=0.0, of_itself=0, of_itself_found=0, lasting=()
    )


def test_what_the_paper_contradicts_itself_is_counted_apart() -> None:
    found = of(AGAINST, CLEAR, AGAINST, own=(True, True, False))
    assert (found.of_itself, found.of_itself_found, found.contradicted) == (2, 1, 2)
    words = in_words(found)
    assert "Of 3 findings 2 are contradicted; by chance alone about 0.15 would be" in words
    assert "The paper's own numbers contradict the claims of 2 of them, and of these 1 are contradicted here" in words
