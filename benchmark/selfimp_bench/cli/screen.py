"""How progress and results look in a terminal: rich when it is one, plain lines when it is not.

What only one command shows is imported where it is shown.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from selfimp_bench.cli.console import table
from selfimp_bench.manifest.variants import NOT_JUDGED, sensitivity_of, variant_words
from selfimp_bench.protocols.registry import protocol_of
from selfimp_bench.verdict.comparisons import Truth
from selfimp_bench.verdict.findings import Finding, Kind, Term, Verdict, brief, tail_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from selfimp_bench.manifest.conflicts import RecordedConflict
    from selfimp_bench.manifest.model import Claim
    from selfimp_bench.manifest.suite_model import Suite, SuiteClaim
    from selfimp_bench.protocols.protocol import AnyManifest
    from selfimp_bench.runs.decide import Decidability, Prospect
    from selfimp_bench.runs.describe import Assumption
    from selfimp_bench.runs.explain import Explanation
    from selfimp_bench.runs.forecast import Forecast
    from selfimp_bench.runs.judge import Judgement, StudyJudgement
    from selfimp_bench.runs.study import Study
    from selfimp_bench.runs.validate import PaperJudgement, Validation
    from selfimp_bench.steps.plan import Step
    from selfimp_bench.tasks.sandbox.selftest import SelfTest
    from selfimp_bench.verdict.panel import Paneled
    from selfimp_bench.verdict.paper_check import Outcome, SelfJudgement

_CASES = 2
"""Contradicting groups shown for a claim; `--json` has them all."""

_OTHERS = 3
"""Steps named that run beside one that has finished."""

_ROWS = 3
"""Rows shown for a recorded conflict, likewise."""


class _Begun:
    """Steps that run, in order, with their places: several do where a cluster has them done."""

    def __init__(self) -> None:
        self._steps: list[tuple[Step, str]] = []

    def start(self, step: "Step", position: int, total: int) -> None:
        self._steps = [(each, place) for each, place in self._steps if each is not step]
        self._steps.append((step, f"[{position}/{total}] {step.id}"))

    def finish(self, step: "Step") -> str:
        """The step's place and name; it runs no longer."""
        place = next((place for each, place in self._steps if each is step), step.id)
        self._steps = [(each, found) for each, found in self._steps if each is not step]
        return place

    def now(self) -> str:
        """What is at work, in a few words."""
        if not self._steps:
            return ""
        place = self._steps[-1][1]
        return place if len(self._steps) == 1 else f"{len(self._steps)} steps, the last of them {place}"

    def others(self) -> str:
        """What runs beside a step that has finished."""
        names = [step.id for step, _ in self._steps]
        if not names:
            return ""
        shown = ", ".join(names[:_OTHERS]) + (", ..." if len(names) > _OTHERS else "")
        return f"  ({len(names)} at work: {shown})"


class BarProgress:
    """A live bar for the step at hand (rate and time left), and a line for each step done."""

    def __init__(self, screen: "Console") -> None:
        self._screen = screen
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=screen,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, rate="", visible=False)
        self._began = time.monotonic()
        self._begun = _Begun()

    def start(self, step: "Step", position: int, total: int) -> None:
        """Show the step's name and place."""
        self._begun.start(step, position, total)
        self._show()

    def _show(self) -> None:
        self._bar.start()
        self._began = time.monotonic()
        self._bar.remove_task(self._task)  # a task keeps its total for life
        self._task = self._bar.add_task(self._begun.now(), total=None, rate="")

    def advance(self, done: int, of: int) -> None:
        """Move the bar."""
        seconds = time.monotonic() - self._began
        self._bar.update(self._task, completed=done, total=of, rate=f"{done / seconds:.0f}/s" if seconds > 1 else "")

    def finish(self, step: "Step", seconds: float, reused: bool) -> None:
        """Leave a line behind, and no bar unless others are at work."""
        place = self._begun.finish(step)
        self._bar.update(self._task, visible=False)
        self._bar.stop()
        if not reused:
            self._screen.print(f"{place}  {seconds:.1f} s{self._begun.others()}", markup=False)
        if self._begun.now():
            self._show()


class LineProgress:
    """One line for each step done, and one every ``every`` seconds of a long step, for logs."""

    def __init__(self, screen: "Console", every: float = 15.0) -> None:
        self._screen = screen
        self._every = every
        self._began = time.monotonic()
        self._told = self._began
        self._begun = _Begun()

    def start(self, step: "Step", position: int, total: int) -> None:
        """Remember the step's name and place."""
        self._began = self._told = time.monotonic()
        self._begun.start(step, position, total)

    def advance(self, done: int, of: int) -> None:
        """Print rate and time left, not more often than ``every`` seconds."""
        now = time.monotonic()
        if now - self._told < self._every or done == 0:
            return
        self._told = now
        rate = done / (now - self._began)
        left = (of - done) / rate
        self._screen.print(f"{self._begun.now()}  {done} of {of}, {rate:.1f}/s, {left:.0f} s left", markup=False)

    def finish(self, step: "Step", seconds: float, reused: bool) -> None:
        """Print what the step took, and what is at work still; reused steps pass in silence."""
        place = self._begun.finish(step)
        if not reused:
            self._screen.print(f"{place}  {seconds:.1f} s{self._begun.others()}", markup=False)


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
        yield f"probe      {probe.prompts} test problems x {probe.samples} samples, replayed in other batches"


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


def _claims(claims: "Sequence[Claim | SuiteClaim]") -> "Table":
    rows = [(claim.id, claim.statement, claim.source) for claim in claims]
    return table(f"\nClaims ({len(rows)})", ("id", "statement", "source"), rows)


def _assumed(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> "Table":
    return table(f"\nAssumed, because the source does not say ({len(rows)})", columns, rows)


def findings_tables(judgement: "StudyJudgement") -> "Iterator[RenderableType]":
    """The findings of every experiment, then those across them."""
    for each in judgement.experiments:
        yield from findings_table(each)
    if judgement.together is not None:
        from selfimp_bench.verdict.together import in_words

        yield f"\n{judgement.study}: {in_words(judgement.together)}\n"
    if not judgement.across or not judgement.findings.findings:
        return
    rows = [(found.claim, found.statement, found.verdict) for found in judgement.findings.findings]
    yield table(f"{judgement.study}: findings across experiments", ("claim", "statement", "verdict"), rows)
    for found in judgement.findings.findings:
        if found.verdict is not Verdict.REPRODUCED:
            yield f"\n{found.claim} ({found.model}): {found.verdict}: {found.reason}".replace("[", "\\[")


def findings_table(judgement: "Judgement") -> "Iterator[RenderableType]":
    """The findings, a row each, and a closing line."""
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
    rows = [row for finding in judgement.findings.findings for row in _finding_rows(finding)]
    columns = ("claim", "measured", "reference", "allowed", "verdict")
    yield table(f"{judgement.experiment}: findings", columns, rows)
    yield ""
    for finding in judgement.findings.findings:
        yield f"{finding.claim}: {finding.statement}".replace("[", "\\[")
    undecided = [f for f in judgement.findings.findings if f.verdict is not Verdict.REPRODUCED]
    for finding in undecided:
        yield f"\n{finding.claim} ({finding.model}): {finding.verdict}: {finding.reason}".replace("[", "\\[")
    if judgement.probes:
        from selfimp_bench.steps.probe import probe_words

        yield from (f"\n{model}: {probe_words(probed)}" for model, probed in judgement.probes.items())
    yield from _too_long(judgement)
    counts = Counter(finding.verdict for finding in judgement.findings.findings)
    yield "\n" + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


def _variant(judgement: "Judgement") -> "Iterator[RenderableType]":
    """What is varied, and what was measured beside what is published of the experiment itself."""
    yield f"{judgement.experiment}: {NOT_JUDGED}: {variant_words(judgement.variant)}".replace("[", "\\[")
    rows = [
        (
            f"{each.claim}: {each.cell.metric} {each.cell.split} t={each.cell.iteration}",
            each.model,
            "undefined" if each.measured is None else _short(each.measured),
            each.reference,
        )
        for each in judgement.beside
    ]
    if rows:
        title = f"{judgement.experiment}: measured, beside the published numbers"
        yield table(title, ("number", "model", "measured", "published"), rows)
    yield from _too_long(judgement)


def _too_long(judgement: "Judgement") -> Iterator[str]:
    """The prompts that did not fit; nothing where all did."""
    from selfimp_bench.steps.prompts import too_long_words

    for model, uses in judgement.prompts.items():
        yield from (f"\n{model}: {too_long_words(use)}" for use in uses if use.too_long)


def _finding_rows(finding: Finding) -> Iterator[tuple[str, str, str, str, str]]:
    """A value claim has a row for every point; an order or a trend one, with its interval as measured."""
    for point in finding.points:
        measured = "undefined" if point.measured is None else _short(point.measured)
        low, high = point.low, point.high
        allowed = "" if low is None or high is None else f"{_short(low)} to {_short(high)}"
        cell = f"{point.cell.metric} {point.cell.split} t={point.cell.iteration}"
        yield f"{finding.claim}: {cell}", measured, point.reference, allowed, point.verdict
    if not finding.points:
        several = finding.kind in (Kind.ANY_OF, Kind.ALL_OF)
        measured = "" if several else _interval(finding)
        yield finding.claim, measured, "own problems", _ALLOWED.get(finding.kind, ""), finding.verdict


_ALLOWED = {
    Kind.ORDER: "difference above 0",
    Kind.TREND: "change on the claimed side of 0",
    Kind.ANY_OF: "one of its readings",
    Kind.ALL_OF: "all of its parts",
}


def explanation_parts(found: "Explanation") -> "Iterator[RenderableType]":
    """A claim explained: its rule, then every finding and point with its terms and what would decide it."""
    yield f"{found.claim}: {found.statement}\nsource: {found.source}\n\n{found.rule}".replace("[", "\\[")
    if not found.judged:
        why = "not judged (smoke): a smoke run judges no claim of a paper"
        why = f"{NOT_JUDGED}: {variant_words(found.variant)}" if found.variant else why
        yield f"\n{why}".replace("[", "\\[")
    for finding in found.findings:
        tails = f"p {tail_text(finding.p_for)} for it, {tail_text(finding.p_against)} against it"
        yield f"\n{finding.model}: {finding.verdict} ({tails}): {finding.reason}".replace("[", "\\[")
        if finding.terms:
            yield _terms(finding.terms)
        for point in finding.points:
            yield f"\n{point.verdict}: {point.reason}".replace("[", "\\[")
            if point.terms:
                yield _terms(point.terms)
    rows = [(each.model, each.verdict, each.words, each.would_fail) for each in found.to_decide]
    if rows:
        yield table("\nWhat would decide it", ("model", "verdict", "", "what would have failed"), rows)


def _terms(terms: Sequence[Term]) -> "Table":
    return table(None, ("term", "value", "where it comes from"), [(t.name, t.shown, t.source) for t in terms])


def _interval(finding: Finding) -> str:
    if finding.interval is None:
        return "undefined"
    found = finding.interval
    return f"{_short(found.mean)} ({_short(found.low)} to {_short(found.high)})"


def _short(number: Decimal | float) -> str:
    """Four decimals: findings.json has them all."""
    return f"{number:.4f}"


def plan_tables(study: "Study", expected: "Forecast") -> "Iterator[RenderableType]":
    """Of one experiment every step and what its claims can decide; of several what each adds, equal steps once."""
    if study.variant:
        yield f"{study.name}: {NOT_JUDGED}: {variant_words(study.variant)}\n".replace("[", "\\[")
    if study.across is None:
        from selfimp_bench.runs.decide import decidable_claims

        yield from forecast_tables(expected, () if study.variant else decidable_claims(study.experiments[0]))
        return
    parts = study.plan().experiments
    rows = [(each.experiment, str(each.steps), str(each.shared), str(each.steps - each.shared)) for each in parts]
    yield table(None, ("experiment", "steps", "shared with one above", "its own"), rows)
    yield (
        f"\n{len(expected.steps)} steps in all, {expected.to_do} to do; at most "
        f"{expected.tokens_to_generate_at_most:,} tokens to generate and "
        f"{expected.tokens_to_train_at_most:,} to train on; samples and embeddings about "
        f"{on_disk(expected.disk_bytes)} on "
        "disk, checkpoints on top (equal steps of several experiments counted once)"
    )
    for member in study.across.experiments:
        if member.pending is not None:
            yield f"left out: {member.name}: {member.pending}".replace("[", "\\[")


def forecast_tables(expected: "Forecast", claims: "Sequence[Decidability]") -> "Iterator[RenderableType]":
    """A plan's steps, what is still to do, and which claims can be decided."""
    rows = [
        (
            made.step.id,
            made.state,
            str(made.step.rows_at_most or ""),
            str(made.step.tokens_at_most or ""),
            _duration(made.seconds) if made.state == "to do" else "",
        )
        for made in expected.steps
    ]
    yield table(None, ("step", "state", "rows at most", "tokens at most", "time"), rows)
    time_left = "unknown until steps of each kind have run in this home"
    if expected.seconds is not None:
        time_left = f"about {_duration(expected.seconds)} at rates measured in this home"
    yield (
        f"\n{expected.to_do} of {len(expected.steps)} steps to do; at most "
        f"{expected.tokens_to_generate_at_most:,} tokens to generate and "
        f"{expected.tokens_to_train_at_most:,} to train on; samples and embeddings about "
        f"{on_disk(expected.disk_bytes)} on "
        f"disk, checkpoints on top; time: {time_left}"
    )
    if claims:
        yield from _decidable(claims)


def _decidable(claims: "Sequence[Decidability]") -> "Iterator[RenderableType]":
    """With each number of replicates: of so many faithful runs how many decide it, and what they can tell apart."""
    from selfimp_bench.runs.decide import DRAWS, REPLICATES

    yield (
        f"\nCan this size decide the claims? Of {DRAWS} faithful runs, simulated from the published numbers and the "
        "expected spread over seeds, so many reproduce a claim with K replicates; the smallest effect is what 80 of "
        "100 runs would tell from what is named last."
    )
    rows = [
        (
            f"{each.claim} ({each.model})",
            *(_prospect(one) for one in each.prospects),
            " / ".join(_effect(one.smallest_effect) for one in each.prospects) + f" {each.unit}",
            each.untold,
        )
        if each.prospects
        else (f"{each.claim} ({each.model})", *("" for _ in REPLICATES), "nothing published", each.untold)
        for each in claims
    ]
    columns = ("claim", *(f"K = {count}" for count in REPLICATES), "smallest effect", "to be told from")
    yield table(None, columns, rows)


def _prospect(found: "Prospect") -> str:
    against = f", {found.contradicted} against" if found.contradicted else ""
    return f"{'yes' if found.decided else 'no'} ({found.reproduced}{against})"


def _effect(effect: float | None) -> str:
    return "-" if effect is None else brief(effect)


def on_disk(count: int) -> str:
    """Bytes in units of 10^6 or 10^9, as datasheets count."""
    return f"{count / 1e9:,.0f} GB" if count >= 10**10 else f"{count / 1e6:,.0f} MB"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def selftest_lines(tested: "SelfTest") -> "Iterator[RenderableType]":
    """A self-test: each attack and what became of it, then the sum."""
    if tested.missing is not None:
        yield f"{tested.mechanism} cannot be had here: {tested.missing}"
        return
    rows = [
        (
            "held" if result.held else "BROKEN",
            result.name,
            result.what,
            str(result.found) if result.held else f"{result.found} instead of {result.expected}",
            "; ".join((*result.traces, result.remark or "")),
        )
        for result in tested.results
    ]
    yield table(f"{tested.mechanism}", ("", "attack", "what it tries", "ended", "because"), rows)
    held = sum(result.held for result in tested.results)
    yield f"{tested.mechanism}: {held} of {len(tested.results)} attacks ended as they should"


def validation_lines(report: "Validation", *, verbose: bool) -> Iterator[str]:
    """What is wrong, and a summary; ``verbose`` also has what is assumed and what the papers contradict, and where."""
    yield from (str(flaw) for flaw in report.flaws)
    if verbose:
        yield from report.notes
        yield from paper_lines(report.papers)
    by_numbers: dict[str, Counter[Outcome]] = {}
    for paper in report.papers:
        counts = by_numbers.setdefault(paper.numbers, Counter())
        counts.update(judged.outcome for judged in paper.judgements)
    for numbers, counts in by_numbers.items():
        yield f"{counts.total()} claims on {numbers}: {_outcomes(counts)}"
    if seen := [each for paper in report.papers for each in paper.panel]:
        true_in = Counter(world for each in seen for world in each.holds_in)
        listed = ", ".join(f"{world} {count}" for world, count in true_in.items())
        yield f"{len(seen)} claims, models apart, in worlds of which the truth is known; true in: {listed}"
    if report.papers:
        yield f"{len(report.notes)} notes{'' if verbose else ' (-v has all of it)'}"
    yield f"{report.files} files, {len(report.flaws)} problems"


def _outcomes(counts: "Counter[Outcome]") -> str:
    from selfimp_bench.verdict.paper_check import Outcome

    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])


def paper_lines(papers: "Sequence[PaperJudgement]") -> Iterator[str]:
    """The claims of every file against the paper's own numbers: counts, and what the paper contradicts, and where."""
    from selfimp_bench.verdict.paper_check import Outcome

    for paper in papers:
        counted = _outcomes(Counter(judged.outcome for judged in paper.judgements))
        yield f"{paper.file}: {len(paper.judgements)} claims on {paper.numbers}: {counted}"
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
