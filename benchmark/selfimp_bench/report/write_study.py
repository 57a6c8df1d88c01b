"""Writing the report of a study: its experiments' pages, and with claims across them a page that links to those."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selfimp_bench.durable import write_atomically
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.report.across_figure import across_figures
from selfimp_bench.report.across_page import MemberResult, across_page
from selfimp_bench.report.takeaway import file_url
from selfimp_bench.report.templates import template
from selfimp_bench.report.verdicts import web_link
from selfimp_bench.report.write import REPORT, drawing, write_report
from selfimp_bench.runs.judge import StudyJudgement, StudyRun, read_run, read_study_run, run_table
from selfimp_bench.runs.record import StudyRecord
from selfimp_bench.verdict.findings import to_json
from selfimp_bench.verdict.paper_check import suite_self_judgement, suite_tables
from selfimp_bench.verdict.paper_numbers import PublishedNumbers
from selfimp_bench.verdict.together import in_words


@dataclass(frozen=True, kw_only=True)
class StudyReport:
    """The pages that were written: of one experiment by itself its own, which is then ``page`` too."""

    page: Path
    experiments: tuple[Path, ...]


def write_study_report(
    judgement: StudyJudgement, out: Path | None = None, *, samples: bool | None = None
) -> StudyReport:
    """Write the report of a study that was just judged, and those of its experiments: into the run folders, or under
    ``out`` into folders NAME/ID like theirs. samples: as of ``write_report``."""
    folder = Path(judgement.run)
    run = read_study_run(folder)
    pages = tuple(
        write_report(each, own.findings, _into(each, out), samples=samples)
        for each, own in zip(run.experiments, judgement.experiments, strict=True)
    )
    if run.record is None or run.across is None:
        return StudyReport(page=pages[0], experiments=pages)
    into = _into(folder, out)
    page = into / REPORT
    write_atomically(page, _render(run, run.record, run.across, judgement, into).encode())
    return StudyReport(page=page, experiments=pages)


def _into(folder: Path, out: Path | None) -> Path:
    whole = folder.resolve()
    return folder if out is None else out / whole.parent.name / whole.name


def _render(run: StudyRun, record: StudyRecord, across: Suite, judgement: StudyJudgement, into: Path) -> str:
    tables = [run_table(run.folder, name) for name in suite_tables(across)]
    numbers = PublishedNumbers(across.published, tables)
    results = _results(run, record, across, judgement)
    paper = suite_self_judgement(across, tables)
    figures = across_figures(results, numbers, across.paper.published)
    return template("study.html.j2").render(
        across=across,
        record=record,
        paper_link=web_link(across.paper.url),
        page=across_page(across, results, judgement.findings.findings, paper, numbers),
        together=None if judgement.together is None else in_words(judgement.together),
        files={"findings.json": file_url(to_json(judgement.findings), "json")},
        figures=[(figure, drawing(into, figure)) for figure in figures],
    )


def _results(run: StudyRun, record: StudyRecord, across: Suite, judgement: StudyJudgement) -> Sequence[MemberResult]:
    """The experiments that were run, in the order of the record."""
    by_name = {(member.name, member.version): member for member in across.experiments}
    return [
        MemberResult(
            member=by_name[named.experiment, named.version],
            folder=named.folder,
            run=read_run(folder),
            judgement=own,
        )
        for named, folder, own in zip(record.runs, run.experiments, judgement.experiments, strict=True)
    ]
