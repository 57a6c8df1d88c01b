"""Writing the report of a suite's run: report.html in its folder, with links to the experiments' own reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.protocols.load_suite import load_suite
from selfimp_bench.report.chart import Figure
from selfimp_bench.report.suite_figure import suite_figure
from selfimp_bench.report.suite_page import MemberResult, runs_folder, suite_page
from selfimp_bench.report.svg import inline
from selfimp_bench.report.verdicts import web_link
from selfimp_bench.report.write import REPORT, drawing, template, write_report
from selfimp_bench.runs.judge import read_run
from selfimp_bench.runs.suite import SuiteJudgement, check_suite, read_suite_record, suite_table
from selfimp_bench.steps.store import write_atomically
from selfimp_bench.verdict.paper_check import SelfJudgement, suite_self_judgement, suite_tables
from selfimp_bench.verdict.paper_numbers import PublishedNumbers


@dataclass(frozen=True, kw_only=True)
class SuiteReport:
    """The pages that were written: the suite's, and those of its experiments."""

    page: Path
    experiments: tuple[Path, ...]


def write_suite_report(folder: Path) -> SuiteReport:
    """Judge a suite's finished run and write its report and those of its experiments.

    Raises InputError when it is no finished run of a suite.
    """
    judgement = check_suite(folder)
    record = read_suite_record(folder)
    suite = load_suite(folder / record.suite_file)
    members = tuple(write_report(runs_folder(folder) / run.folder) for run in record.runs)
    tables = [suite_table(folder, name) for name in suite_tables(suite)]
    numbers = PublishedNumbers(suite.published, tables)
    results = _results(folder, suite, judgement)
    page = _render(folder, suite, judgement, results, numbers, suite_self_judgement(suite, tables))
    write_atomically(folder / REPORT, page.encode())
    return SuiteReport(page=folder / REPORT, experiments=members)


def _results(folder: Path, suite: Suite, judgement: SuiteJudgement) -> list[MemberResult]:
    """The members that were run, in the order of the record."""
    by_name = {(member.name, member.version): member for member in suite.experiments}
    return [
        MemberResult(
            member=by_name[run.experiment, run.version],
            folder=run.folder,
            run=read_run(runs_folder(folder) / run.folder),
            judgement=own,
        )
        for run, own in zip(read_suite_record(folder).runs, judgement.experiments, strict=True)
    ]


def _render(
    folder: Path,
    suite: Suite,
    judgement: SuiteJudgement,
    results: Sequence[MemberResult],
    numbers: PublishedNumbers,
    paper: Sequence[SelfJudgement],
) -> str:
    figure = suite_figure(results, numbers)
    return template("suite.html.j2").render(
        suite=suite,
        record=read_suite_record(folder),
        paper_link=web_link(suite.paper.url),
        page=suite_page(suite, results, judgement.findings.findings, paper, numbers),
        figure=figure,
        drawing=None if figure is None else _inlined(folder, figure),
    )


def _inlined(folder: Path, figure: Figure) -> Markup:
    return Markup(inline(drawing(folder, figure)))  # checked or drawn by it
