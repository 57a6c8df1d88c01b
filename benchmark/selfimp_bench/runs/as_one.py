"""All findings of a study's run judged as one, beside what its reference numbers contradict themselves."""

from collections.abc import Callable, Iterator, Sequence

from selfimp_bench.manifest.model import Claim
from selfimp_bench.manifest.reference_table import ReferenceTable
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.verdict.check import tables_of
from selfimp_bench.verdict.comparisons import Truth
from selfimp_bench.verdict.findings import Finding
from selfimp_bench.verdict.paper_check import (
    Outcome,
    SelfJudgement,
    self_judgement,
    suite_self_judgement,
    suite_tables,
)
from selfimp_bench.verdict.together import Together, together

OwnFindings = tuple[Sequence[Claim], Sequence[str], Sequence[Finding]]
"""An experiment's claims, the models that ran, and what was found."""


def as_one(
    across: Suite, findings: Sequence[Finding], own: Sequence[OwnFindings], table: Callable[[str], ReferenceTable]
) -> Together:
    """The findings across experiments and within them. table: the reference table of a name."""
    judgements = {
        each.claim: each for each in suite_self_judgement(across, [table(name) for name in suite_tables(across)])
    }
    marked = [(each, _contradicted(judgements[each.claim])) for each in findings]
    for claims, models, found in own:
        marked += _within(claims, models, found, table)
    return together([each for each, _ in marked], [mark for _, mark in marked], across.paper.numbers)


def _within(
    claims: Sequence[Claim], models: Sequence[str], found: Sequence[Finding], table: Callable[[str], ReferenceTable]
) -> Iterator[tuple[Finding, bool]]:
    """A claim is of all models; a finding about one of them is contradicted by the numbers of that one."""
    judgements = {each.claim: each for each in self_judgement(claims, models, tables_of(claims, table))}
    for each in found:
        own = judgements[each.claim]
        against = {case.group.rpartition(": ")[2].partition(",")[0] for case in own.cases if case.truth is Truth.NO}
        yield each, _contradicted(own) and each.model in against


def _contradicted(judgement: SelfJudgement) -> bool:
    return judgement.outcome is Outcome.CONTRADICTED
