"""Why a claim got its verdict: the rule in words, every term with its source, and what would decide it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.claim_readings import every_reading
from selfimp_bench.manifest.model import Claim
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.runs.judge import StudyJudgement, judge_study, read_run, read_study_run
from selfimp_bench.verdict.findings import MINIMUM_PROBLEMS, Finding, PointFinding, Verdict, describe
from selfimp_bench.verdict.paired import deciding_problems

PREDICTION_INTERVAL: Final = (
    "A point is reproduced where the measured mean is no further from the reference mean than a run of the same "
    "distribution may be: the prediction half-width, at least what one problem is worth and the reference's own error. "
    "Where a probe saw completions change with their batch, what that can do to the mean widens the half-width. "
    "On problems other than the reference's the run's sampling error counts against either verdict. Every point must "
    "be reproduced, and the confidence is that of all points together."
)
PUBLISHED_VALUE: Final = (
    "A point is reproduced where the measured mean is no further from the published number than that number's own "
    "error, the assumed spread over seeds and the sampling error of both sides allow; where the paper gives several "
    "numbers for it, from the lowest to the highest. Every point must be reproduced, and the confidence is that of all "
    "points together."
)
PAIRED: Final = (
    "Every problem is compared with itself, replicates averaged first, and the problems are resampled. The claim is "
    "reproduced where the whole bootstrap interval lies on the claimed side of 0, and contradicted where it lies on "
    "the other. It speaks of this run's checkpoints, not of other seeds."
)
ACROSS: Final = (
    "The claim becomes comparisons of cells over groups of experiments. Each is an interval from resampled problems: "
    "a yes, a no, or open where it holds 0. All groups, most, one or so many of them must be a yes, as the claim says; "
    "of several readings of the claim one is enough. The level is shared by all comparisons of the claim."
)
ANY_OF: Final = "The claim has several readings; it is reproduced in one of them, and contradicted where all are."
ALL_OF: Final = "The claim has several parts; it is reproduced where all are, and contradicted where one is."


@dataclass(frozen=True, kw_only=True)
class ToDecide:
    """What would settle a finding or one of its points (``cell``; empty for the finding as a whole).

    problems: about how many problems like the run's, were the mean to stay; None where no number of them would.
    """

    model: str
    cell: str
    verdict: Verdict
    problems: int | None
    words: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A claim explained: ``findings`` has one for each model, and none where the run is not judged (smoke)."""

    run: str
    claim: str
    statement: str
    source: str
    judged: bool
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
    return _explanation(judge_study(folder), claim, found.statement, found.source, ACROSS)


def _explanation(judgement: StudyJudgement, claim: str, statement: str, source: str, rule: str) -> Explanation:
    findings = tuple(finding for finding in judgement.findings.findings if finding.claim == claim)
    return Explanation(
        run=judgement.run,
        claim=claim,
        statement=statement,
        source=source,
        judged=judgement.judged,
        rule=rule,
        findings=findings,
        to_decide=tuple(each for finding in findings for each in _to_decide(finding)),
    )


def _require(claim: str, known: Sequence[str], name: str) -> None:
    if claim not in known:
        near = get_close_matches(claim, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"its claims: {', '.join(known)}"
        raise InputError(f"{claim}: {name} makes no such claim; {hint}")


def _rule(claim: Claim) -> str:
    rules = [PAIRED if each.value is None else _OF_VALUES[each.value.rule] for each in every_reading([claim])]
    together = {None: [], "any_of": [ANY_OF], "all_of": [ALL_OF]}[claim.several]
    return "\n\n".join(dict.fromkeys([*together, *rules]))


_OF_VALUES: Mapping[str, str] = {
    "prediction-interval": PREDICTION_INTERVAL,
    "published-value": PUBLISHED_VALUE,
}


def _to_decide(finding: Finding) -> Iterator[ToDecide]:
    for point in finding.points:
        yield ToDecide(
            model=finding.model,
            cell=describe(point.cell),
            verdict=point.verdict,
            problems=point.problems_to_decide,
            words=_of_point(point),
        )
    if not finding.points:
        yield _of_finding(finding)


def _of_point(point: PointFinding) -> str:
    if point.verdict is Verdict.INCONCLUSIVE:
        return _needed(point.problems_to_decide)
    if point.verdict is Verdict.NOT_MEASURED:
        return _UNMEASURED
    return "decided; more problems or seeds would narrow the run's own error, not what the reference allows"


def _of_finding(finding: Finding) -> ToDecide:
    """An order or a trend says how few problems would have done; a claim across experiments has many comparisons."""
    problems, words = finding.problems_to_decide, "decided"
    if finding.verdict is Verdict.NOT_MEASURED:
        words = _UNMEASURED
    elif finding.verdict is Verdict.INCONCLUSIVE:
        words = _needed(problems) if finding.interval is not None else "see the open comparisons among the terms"
    elif finding.interval is not None:
        problems = deciding_problems(finding.interval)
        words = f"decided with {finding.interval.problems} problems; about {problems} like these would have been enough"
    return ToDecide(model=finding.model, cell="", verdict=finding.verdict, problems=problems, words=words)


_UNMEASURED = "no number of problems would: there is no such measurement"


def _needed(problems: int | None) -> str:
    if problems is None:
        return f"more problems, at least {MINIMUM_PROBLEMS}; how many cannot be said from this run"
    return f"about {problems} problems like these, were the mean to stay"
