"""The verdicts: counts, a matrix of claims and models, and every claim once with the numbers that it rests on."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

from selfimp_bench.manifest.claim_readings import every_reading
from selfimp_bench.manifest.model import Claim, Profile
from selfimp_bench.manifest.prior_checks import claimed_cells
from selfimp_bench.manifest.variants import NOT_JUDGED as A_VARIANT
from selfimp_bench.manifest.variants import variant_of, variant_words
from selfimp_bench.plural import plural
from selfimp_bench.protocols.protocol import AnyManifest
from selfimp_bench.report.names import capability, measured_words, titled
from selfimp_bench.report.summary import UNDEFINED, number
from selfimp_bench.runs.folders import TABLES
from selfimp_bench.runs.judge import RunFiles, beside_of
from selfimp_bench.verdict.findings import Finding, Findings, Kind, PointFinding, Term, Verdict, combine

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
    """One finding of a claim. anchor: its id in the page. points_summary, interval: one of them is empty."""

    model: str
    anchor: str
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
class ClaimBlock:
    """A claim and what was found of it, a block for each model. anchor: its id in the page; so many of each verdict."""

    claim: str
    anchor: str
    statement: str
    kind: str
    source: str
    source_link: str | None
    table: str | None
    table_link: str | None
    badges: tuple[Badge, ...]
    findings: tuple[FindingBlock, ...]


@dataclass(frozen=True, kw_only=True)
class ClaimGroup:
    """The claims about one capability."""

    title: str
    claims: tuple[ClaimBlock, ...]


@dataclass(frozen=True, kw_only=True)
class MatrixRow:
    """A claim with its verdict by column; None where it is not about that one. links: to the finding of each.

    measured: the deciding number, where there is one column.
    """

    claim: str
    link: str
    marks: tuple[Badge | None, ...]
    links: tuple[str, ...]
    measured: str = ""


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Claims x ``columns`` (models, or experiments), in groups of rows."""

    columns: tuple[str, ...]
    groups: tuple[tuple[str, tuple[MatrixRow, ...]], ...]


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
    """What was judged. badge: all verdicts as one; counts: so many of each; sentence: what, or why nothing."""

    badge: Badge
    sentence: str
    counts: tuple[Badge, ...] = ()
    groups: tuple[ClaimGroup, ...] = ()
    matrix: Matrix | None = None
    beside: tuple[BesideRow, ...] = ()


def verdict_view(run: RunFiles, findings: Findings) -> VerdictView:
    """What was judged. A smoke run and a variant are not judged, and say so."""
    found = findings.findings
    if variant := variant_of(run.manifest):
        sentence = f"{A_VARIANT}: {variant_words(variant)}."
        return VerdictView(badge=Badge(style="none", words=A_VARIANT), sentence=sentence, beside=_beside(run))
    if run.record.profile == Profile.SMOKE:
        sentence = f"{NOT_JUDGED}: every step worked; a smoke run judges no claim of a paper."
        return VerdictView(
            badge=Badge(style="none", words=NOT_JUDGED), sentence=sentence, groups=claim_groups(run, found)
        )
    if not run.manifest.claims:
        words = "measured, nothing claimed"
        return VerdictView(badge=Badge(style="none", words=words), sentence=f"{words.capitalize()}.")
    if not found:
        sentence = "Nothing was judged: no claim of the manifest is about a model of this run."
        return VerdictView(badge=Badge(style="none", words="not judged"), sentence=sentence)
    groups = claim_groups(run, found)
    return VerdictView(
        badge=badge(combine([finding.verdict for finding in found])),
        sentence=f"{_judged(findings)}.",
        counts=counted(found),
        groups=groups,
        matrix=_matrix(groups, tuple(dict.fromkeys(each.model for each in found))),
    )


def counted(findings: Iterable[Finding]) -> tuple[Badge, ...]:
    """So many of each verdict, the worst first: ``2 inconclusive``, ``13 reproduced``."""
    verdicts = Counter(finding.verdict for finding in findings)
    return tuple(
        Badge(style=badge(verdict).style, words=f"{verdicts[verdict]} {words}")
        for verdict, words in _WORDS.items()
        if verdicts[verdict]
    )


def claim_groups(run: RunFiles, findings: Sequence[Finding]) -> tuple[ClaimGroup, ...]:
    """The claims by what they are about, in the order of the manifest; each once, with all its models."""
    about = about_claims(run.manifest)
    by_claim: dict[str, list[Finding]] = {}
    for finding in findings:
        by_claim.setdefault(finding.claim, []).append(finding)
    groups: dict[str, list[ClaimBlock]] = {}
    for name, own in by_claim.items():
        groups.setdefault(about.get(name, _OTHERS), []).append(_claim_block(run, own))
    return tuple(ClaimGroup(title=title, claims=tuple(claims)) for title, claims in groups.items())


def about_claims(manifest: AnyManifest) -> Mapping[str, str]:
    """What every claim is about, by its id: the title of its group."""
    return {claim.id: _about(claim) for claim in manifest.claims}


_OTHERS = "Other claims"


def _about(claim: Claim) -> str:
    capabilities = dict.fromkeys(capability(cell.metric, cell.split) for cell in claimed_cells(claim))
    return next(iter(capabilities), _OTHERS) if len(capabilities) < 2 else "Several capabilities together"


def _claim_block(run: RunFiles, findings: Sequence[Finding]) -> ClaimBlock:
    first = findings[0]
    table = _table_name(run.manifest, first.claim)
    return ClaimBlock(
        claim=first.claim,
        anchor=anchor(first.claim),
        statement=first.statement,
        kind=first.kind,
        source=first.source,
        source_link=web_link(run.manifest.paper.url),
        table=table,
        table_link=_table_link(run.folder, table),
        badges=(badge(first.verdict),) if len(findings) == 1 else counted(findings),
        findings=tuple(_block(finding) for finding in findings),
    )


def anchor(claim: str, model: str | None = None) -> str:
    """The id in a page of what was found of a claim, or of a claim and a model."""
    return f"claim-{claim}" if model is None else f"claim-{claim}--{model}"


def _matrix(groups: Sequence[ClaimGroup], models: tuple[str, ...]) -> Matrix:
    return Matrix(
        columns=models,
        groups=tuple((group.title, tuple(_matrix_row(claim, models) for claim in group.claims)) for group in groups),
    )


def _matrix_row(claim: ClaimBlock, models: Sequence[str]) -> MatrixRow:
    own = {each.model: each for each in claim.findings}
    only = claim.findings[0] if len(models) == 1 else None
    return MatrixRow(
        claim=claim.claim,
        link=f"#{claim.anchor}",
        marks=tuple(own[model].badge if model in own else None for model in models),
        links=tuple(f"#{own[model].anchor}" if model in own else "" for model in models),
        measured="" if only is None else only.points_summary or only.interval,
    )


def _beside(run: RunFiles) -> tuple[BesideRow, ...]:
    return tuple(
        BesideRow(
            number=f"{each.claim}: {each.cell.metric} {each.cell.split} t={each.cell.iteration}",
            model=each.model,
            measured=UNDEFINED if each.measured is None else number(each.measured),
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
        return f"{plural(total, 'claim')} judged"
    return f"{plural(total, 'finding')} on {plural(claims, 'claim')} and {plural(models, 'model')}"


def _block(finding: Finding) -> FindingBlock:
    return FindingBlock(
        model=finding.model,
        anchor=anchor(finding.claim, finding.model),
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
    problems, replicates = finding.problems_to_decide, finding.replicates_to_decide
    options = [] if problems is None else [f"about {plural(problems, 'problem')} like these"]
    options += [] if replicates is None else [f"about {plural(replicates, 'replicate')}"]
    return f"{' or '.join(options)} would decide in 80 of 100 runs" if options else ""


def _point(point: PointFinding) -> PointRow:
    low, high = point.low, point.high
    return PointRow(
        cell=f"{titled(measured_words(point.cell.metric, point.cell.split))}, t = {point.cell.iteration}",
        measured=f"{UNDEFINED} ({point.reason})" if point.measured is None else _with_unit(point.measured, point.unit),
        reference=f"{point.reference} {point.unit}",
        reference_id=point.reference_id,
        allowed="no interval" if low is None or high is None else f"{number(low)} to {number(high)}",
        badge=badge(point.verdict),
        reason=point.reason,
        terms=point.terms,
    )


def _points_summary(finding: Finding) -> str:
    """How many points gave the verdict; each point has its own reason. Empty where there are none."""
    if not finding.points:
        return ""
    deciding = sum(point.verdict is finding.verdict for point in finding.points)
    return f"{deciding} of {plural(len(finding.points), 'point')} {_WORDS[finding.verdict]}"


def _with_unit(value: Decimal, unit: str) -> str:
    return f"{number(value)} {unit}"


def _interval(finding: Finding) -> str:
    """The interval of an order or a trend; empty for a value claim, and for one of several readings or parts."""
    if finding.interval is not None:
        found = finding.interval
        return f"{number(found.mean)} ({number(found.low)} to {number(found.high)})"
    return "" if finding.points or finding.kind in (Kind.ANY_OF, Kind.ALL_OF) else UNDEFINED


def _problems(finding: Finding) -> str:
    if finding.interval is None:
        return ""
    dropped = f", {finding.interval.dropped} dropped as undefined" if finding.interval.dropped else ""
    return f"{plural(finding.interval.problems, 'problem')}{dropped}"


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
