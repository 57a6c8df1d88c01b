"""How studies, plans and findings look in a terminal.

What only one command shows is imported where it is shown.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.text import Text

from selfimp_bench.cli.console import STYLES, Column, Table, plain, table
from selfimp_bench.manifest.variants import NOT_JUDGED, sensitivity_of, variant_words
from selfimp_bench.plural import plural
from selfimp_bench.protocols.registry import protocol_of
from selfimp_bench.verdict.comparisons import Truth
from selfimp_bench.verdict.findings import Finding, Kind, Term, Verdict, brief, tail_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from selfimp_bench.manifest.conflicts import RecordedConflict
    from selfimp_bench.manifest.model import Claim
    from selfimp_bench.manifest.suite_model import Suite, SuiteClaim
    from selfimp_bench.protocols.protocol import AnyManifest
    from selfimp_bench.runs.describe import Assumption
    from selfimp_bench.runs.explain import Explanation
    from selfimp_bench.runs.judge import Judgement, StudyJudgement
    from selfimp_bench.runs.validate import PaperJudgement, Validation
    from selfimp_bench.tasks.sandbox.selftest import SelfTest
    from selfimp_bench.verdict.panel import Paneled
    from selfimp_bench.verdict.paper_check import Outcome, SelfJudgement

_CASES = 2
"""Contradicting groups shown for a claim; `--json` has them all."""

_ROWS = 3
"""Rows shown for a recorded conflict, likewise."""


def manifest_lines(manifest: "AnyManifest") -> Iterator[str]:
    """A manifest in a few lines for a person; `show --json` has it whole."""
    yield f"{manifest.name} v{manifest.version}: {manifest.title}"
    yield manifest.summary
    yield f"from       {manifest.paper.title}, {manifest.paper.section}"
    yield f"models     {', '.join(model.id for model in manifest.models)}"
    yield f"data       {', '.join(f'{s} {d.id} ({d.rows})' for s, d in manifest.datasets.by_split().items())}"
    yield from protocol_of(manifest).summary_lines(manifest)
    engines = manifest.engines
    yield f"engines    {engines.sampler} samples, {engines.trainer} trains, on {engines.device}"
    if (probe := engines.probe) is not None:
        size = f"{plural(probe.prompts, 'test problem')} x {plural(probe.samples, 'sample')}"
        yield f"probe      {size}, replayed in other batches"


def experiment_parts(
    *,
    manifest: "AnyManifest",
    manifest_digest: str,
    assumptions: "Sequence[Assumption]",
    conflicts: "Sequence[RecordedConflict]",
) -> "Iterator[RenderableType]":
    """An experiment with its claims, its assumptions, and the recorded conflicts about its claims' numbers."""
    yield from (Text(line) for line in manifest_lines(manifest))
    yield Text(f"digest     {manifest_digest}")
    yield _claims(manifest.claims)
    if listed := sensitivity_of(manifest):
        rows = [(each.field, ", ".join(map(str, each.values)), each.reason) for each in listed]
        yield table(f"\nMay be varied (--vary FIELD=VALUE), not judged ({len(rows)})", ("field", "values", "why"), rows)
    yield _assumed(("what", "value", "why"), [(item.path, item.value, item.reason) for item in assumptions])
    if conflicts:
        rows = [(each.id, each.says, " against ".join(each.between)) for each in conflicts]
        yield table(f"\nThe source contradicts itself about these numbers ({len(rows)})", ("id", "", "places"), rows)


def across_parts(across: "Suite") -> "Iterator[RenderableType]":
    """Several experiments in a few lines, with the claims across them; `show --json` has all of each."""
    yield Text(f"{across.name} v{across.version}: {across.title}")
    yield Text(across.summary)
    yield Text(f"from         {across.paper.title}, {across.paper.section}")
    for member in across.experiments:
        yield Text(f"experiment   {member.name} v{member.version}: {', '.join(member.models)}")
    if across.claims:
        yield _claims(across.claims)
    if assumed := [(each.id, each.assumed) for each in across.claims if each.assumed is not None]:
        yield _assumed(("claim", "why"), assumed)


def _claims(claims: "Sequence[Claim | SuiteClaim]") -> Table:
    rows = [(claim.id, claim.statement, claim.source) for claim in claims]
    return table(f"\nClaims ({len(rows)})", ("id", "statement", "source"), rows)


def _assumed(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    return table(f"\nAssumed, because the source does not say ({len(rows)})", columns, rows)


def findings_tables(judgement: "StudyJudgement") -> "Iterator[RenderableType]":
    """The findings of every experiment, then those across them."""
    for each in judgement.experiments:
        yield from findings_table(each)
    if judgement.together is not None:
        from selfimp_bench.verdict.together import in_words

        yield f"\n{judgement.study}: {in_words(judgement.together)}"
    if judgement.across and judgement.findings.findings:
        yield from _findings(f"\n{judgement.study}: findings across experiments", judgement.findings.findings)


def findings_table(judgement: "Judgement") -> "Iterator[RenderableType]":
    """A line for each finding, why what was not reproduced was not, and a closing line."""
    if judgement.variant:
        yield from _variant(judgement)
        return
    if not judgement.judged:
        yield f"{judgement.experiment}: not judged (smoke): every step worked; a smoke run judges no claim of a paper"
        yield from _too_long(judgement)
        return
    if not judgement.claimed:
        yield f"{judgement.experiment}: measured, nothing claimed; the report has the numbers"
        yield from _too_long(judgement)
        return
    if not judgement.findings.findings:
        yield f"{judgement.experiment}: nothing was judged: no claim is about a model that ran"
        return
    if judgement.probes:
        from selfimp_bench.steps.probe import probe_words

        yield from (f"{model}: {probe_words(probed)}\n" for model, probed in judgement.probes.items())
    yield from (f"{words}\n" for words in _too_long(judgement))
    yield from _findings(f"{judgement.experiment}: findings", judgement.findings.findings)


_FINDINGS = (
    Column(name="verdict", room="whole"),
    Column(name="claim", room="whole"),
    Column(name="model", room="whole"),
    Column(name="measured", room="cut", at_least=6),
    Column(name="held against", room="cut", at_least=12),
    Column(name="statement", room="cut", at_least=30),
)
_MODEL = 2


def _findings(title: str, findings: "Sequence[Finding]") -> "Iterator[RenderableType]":
    """A line each; below them the reasons of what was not reproduced, and the counts."""
    several = len({finding.model for finding in findings}) > 1
    shown = [place for place in range(len(_FINDINGS)) if several or place != _MODEL]
    rows = [_finding_row(finding) for finding in findings]
    yield Table(title, [_FINDINGS[place] for place in shown], [[row[place] for place in shown] for row in rows])
    for finding in findings:
        if finding.verdict is not Verdict.REPRODUCED:
            who = f"{finding.claim} ({finding.model})" if several else finding.claim
            yield Text("\n") + _verdict(finding.verdict) + plain(f" {who}: {finding.statement}")
            yield plain(finding.reason)
    counts = Counter(finding.verdict for finding in findings)
    closing = Text(", ").join(Text(f"{count} ") + _verdict(verdict) for verdict, count in counts.items())
    yield Text("\n") + closing


def _verdict(verdict: Verdict) -> Text:
    return Text(verdict, style=STYLES[verdict])


def _variant(judgement: "Judgement") -> "Iterator[RenderableType]":
    """What is varied, and what was measured beside what is published of the experiment itself."""
    yield f"{judgement.experiment}: {NOT_JUDGED}: {variant_words(judgement.variant)}"
    rows = [
        (
            f"{each.claim}: {each.cell.metric} {each.cell.split} t={each.cell.iteration}",
            each.model,
            "undefined" if each.measured is None else _few(each.measured),
            each.reference,
        )
        for each in judgement.beside
    ]
    if rows:
        title = f"{judgement.experiment}: measured, beside the reference of the experiment itself"
        yield table(title, ("number", "model", "measured", "reference"), rows)
    yield from _too_long(judgement)


def _too_long(judgement: "Judgement") -> Iterator[str]:
    """The prompts that did not fit; nothing where all did."""
    from selfimp_bench.steps.prompts import too_long_words

    for model, uses in judgement.prompts.items():
        yield from (f"\n{model}: {too_long_words(use)}" for use in uses if use.too_long)


def _finding_row(finding: Finding) -> tuple[str, ...]:
    """Verdict, claim, model, what was measured, what that is held against, and what is claimed."""
    head, points = (finding.verdict, finding.claim, finding.model), finding.points
    if not points:
        against = _HELD.get(finding.kind, "")
        several = finding.kind in (Kind.ANY_OF, Kind.ALL_OF)
        return *head, against if several else _interval(finding), "" if several else against, finding.statement
    reproduced = sum(point.verdict is Verdict.REPRODUCED for point in points)
    measured = " ".join("undefined" if point.measured is None else _few(point.measured) for point in points)
    held = " ".join(point.reference for point in points)
    if len(points) > 1:
        measured = f"{reproduced} of {len(points)}: {measured}"
    elif points[0].low is not None and points[0].high is not None:
        held = f"{held} ({_few(points[0].low)} to {_few(points[0].high)})"
    return *head, measured, held, finding.statement


def _few(number: Decimal | float) -> str:
    """Three significant digits: findings.json has them all."""
    return brief(float(f"{number:.3g}"))


_HELD = {
    Kind.ORDER: "difference above 0",
    Kind.TREND: "change on the claimed side of 0",
    Kind.ANY_OF: "one of its readings",
    Kind.ALL_OF: "all of its parts",
}


def explanation_parts(found: "Explanation") -> "Iterator[RenderableType]":
    """A claim explained: its rule, then every finding and point with its terms and what would decide it."""
    yield f"{found.claim}: {found.statement}\nsource: {found.source}\n\n{found.rule}"
    if not found.judged:
        why = "not judged (smoke): a smoke run judges no claim of a paper"
        why = f"{NOT_JUDGED}: {variant_words(found.variant)}" if found.variant else why
        yield f"\n{why}"
    for finding in found.findings:
        tails = f"p {tail_text(finding.p_for)} for it, {tail_text(finding.p_against)} against it"
        yield f"\n{finding.model}: {finding.verdict} ({tails}): {finding.reason}"
        if finding.terms:
            yield _terms(finding.terms)
        for point in finding.points:
            yield f"\n{point.verdict}: {point.reason}"
            if point.terms:
                yield _terms(point.terms)
    rows = [(each.model, each.verdict, each.words, each.would_fail) for each in found.to_decide]
    if rows:
        yield table("\nWhat would decide it", ("model", "verdict", "", "what would have failed"), rows)


def _terms(terms: Sequence[Term]) -> Table:
    return table(None, ("term", "value", "where it comes from"), [(t.name, t.shown, t.source) for t in terms])


def _interval(finding: Finding) -> str:
    if finding.interval is None:
        return "undefined"
    found = finding.interval
    return f"{_few(found.mean)} ({_few(found.low)} to {_few(found.high)})"


_ATTACKS = (
    Column(name="", room="whole"),
    Column(name="attack", room="whole"),
    Column(name="ended", room="cut"),
    Column(name="what it tries", room="cut", at_least=20),
    Column(name="because", room="cut", at_least=20),
)


def selftest_lines(tested: "SelfTest") -> "Iterator[RenderableType]":
    """A self-test: a line for each attack and what became of it, all that is known of one that got through, the sum."""
    if tested.missing is not None:
        yield f"{tested.mechanism} cannot be had here: {tested.missing}"
        return
    rows, broken = [], []
    for result in tested.results:
        ended = str(result.found) if result.held else f"{result.found} instead of {result.expected}"
        because = "; ".join((*result.traces, result.remark or ""))
        rows.append(("held" if result.held else "BROKEN", result.name, ended, result.what, because))
        if not result.held:
            broken.append(f"BROKEN {result.name} ({result.what}): {ended}; {because}")
    yield Table(f"{tested.mechanism}", _ATTACKS, rows)
    yield from broken
    yield f"{tested.mechanism}: {len(rows) - len(broken)} of {plural(len(rows), 'attack')} ended as they should"


def validation_lines(report: "Validation", *, verbose: bool) -> Iterator[str]:
    """What is wrong, and a summary; ``verbose`` also has what is assumed and what the papers contradict, and where."""
    yield from (str(flaw) for flaw in report.flaws)
    yield from report.unchecked
    if verbose:
        yield from report.notes
        yield from paper_lines(report.papers)
    by_numbers: dict[str, Counter[Outcome]] = {}
    for paper in report.papers:
        counts = by_numbers.setdefault(paper.numbers, Counter())
        counts.update(judged.outcome for judged in paper.judgements)
    for numbers, counts in by_numbers.items():
        yield f"{plural(counts.total(), 'claim')} on {numbers}: {_outcomes(counts)}"
    if seen := [each for paper in report.papers for each in paper.panel]:
        true_in = Counter(world for each in seen for world in each.holds_in)
        listed = ", ".join(f"{world} {count}" for world, count in true_in.items())
        yield f"{plural(len(seen), 'claim')}, models apart, in worlds of which the truth is known; true in: {listed}"
    if report.papers:
        yield f"{plural(len(report.notes), 'note')}{'' if verbose else ' (-v has all of it)'}"
    yield f"{plural(report.files, 'file')}, {plural(len(report.flaws), 'problem')}"


def _outcomes(counts: "Counter[Outcome]") -> str:
    from selfimp_bench.verdict.paper_check import Outcome

    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])


def paper_lines(papers: "Sequence[PaperJudgement]") -> Iterator[str]:
    """The claims of every file against the paper's own numbers: counts, and what the paper contradicts, and where."""
    from selfimp_bench.verdict.paper_check import Outcome

    for paper in papers:
        counted = _outcomes(Counter(judged.outcome for judged in paper.judgements))
        yield f"{paper.file}: {plural(len(paper.judgements), 'claim')} on {paper.numbers}: {counted}"
        for judged in paper.judgements:
            if judged.outcome is Outcome.CONTRADICTED:
                yield from _contradiction(judged, paper.numbers)
        for conflict in paper.conflicts:
            yield from _recorded(conflict)
        yield from _panel_lines(paper.panel)


def _panel_lines(seen: "Sequence[Paneled]") -> Iterator[str]:
    """Which worlds every claim passes, models that pass the same together."""
    together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for each in seen:
        together.setdefault((each.claim, each.passes), []).append(each.model)
    for (claim, passes), models in together.items():
        yield f"  in worlds whose truth is known {claim} ({', '.join(models)}) passes: {', '.join(passes) or 'none'}"


def _recorded(conflict: "RecordedConflict") -> Iterator[str]:
    yield f"  recorded: {conflict.id}: {conflict.says}"
    more = f" and {len(conflict.rows) - _ROWS} more" if len(conflict.rows) > _ROWS else ""
    rows = f" ({', '.join(conflict.rows[:_ROWS])}{more})" if conflict.rows else ""
    yield f"    {conflict.between[0]} against {conflict.between[1]}{rows}"


def _contradiction(judged: "SelfJudgement", numbers: str) -> Iterator[str]:
    yield f"  {numbers} contradict {judged.claim} ({judged.source}; {judged.reason})"
    yield f"    says: {judged.statement}"
    against = [case for case in judged.cases if case.truth is Truth.NO]
    for case in against[:_CASES]:
        yield f"    {case.group}: {case.detail}"
    if len(against) > _CASES:
        yield f"    and {len(against) - _CASES} more"
