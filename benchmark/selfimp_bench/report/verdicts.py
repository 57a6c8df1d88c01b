"""The verdict: one sentence, and every finding with the numbers that it rests on."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

from selfimp_bench.manifest.claim_readings import every_reading
from selfimp_bench.manifest.model import Profile
from selfimp_bench.manifest.variants import NOT_JUDGED as A_VARIANT
from selfimp_bench.manifest.variants import variant_of, variant_words
from selfimp_bench.protocols.protocol import AnyManifest
from selfimp_bench.report.summary import UNDEFINED
from selfimp_bench.runs.folders import TABLES
from selfimp_bench.runs.judge import RunFiles, beside_of
from selfimp_bench.verdict.findings import Finding, Findings, PointFinding, Term, Verdict, combine, show

_WORDS = {
    Verdict.NOT_REPRODUCED: "not reproduced",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.NOT_MEASURED: "not measured",
    Verdict.REPRODUCED: "reproduced",
}
NOT_JUDGED = "not judged (smoke)"


@dataclass(frozen=True, kw_only=True)
class Badge:
    """A verdict for the eye: ``style`` names its colours, ``words`` say it without them."""

    style: str
    words: str


@dataclass(frozen=True, kw_only=True)
class PointRow:
    """One point of a value claim, in the reference's unit."""

    cell: str
    measured: str
    reference: str
    reference_id: str
    allowed: str
    badge: Badge
    reason: str
    terms: tuple[Term, ...]


@dataclass(frozen=True, kw_only=True)
class FindingBlock:
    """One finding. ``table`` is the reference table's name and ``table_link`` a link inside the run folder."""

    claim: str
    model: str
    kind: str
    statement: str
    source: str
    source_link: str | None
    table: str | None
    table_link: str | None
    badge: Badge
    reason: str
    points_summary: str
    points: tuple[PointRow, ...]
    interval: str
    problems: str
    terms: tuple[Term, ...]
    problems_to_decide: str
    would_fail: str


@dataclass(frozen=True, kw_only=True)
class BesideRow:
    """A number of a variant beside the published one of the experiment itself."""

    number: str
    model: str
    measured: str
    published: str
    row: str


@dataclass(frozen=True, kw_only=True)
class VerdictView:
    """The top of the report."""

    badge: Badge
    sentence: str
    findings: tuple[FindingBlock, ...]
    beside: tuple[BesideRow, ...] = ()


def verdict_view(run: RunFiles, findings: Findings) -> VerdictView:
    """The sentence and the findings. A smoke run and a variant are not judged, and say so."""
    blocks = tuple(_block(run, finding) for finding in findings.findings)
    if variant := variant_of(run.manifest):
        sentence = f"{A_VARIANT}: {variant_words(variant)}."
        worded = Badge(style="none", words=A_VARIANT)
        return VerdictView(badge=worded, sentence=sentence, findings=(), beside=_beside(run))
    if run.record.profile == Profile.SMOKE:
        sentence = f"{NOT_JUDGED}: every step worked; a smoke run judges no claim of a paper."
        return VerdictView(badge=Badge(style="none", words=NOT_JUDGED), sentence=sentence, findings=blocks)
    if not run.manifest.claims:
        words = "measured, nothing claimed"
        return VerdictView(badge=Badge(style="none", words=words), sentence=f"{words.capitalize()}.", findings=())
    if not blocks:
        sentence = "Nothing was judged: no claim of the manifest is about a model of this run."
        return VerdictView(badge=Badge(style="none", words="not judged"), sentence=sentence, findings=())
    verdicts = Counter(finding.verdict for finding in findings.findings)
    found = ", ".join(f"{verdicts[verdict]} {words}" for verdict, words in _WORDS.items() if verdicts[verdict])
    return VerdictView(
        badge=badge(combine([finding.verdict for finding in findings.findings])),
        sentence=f"{_judged(findings)}: {found}.",
        findings=blocks,
    )


def _beside(run: RunFiles) -> tuple[BesideRow, ...]:
    return tuple(
        BesideRow(
            number=f"{each.claim}: {each.cell.metric} {each.cell.split} t={each.cell.iteration}",
            model=each.model,
            measured=UNDEFINED if each.measured is None else show(each.measured),
            published=each.reference,
            row=each.reference_id,
        )
        for each in beside_of(run)
    )


def badge(verdict: Verdict) -> Badge:
    """How a verdict is shown."""
    return Badge(style=verdict.lower().replace("_", "-"), words=_WORDS[verdict])


def _judged(findings: Findings) -> str:
    total = len(findings.findings)
    claims = len({finding.claim for finding in findings.findings})
    models = len({finding.model for finding in findings.findings})
    if claims == total:
        return f"{total} claim{'s' if total > 1 else ''} judged"
    return f"{total} findings on {claims} claim{'s' if claims > 1 else ''} and {models} models"


def _block(run: RunFiles, finding: Finding) -> FindingBlock:
    table = _table_name(run.manifest, finding.claim)
    return FindingBlock(
        claim=finding.claim,
        model=finding.model,
        kind=finding.kind,
        statement=finding.statement,
        source=finding.source,
        source_link=web_link(run.manifest.paper.url),
        table=table,
        table_link=_table_link(run.folder, table),
        badge=badge(finding.verdict),
        reason=finding.reason,
        points_summary=_points_summary(finding),
        points=tuple(_point(point) for point in finding.points),
        interval=_interval(finding),
        problems=_problems(finding),
        terms=finding.terms,
        problems_to_decide=_to_decide(finding),
        would_fail=finding.would_fail,
    )


def _to_decide(finding: Finding) -> str:
    """What would settle it; empty for a decided one, and where no number alone would."""
    numbers = ((finding.problems_to_decide, "problems like these"), (finding.replicates_to_decide, "replicates"))
    options = [f"about {number} {what}" for number, what in numbers if number is not None]
    return f"{' or '.join(options)} would decide in 80 of 100 runs" if options else ""


def _point(point: PointFinding) -> PointRow:
    low, high = point.low, point.high
    return PointRow(
        cell=f"{point.cell.metric} on {point.cell.split}, t = {point.cell.iteration}",
        measured=f"{UNDEFINED} ({point.reason})" if point.measured is None else _with_unit(point.measured, point.unit),
        reference=f"{point.reference} {point.unit}",
        reference_id=point.reference_id,
        allowed="no interval" if low is None or high is None else f"{show(low)} to {show(high)}",
        badge=badge(point.verdict),
        reason=point.reason,
        terms=point.terms,
    )


def _points_summary(finding: Finding) -> str:
    """How many points gave the verdict; each point has its own reason."""
    deciding = sum(point.verdict is finding.verdict for point in finding.points)
    return f"{deciding} of {len(finding.points)} points {_WORDS[finding.verdict]}"


def _with_unit(value: Decimal, unit: str) -> str:
    return f"{show(value)} {unit}"


def _interval(finding: Finding) -> str:
    """The interval of an order or a trend; empty for a value claim."""
    if finding.interval is not None:
        found = finding.interval
        return f"{show(found.mean)}, interval {show(found.low)} to {show(found.high)}"
    return "" if finding.points else f"{UNDEFINED} ({finding.reason})"


def _problems(finding: Finding) -> str:
    if finding.interval is None:
        return ""
    dropped = f", {finding.interval.dropped} dropped as undefined" if finding.interval.dropped else ""
    return f"{finding.interval.problems} problems{dropped}"


def _table_name(manifest: AnyManifest, claim: str) -> str | None:
    values = [each.value for each in every_reading(manifest.claims) if each.id == claim]
    return values[0].table if values and values[0] is not None else None


def _table_link(folder: Path, table: str | None) -> str | None:
    if table is None or not (folder / TABLES / table).is_file():
        return None
    return quote(f"{TABLES}/{table}")


def web_link(url: str | None) -> str | None:
    """A link only where it leads to the web: ``javascript:`` and the like are shown as text."""
    return url if url is not None and url.startswith(("https://", "http://")) else None
