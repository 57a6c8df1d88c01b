"""How suites, and papers held against their own numbers, look in a terminal."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from selfimp_bench.cli.screen import findings_table, on_disk, table
from selfimp_bench.manifest.conflicts import RecordedConflict
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.runs.forecast import Forecast
from selfimp_bench.runs.suite import SuiteJudgement, SuitePlan
from selfimp_bench.runs.validate import PaperJudgement
from selfimp_bench.verdict.comparisons import Truth
from selfimp_bench.verdict.findings import Verdict
from selfimp_bench.verdict.paper_check import Outcome, SelfJudgement

_CASES = 2
"""Contradicting groups shown for a claim; `--json` has them all."""

_ROWS = 3
"""Rows shown for a recorded conflict, likewise."""


def suite_lines(suite: Suite) -> Iterator[str]:
    """A suite in a few lines; `show --json` has it whole."""
    yield f"{suite.name} v{suite.version} (suite): {suite.title}"
    yield suite.summary
    yield f"from         {suite.paper.title}, {suite.paper.section}"
    for member in suite.experiments:
        yield f"experiment   {member.name} v{member.version}: {', '.join(member.models)}"


def paper_lines(papers: Sequence[PaperJudgement]) -> Iterator[str]:
    """The claims of every file against the paper's own numbers: counts, and what the paper contradicts, and where."""
    for paper in papers:
        counts = Counter(judged.outcome for judged in paper.judgements)
        counted = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
        yield f"{paper.file}: {len(paper.judgements)} claims on the paper's own numbers: {counted}"
        for judged in paper.judgements:
            if judged.outcome is Outcome.CONTRADICTED:
                yield from _contradiction(judged)
        for conflict in paper.conflicts:
            yield from _recorded(conflict)


def _recorded(conflict: RecordedConflict) -> Iterator[str]:
    yield f"  recorded: {conflict.id}: {conflict.says}"
    more = f" and {len(conflict.rows) - _ROWS} more" if len(conflict.rows) > _ROWS else ""
    rows = f" ({', '.join(conflict.rows[:_ROWS])}{more})" if conflict.rows else ""
    yield f"    {conflict.between[0]} against {conflict.between[1]}{rows}"


def _contradiction(judged: SelfJudgement) -> Iterator[str]:
    yield f"  the paper contradicts its {judged.claim} ({judged.source}; {judged.reason})"
    yield f"    says: {judged.statement}"
    against = [case for case in judged.cases if case.truth is Truth.NO]
    for case in against[:_CASES]:
        yield f"    {case.group}: {case.detail}"
    if len(against) > _CASES:
        yield f"    and {len(against) - _CASES} more"


def suite_plan_tables(planned: SuitePlan, expected: Forecast) -> Iterator[RenderableType]:
    """What each experiment of a suite adds, and the totals, every piece of work counted once."""
    rows = [
        (each.experiment, str(each.steps), str(each.shared), str(each.steps - each.shared)) for each in planned.members
    ]
    yield table(None, ("experiment", "steps", "shared with one above", "its own"), rows)
    yield (
        f"\n{len(expected.steps)} steps in all, {expected.to_do} to do; at most "
        f"{expected.tokens_to_generate_at_most:,} tokens to generate and "
        f"{expected.tokens_to_train_at_most:,} to train on; samples about {on_disk(expected.disk_bytes)} on "
        "disk, checkpoints on top (equal steps of several experiments counted once)"
    )


def suite_findings(judgement: SuiteJudgement) -> Iterator[RenderableType]:
    """The findings of every experiment of a suite, then those across them."""
    for each in judgement.experiments:
        yield from findings_table(each)
    if not judgement.judged:
        return
    rows = [(found.claim, found.statement, found.verdict) for found in judgement.findings.findings]
    yield table(f"{judgement.suite}: findings across experiments", ("claim", "statement", "verdict"), rows)
    for found in judgement.findings.findings:
        if found.verdict is not Verdict.REPRODUCED:
            yield f"\n{found.claim} ({found.model}): {found.verdict}: {found.reason}".replace("[", "\\[")
