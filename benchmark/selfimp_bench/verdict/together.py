"""All findings of a study together: what chance alone would contradict, and what lasts when all are judged as one.

Every claim is contradicted at a level of its own (``AGAINST_LEVEL``), so that of many true ones some are. Holm's
procedure holds the level for all of them together: what it leaves stands however many claims there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from selfimp_bench.verdict.findings import AGAINST_LEVEL, FOR_LEVEL, Finding, Verdict, brief
from selfimp_bench.verdict.inference import holm


@dataclass(frozen=True, kw_only=True)
class Lasting:
    """A finding that stands when all findings are judged as one."""

    claim: str
    model: str
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Together:
    """Counts over the findings of a study.

    judged: those that have numbers. contradicted: NOT_REPRODUCED. by_chance: how many of them to expect were every
    claim true. of_itself: how many of the judged are of claims that the paper's own numbers contradict;
    of_itself_found: how many of these are contradicted here. lasting: what Holm's procedure leaves. numbers: whose the
    reference numbers are, in words.
    """

    numbers: str
    judged: int
    contradicted: int
    by_chance: float
    of_itself: int
    of_itself_found: int
    lasting: tuple[Lasting, ...]


def together(findings: Sequence[Finding], of_itself: Sequence[bool], numbers: str) -> Together:
    """Findings as one. of_itself: of each whether the reference numbers contradict its claim; ``numbers``: whose."""
    measured = [
        (each, own) for each, own in zip(findings, of_itself, strict=True) if each.verdict is not Verdict.NOT_MEASURED
    ]
    judged = [each for each, _ in measured]
    contradicted = [each for each in judged if each.verdict is Verdict.NOT_REPRODUCED]
    own = [each for each, is_own in measured if is_own]
    kept = zip(
        judged,
        holm((each.p_for for each in judged), FOR_LEVEL),
        holm((each.p_against for each in judged), AGAINST_LEVEL),
        strict=True,
    )
    return Together(
        numbers=numbers,
        judged=len(judged),
        contradicted=len(contradicted),
        by_chance=len(judged) * AGAINST_LEVEL,
        of_itself=len(own),
        of_itself_found=sum(each.verdict is Verdict.NOT_REPRODUCED for each in own),
        lasting=tuple(
            Lasting(
                claim=each.claim,
                model=each.model,
                verdict=Verdict.REPRODUCED if reproduced else Verdict.NOT_REPRODUCED,
            )
            for each, reproduced, against in kept
            if reproduced or against
        ),
    )


def in_words(found: Together) -> str:
    """The counts in a few sentences."""
    lasting = [sum(each.verdict is verdict for each in found.lasting) for verdict in _LASTING]
    return (
        f"Of {found.judged} findings {found.contradicted} are contradicted; by chance alone about "
        f"{brief(found.by_chance)} would be, were every claim true. {found.numbers.capitalize()} contradict the claims "
        f"of {found.of_itself} of them, and of these {found.of_itself_found} are contradicted here. Judged as one "
        f"(Holm), {lasting[0]} reproduced and {lasting[1]} contradicted findings stand."
    )


_LASTING = (Verdict.REPRODUCED, Verdict.NOT_REPRODUCED)
