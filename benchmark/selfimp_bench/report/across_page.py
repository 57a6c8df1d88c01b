"""The page across experiments: their verdicts, best iterations side by side, the claims, the paper on itself."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from selfimp_bench.manifest.model import Cell, Metric, Profile
from selfimp_bench.manifest.suite_model import Member, Suite
from selfimp_bench.manifest.variants import NOT_JUDGED as A_VARIANT
from selfimp_bench.manifest.variants import together, variant_words
from selfimp_bench.measurement import Split, best_iteration
from selfimp_bench.plural import plural
from selfimp_bench.report.answer import Answer, answers, grid_columns, summed_up
from selfimp_bench.report.summary import UNDEFINED, Series, number, series_of
from selfimp_bench.report.verdicts import Badge, Matrix, MatrixRow, about_claims, anchor, badge, counted
from selfimp_bench.report.write import REPORT
from selfimp_bench.runs.directions import directions
from selfimp_bench.runs.judge import Judgement, RunFiles
from selfimp_bench.verdict.comparisons import Amount, Place
from selfimp_bench.verdict.findings import Finding, Verdict, combine, show
from selfimp_bench.verdict.paper_check import Outcome, SelfJudgement
from selfimp_bench.verdict.paper_numbers import PublishedNumbers, Range


@dataclass(frozen=True, kw_only=True)
class MemberRow:
    """One of the experiments; without a run (``badge`` says why) it has no link and no counts."""

    name: str
    dataset: str
    method: str
    models: str
    words: str
    counts: tuple[Badge, ...]
    badge: Badge
    link: str | None


@dataclass(frozen=True, kw_only=True)
class ClaimRow:
    """A claim across experiments: the verdict on the runs, and what the paper's own numbers say of it."""

    claim: str
    statement: str
    source: str
    assumed: str | None
    model: str
    badge: Badge
    reason: str
    paper: Badge
    paper_reason: str
    anchor: str
    paper_cases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BestCell:
    """The best iteration of one method; ``won``: no method of the row has a higher one."""

    text: str
    published: str
    won: bool


@dataclass(frozen=True, kw_only=True)
class BestLine:
    """One data set and model: M_1, and the best of every method (None: not run)."""

    dataset: str
    model: str
    coverage: BestCell
    first: BestCell
    methods: tuple[BestCell | None, ...]


@dataclass(frozen=True, kw_only=True)
class AcrossPage:
    """The whole page but its figure."""

    badge: Badge
    sentence: str
    counts_across: tuple[Badge, ...]
    counts_within: tuple[Badge, ...]
    answers: tuple[Answer, ...]
    columns: tuple[str, ...]
    summed_up: str
    matrix: Matrix | None
    members: tuple[MemberRow, ...]
    methods: tuple[str, ...]
    best: tuple[BestLine, ...]
    claims: tuple[ClaimRow, ...]
    paper_counts: str


@dataclass(frozen=True, kw_only=True)
class MemberResult:
    """An experiment with what is claimed across of it, its run and its own judgement."""

    member: Member
    folder: str
    run: RunFiles
    judgement: Judgement


_PAPER_STYLES: Mapping[Outcome, str] = {
    Outcome.SUPPORTED: "reproduced",
    Outcome.CONTRADICTED: "not-reproduced",
    Outcome.WITHIN_READING_ERROR: "inconclusive",
    Outcome.NO_NUMBERS: "none",
}


def across_page(
    across: Suite,
    results: Sequence[MemberResult],
    findings: Sequence[Finding],
    paper: Sequence[SelfJudgement],
    numbers: PublishedNumbers,
) -> AcrossPage:
    """The page from what was run and judged. ``paper`` has one judgement for every claim across, in order."""
    counts = Counter(judged.outcome for judged in paper)
    methods = tuple(dict.fromkeys(member.method for member in across.experiments))
    every = [*findings, *(finding for each in results for finding in each.judgement.findings.findings)]
    unjudged = _unjudged(results)
    moved = tuple(each for result in results for each in _answers(result))
    return AcrossPage(
        badge=_overall(every, unjudged),
        sentence=_sentence(findings, results, unjudged),
        counts_across=() if unjudged else counted(findings),
        counts_within=() if unjudged else counted(every[len(findings) :]),
        answers=moved,
        columns=grid_columns(moved),
        summed_up=summed_up(moved),
        matrix=None if unjudged else _matrix(results),
        members=tuple(_member_row(member, results) for member in across.experiments),
        methods=methods,
        best=tuple(_best_lines(results, methods, numbers)),
        claims=tuple(_claim_row(across, findings, judged) for judged in paper),
        paper_counts=", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome]),
    )


def _unjudged(results: Sequence[MemberResult]) -> tuple[str, str] | None:
    """Why nothing is judged, in a few words and in a sentence; None where it is."""
    if variant := together(each.run.record.variant for each in results):
        return A_VARIANT, f"{A_VARIANT}: {variant_words(variant)}."
    if any(each.run.record.profile == Profile.SMOKE for each in results):
        return "not judged (smoke)", "not judged (smoke): every step worked; a smoke run judges no claim of a paper."
    return None


def _overall(findings: Sequence[Finding], unjudged: tuple[str, str] | None) -> Badge:
    if unjudged or not findings:
        return Badge(style="none", words=unjudged[0] if unjudged else "not judged")
    return badge(combine([finding.verdict for finding in findings]))


def _sentence(findings: Sequence[Finding], results: Sequence[MemberResult], unjudged: tuple[str, str] | None) -> str:
    if unjudged:
        return unjudged[1]
    own = sum(len(each.judgement.findings.findings) for each in results)
    within = f"{plural(own, 'finding')} within {plural(len(results), 'experiment')}"
    return f"{plural(len(findings), 'claim')} across experiments and {within} judged."


def _answers(result: MemberResult) -> Iterator[Answer]:
    """Each called by its experiment, and by its model where there are several."""
    models = result.run.record.models
    for each in answers(result.run.measurements, directions(result.run)):
        name = result.member.name if len(models) == 1 else f"{result.member.name}, {each.model}"
        yield replace(each, model=name)


def _matrix(results: Sequence[MemberResult]) -> Matrix | None:
    """Claims x experiments, of several models the verdict over all; each leads to the claim on the experiment's page.

    None where no experiment has a finding.
    """
    judged = [each for each in results if each.judgement.findings.findings]
    rows: dict[str, dict[str, dict[str, list[Verdict]]]] = {}
    for result in judged:
        titles = about_claims(result.run.manifest)
        for finding in result.judgement.findings.findings:
            own = rows.setdefault(titles[finding.claim], {}).setdefault(finding.claim, {})
            own.setdefault(result.member.name, []).append(finding.verdict)
    names = [each.member.name for each in judged]
    pages = {each.member.name: _page(each) for each in judged}
    groups = tuple(
        (title, tuple(_matrix_row(claim, by_experiment, pages) for claim, by_experiment in claims.items()))
        for title, claims in rows.items()
    )
    return Matrix(columns=tuple(names), groups=groups) if groups else None


def _matrix_row(claim: str, by_experiment: Mapping[str, Sequence[Verdict]], pages: Mapping[str, str]) -> MatrixRow:
    found = {name: badge(combine(verdicts)) for name, verdicts in by_experiment.items()}
    return MatrixRow(
        claim=claim,
        link="",
        marks=tuple(found.get(name) for name in pages),
        links=tuple(f"{page}#{quote(anchor(claim))}" if name in found else "" for name, page in pages.items()),
    )


def _page(result: MemberResult) -> str:
    return quote(f"../../{result.folder}/{REPORT}")


def _member_row(member: Member, results: Sequence[MemberResult]) -> MemberRow:
    found = next((each for each in results if each.member == member), None)
    words = f"left out: {member.pending}" if member.pending is not None else "not run"
    findings = () if found is None else found.judgement.findings.findings
    unjudged = None if found is None else _unjudged([found])
    return MemberRow(
        name=f"{member.name} v{member.version}",
        dataset=member.dataset,
        method=member.method,
        models=", ".join(member.models if found is None else found.run.record.models),
        words=words if found is None else "",
        counts=() if unjudged else counted(findings),
        badge=Badge(style="none", words="no run") if found is None else _overall(findings, unjudged),
        link=None if found is None else _page(found),
    )


def _claim_row(across: Suite, findings: Sequence[Finding], judged: SelfJudgement) -> ClaimRow:
    claim = next(each for each in across.claims if each.id == judged.claim)
    found = next((finding for finding in findings if finding.claim == judged.claim), None)
    return ClaimRow(
        claim=judged.claim,
        statement=judged.statement,
        source=judged.source,
        assumed=claim.assumed,
        model="" if found is None else found.model,
        badge=Badge(style="none", words="not judged") if found is None else badge(found.verdict),
        reason="" if found is None else found.reason,
        paper=Badge(style=_PAPER_STYLES[judged.outcome], words=judged.outcome.value),
        paper_reason=judged.reason,
        anchor=anchor(judged.claim),
        paper_cases=tuple(f"{case.group}: {case.truth}: {case.detail}" for case in judged.cases),
    )


# ---- best iterations side by side ----


def _best_lines(
    results: Sequence[MemberResult], methods: Sequence[str], numbers: PublishedNumbers
) -> Iterator[BestLine]:
    """A line for every data set and model of which greedy pass@1 was measured, in the order of the experiments."""
    keys = dict.fromkeys((each.member.dataset, model) for each in results for model in each.run.record.models)
    for dataset, model in keys:
        own = {each.member.method: each for each in results if each.member.dataset == dataset and _has(each, model)}
        if own:
            first = next(iter(own.values()))
            cells = [_best(own[method], model, numbers) if method in own else None for method in methods]
            defined = [found.value for found in cells if found is not None and found.value is not None]
            highest = max(defined, default=None)
            yield BestLine(
                dataset=dataset,
                model=model,
                coverage=_at_first(first, model, Metric.COVERAGE, numbers),
                first=_at_first(first, model, Metric.PASS_AT_1, numbers),
                methods=tuple(None if each is None else each.cell(highest) for each in cells),
            )


def _has(result: MemberResult, model: str) -> bool:
    return find_series(result, model, Metric.PASS_AT_1) is not None


def find_series(result: MemberResult, model: str, metric: str, split: Split = Split.TEST) -> Series | None:
    """A metric of a model, where the run has it."""
    found = (each for each in series_of(result.run.measurements) if (each.model, each.metric) == (model, metric))
    return next((each for each in found if each.split is split), None)


@dataclass(frozen=True, kw_only=True)
class _Best:
    text: str
    published: str
    value: float | None

    def cell(self, highest: float | None) -> BestCell:
        return BestCell(text=self.text, published=self.published, won=self.value is not None and self.value == highest)


def _best(result: MemberResult, model: str, numbers: PublishedNumbers) -> _Best:
    series = find_series(result, model, Metric.PASS_AT_1)
    assert series is not None  # its line is there because of it
    total = max(series.cells)
    values = [series.cells[t].value if t in series.cells else None for t in range(1, total + 1)]
    at = best_iteration(values)
    places = tuple(place_of(result, model, Metric.PASS_AT_1, t) for t in range(1, total + 1))
    found = numbers.of_amount(Amount(name="", series=places, minus=None))
    value = None if at is None else values[at - 1]
    text = UNDEFINED if value is None else f"{number(value)} at t = {at}"
    return _Best(text=text, published=_shown(found), value=value)


def _at_first(result: MemberResult, model: str, metric: Metric, numbers: PublishedNumbers) -> BestCell:
    series = find_series(result, model, metric)
    value = None if series is None or 1 not in series.cells else series.cells[1].value
    return BestCell(
        text=UNDEFINED if value is None else number(value),
        published=_shown(numbers.of_place(place_of(result, model, metric, 1))),
        won=False,
    )


def place_of(result: MemberResult, model: str, metric: str, iteration: int) -> Place:
    """Where a published number for a metric of an experiment's test problems would stand."""
    return Place(
        experiment=result.member.name,
        dataset=result.member.dataset,
        method=result.member.method,
        model=model,
        cell=Cell(metric=metric, split=Split.TEST, iteration=iteration),
    )


def _shown(found: Range | None) -> str:
    if found is None:
        return ""
    low, high = (round(float(each), 4) for each in (found.low, found.high))
    return show(low) if low == high else f"{show(low)} to {show(high)}"
