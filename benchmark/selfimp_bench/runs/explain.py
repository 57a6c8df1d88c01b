"""Why a claim got its verdict: the rule in words, every term with its source, and what would decide it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.claim_readings import every_reading
from selfimp_bench.manifest.model import Claim, Variation
from selfimp_bench.manifest.suite_model import Suite, SuiteClaim, readings
from selfimp_bench.runs.judge import StudyJudgement, judge_study, read_run, read_study_run
from selfimp_bench.verdict.findings import Finding, Verdict, brief

PUBLISHED: Final = (
    "A point lies inside where the measured mean is no further from the published number than another run of the same "
    "would be: Student's t of the spread over seeds (what is known of the measurement, of the published runs and of "
    "this run's replicates, each weighing as its degrees of freedom), and the number's own error; where a paper gives "
    "several numbers, from the lowest to the highest. More replicates narrow it. Where the problems are others, the "
    "sampling error counts against either verdict. The claim is contradicted where a point lies outside (5 of 100 for "
    "all points together), and reproduced where all lie inside, without help of the run's own spread, and the run is "
    "told (1 of 100) from what would refute the claim: else that would look the same, and nothing is decided."
)
COMPARED: Final = (
    "Every problem is compared with itself, replicates averaged first. Two errors count: which problems there are, and "
    "the spread over seeds (what is known of the measurement, and this run's replicates). The claim is reproduced "
    "where numbers this far on the claimed side would come out in at most 1 of 100 runs were the truth at the bound, "
    "and contradicted where numbers this far on the other side would in at most 5 of 100."
)
UNDEFINED: Final = (
    "A replicate in which a measurement is undefined leaves the claim unmeasured, whatever its form: what made it "
    "undefined is no chance, and the other replicates do not stand for it."
)
TOGETHER: Final = (
    "The claim becomes comparisons, and needs so many of them: all (each at its level), or at least k of m (the "
    "(m - k + 1)-fold of the k-th smallest p). The greatest of several is above others where one of them is above all "
    "of those. It is contradicted where so many fail that no k can be left, likewise."
)
ANY_OF: Final = "The claim has several readings, which share the level; one is to be reproduced, or all contradicted."
ALL_OF: Final = "The claim has several parts; it is reproduced where all are, and contradicted where one is."


@dataclass(frozen=True, kw_only=True)
class ToDecide:
    """What would settle a finding, and what would have made it fail.

    problems, replicates: how many, either alone, would decide in 80 of 100 runs, were the truth what was measured; None
    where no number of them would, or where it is decided.
    """

    model: str
    verdict: Verdict
    problems: int | None
    replicates: int | None
    words: str
    would_fail: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A claim explained: ``findings`` has one for each model, and none where the run is not judged (smoke, or a
    ``variant``)."""

    run: str
    claim: str
    statement: str
    source: str
    judged: bool
    variant: tuple[Variation, ...]
    rule: str
    findings: tuple[Finding, ...]
    to_decide: tuple[ToDecide, ...]


def explain(folder: Path, claim: str) -> Explanation:
    """A claim of a finished study, across its experiments or of the one there is.

    Raises InputError for a claim that is not made.
    """
    run = read_study_run(folder)
    return _explain_one(folder, claim) if run.across is None else _explain_across(folder, run.across, claim)


def _explain_one(folder: Path, claim: str) -> Explanation:
    manifest = read_run(folder).manifest
    known = {each.id: each for each in manifest.claims}
    _require(claim, tuple(known), manifest.name)
    found = known[claim]
    return _explanation(judge_study(folder), claim, found.statement, found.source, _rule(found))


def _explain_across(folder: Path, across: Suite, claim: str) -> Explanation:
    known = {each.id: each for each in across.claims}
    _require(claim, tuple(known), across.name)
    found = known[claim]
    return _explanation(judge_study(folder), claim, found.statement, found.source, _rule_across(found))


def _explanation(judgement: StudyJudgement, claim: str, statement: str, source: str, rule: str) -> Explanation:
    findings = tuple(finding for finding in judgement.findings.findings if finding.claim == claim)
    return Explanation(
        run=judgement.run,
        claim=claim,
        statement=statement,
        source=source,
        judged=judgement.judged,
        variant=judgement.variant,
        rule=rule,
        findings=findings,
        to_decide=tuple(_to_decide(finding) for finding in findings),
    )


def _require(claim: str, known: Sequence[str], name: str) -> None:
    if claim not in known:
        near = get_close_matches(claim, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"its claims: {', '.join(known)}"
        raise InputError(f"{claim}: {name} makes no such claim; {hint}")


def _rule(claim: Claim) -> str:
    rules = [COMPARED if each.value is None else PUBLISHED for each in every_reading([claim])]
    return "\n\n".join(dict.fromkeys([*_SEVERAL[claim.several], *rules, UNDEFINED]))


def _rule_across(claim: SuiteClaim) -> str:
    rules = [COMPARED if each.equals is None else PUBLISHED for each in readings(claim)]
    return "\n\n".join(dict.fromkeys([*_SEVERAL[claim.several], TOGETHER, *rules, UNDEFINED]))


_SEVERAL: Final[Mapping[str | None, tuple[str, ...]]] = {None: (), "any_of": (ANY_OF,), "all_of": (ALL_OF,)}


def _to_decide(finding: Finding) -> ToDecide:
    return ToDecide(
        model=finding.model,
        verdict=finding.verdict,
        problems=finding.problems_to_decide,
        replicates=finding.replicates_to_decide,
        words=_decided(finding),
        would_fail=finding.would_fail,
    )


def _decided(finding: Finding) -> str:
    effect = finding.smallest_effect
    size = "" if effect is None else f"; in 80 of 100 runs it takes a truth {brief(effect)} away to decide it"
    if finding.verdict is Verdict.NOT_MEASURED:
        return "no number of problems would: there is no such measurement"
    if finding.verdict is not Verdict.INCONCLUSIVE:
        return f"decided{size}"
    options = [
        f"about {number} {what}"
        for number, what in ((finding.problems_to_decide, "problems"), (finding.replicates_to_decide, "replicates"))
        if number is not None
    ]
    needed = " or ".join(options)
    if needed:
        return f"{needed}, in 80 of 100 runs, were the truth what was measured{size}"
    return f"neither more problems nor more replicates alone, were the truth what was measured{size}"
