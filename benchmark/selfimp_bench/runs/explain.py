"""Why a claim got its verdict: the rule in words, every term with its source, and what would decide it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.claim_readings import every_reading
from selfimp_bench.manifest.model import Claim
from selfimp_bench.protocols.load_suite import load_suite
from selfimp_bench.runs.judge import Judgement, judge_run, read_run
from selfimp_bench.runs.suite import check_suite, read_suite_record
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


def explain_run(folder: Path, claim: str) -> Explanation:
    """A claim of a finished experiment. Raises InputError for a claim that its manifest does not make."""
    run = read_run(folder)
    known = {each.id: each for each in run.manifest.claims}
    _require(claim, tuple(known), run.manifest.name)
    judgement: Judgement = judge_run(folder)
    findings = [finding for finding in judgement.findings.findings if finding.claim == claim]
    found = known[claim]
    return _explanation(folder, claim, found.statement, found.source, judgement.judged, _rule(found), findings)


def explain_suite(folder: Path, claim: str) -> Explanation:
    """A claim across the experiments of a suite's finished run. Raises InputError for a claim it does not make."""
    judgement = check_suite(folder)
    suite = load_suite(folder / read_suite_record(folder).suite_file)
    known = {each.id: each for each in suite.claims}
    _require(claim, tuple(known), suite.name)
    findings = [finding for finding in judgement.findings.findings if finding.claim == claim]
    found = known[claim]
    return _explanation(folder, claim, found.statement, found.source, judgement.judged, ACROSS, findings)


def _explanation(
    folder: Path, claim: str, statement: str, source: str, judged: bool, rule: str, findings: Sequence[Finding]
) -> Explanation:
    return Explanation(
        run=str(folder),
        claim=claim,
        statement=statement,
        source=source,
        judged=judged,
        rule=rule,
        findings=tuple(findings),
        to_decide=tuple(each for finding in findings for each in _to_decide(finding)),
    )


def _require(claim: str, known: Sequence[str], name: str) -> None:
    if claim not in known:
        near = get_close_matches(claim, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"its claims: {', '.join(known)}"
        raise InputError(f"{claim}: {name} makes no such claim; {hint}")


def _rule(claim: Claim) -> str:
    rules = [PAIRED if each.value is None else _OF_VALUES[each.value.rule] for each in every_reading([claim])]
    return "\n\n".join(dict.fromkeys(rules if claim.any_of is None else [ANY_OF, *rules]))


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
    """An order or a trend says how few problems would have done; a suite's claim is a matter of many comparisons."""
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
