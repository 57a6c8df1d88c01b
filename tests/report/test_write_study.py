"""The report of a study, of runs on the fake engines, and its parts on hand-made runs."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from page import read_page, seen_in
from runs.test_study import MODEL, _call, _open, study_file, study_of
from support import ManifestMaker

from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.manifest.suite_model import Member, Published
from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.report.across_figure import across_figures
from selfimp_bench.report.across_page import MemberResult, across_page
from selfimp_bench.report.write_study import StudyReport, write_study_report
from selfimp_bench.runs.execute import run_study
from selfimp_bench.runs.judge import Judgement, judge_study, read_run
from selfimp_bench.steps.progress import SILENT
from selfimp_bench.verdict.findings import Findings
from selfimp_bench.verdict.paper_numbers import PublishedNumbers

__all__ = ["study_file"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study."""
    made = tmp_path_factory.mktemp("study")
    return run_study(_open(study_of(ManifestMaker(folder=made))), made / "home", SILENT)


@pytest.fixture(scope="module")
def written(folder: Path) -> StudyReport:
    """Its pages."""
    return write_study_report(judge_study(folder))


def test_the_page_has_every_experiment_with_a_link_that_leads_to_its_report(folder: Path, written: StudyReport) -> None:
    read = read_page(written.page.read_text())
    links = [target for target in read.targets if target.startswith("../") and "#" not in target]
    assert [(folder / link).resolve() for link in links] == [path.resolve() for path in written.experiments]
    assert all(path.is_file() for path in written.experiments)


def test_a_claim_has_its_verdict_on_the_runs_and_on_the_papers_numbers(written: StudyReport) -> None:
    seen = seen_in(written.page.read_text())
    assert "DPO is better." in seen and "dpo-is-better" in seen
    assert "The paper's own numbers: supported claimed of all 1: 1 yes" in seen
    assert re.search(r"(reproduced|inconclusive|not reproduced) DPO is better.", seen)
    assert "1 claim across experiments and 2 findings within 2 experiments judged." in seen
    assert "1 case " in seen and "1 cases" not in seen
    assert "Of 3 findings" in seen and "by chance alone about 0.15 would be" in seen


def test_the_marks_of_claims_by_experiments_lead_to_the_claim_on_the_experiments_page(
    folder: Path, written: StudyReport
) -> None:
    marks = [
        target for target in read_page(written.page.read_text()).targets if "#claim-" in target and "../" in target
    ]
    assert len(marks) == 2
    for mark in marks:
        page, _, anchor = mark.partition("#")
        assert anchor in read_page((folder / page).read_text()).ids


def test_the_page_is_well_formed_needs_no_network_and_is_the_same_again(folder: Path, written: StudyReport) -> None:
    text = written.page.read_text()
    read = read_page(text)
    assert len(read.ids) == len(set(read.ids))
    assert {target[1:] for target in read.targets if target.startswith("#")} <= set(read.ids)
    assert not {"script", "link", "img", "iframe", "object"} & read.tags
    assert text.count('class="scroll"') == text.count('class="scroll" role="region" tabindex="0"')
    assert write_study_report(judge_study(folder)).page.read_text() == text


def test_report_and_reproduce_write_the_pages(study_file: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = _call("reproduce", study_file, "--home", home)
    named = [Path(line.removeprefix("report: ")) for line in made.stdout.splitlines() if line.startswith("report: ")]
    assert len(named) == 3 and all(path.is_file() for path in named)
    named[-1].unlink()
    again = _call("report", "both", "--home", home)
    assert (again.exit_code, Path(again.stdout.strip())) == (0, named[-1])
    assert named[-1].is_file()


# ---- by hand ----


def _result(write_run, name: str, method: str, values: Sequence[float | None]) -> MemberResult:
    measured = tuple(
        Measurement(
            model=MODEL,
            metric=metric,
            split=Split.TEST,
            iteration=iteration,
            replicate=0,
            value=value,
            unit="share",
            n=60,
            undefined=0,
            standard_error=0.01,
            reason=None if value is not None else "no problem",
        )
        for metric in ("pass@1", "coverage")
        for iteration, value in enumerate(values, start=1)
    )
    run = read_run(write_run(models=("big",)))
    run = replace(run, measurements=measured, record=replace(run.record, models=(MODEL,)))
    nothing = Findings(schema=2, findings=())
    return MemberResult(
        member=Member(name=name, version=1, dataset="toy", method=method, models=(MODEL,)),
        folder=f"{name}/0",
        run=run,
        judgement=Judgement(
            experiment=name,
            run="",
            judged=True,
            claimed=True,
            findings=nothing,
            exit_code=0,
            unwritten=(),
            probes={},
            prompts={},
        ),
    )


def _numbers(*rows: tuple[str, int, str]) -> PublishedNumbers:
    found = tuple(
        Reference(
            id=f"{method}{x}",
            model=MODEL,
            dataset="toy",
            method=method,
            metric="pass@1",
            x=x,  # type: ignore[arg-type]
            printed=printed,
            unit="percent",
            read_error=None,
            source="Figure 1",
            conflicts_with=(),
        )
        for method, x, printed in rows
    )
    published = Published(tables=("t.csv",), renamed=(), best=())
    return PublishedNumbers(published, [ReferenceTable(name="t.csv", rows=found)])


def _page(study_file: Path, results, numbers):
    across = _open(study_file).across
    assert across is not None
    return across_page(across, results, (), (), numbers)


def test_the_best_of_every_method_stands_side_by_side_and_the_winner_is_marked(write_run, study_file) -> None:
    results = [_result(write_run, "one", "dpo", (0.5, 0.75, 0.25)), _result(write_run, "two", "sft", (0.5, 0.6))]
    (line,) = _page(study_file, results, _numbers(("dpo", 1, "40"), ("dpo", 2, "50"), ("dpo", 3, "45"))).best
    dpo, sft = line.methods
    assert dpo is not None and sft is not None
    assert (dpo.text, dpo.won, sft.text, sft.won) == ("0.7500 at t = 2", True, "0.6000 at t = 2", False)
    assert (dpo.published, sft.published) == ("0.495 to 0.505", "")
    assert (line.first.text, line.coverage.text) == ("0.5000", "0.5000")


def test_without_any_defined_value_nobody_has_won(write_run, study_file) -> None:
    (line,) = _page(study_file, [_result(write_run, "one", "dpo", (None,))], _numbers()).best
    assert line.methods[0] is not None
    assert (line.methods[0].text, line.methods[0].won, line.methods[1]) == ("undefined", False, None)
    assert line.first.text == "undefined"


def test_an_experiment_without_a_run_says_so(write_run, study_file) -> None:
    one, two = _page(study_file, [_result(write_run, "one", "dpo", (0.5,))], _numbers()).members
    assert (one.link, two.link, two.words) == ("../../one/0/report.html", None, "not run")


def test_the_figure_has_a_line_for_every_method_and_the_published_one_over_it(write_run) -> None:
    results = [_result(write_run, "one", "dpo", (0.5, 0.75)), _result(write_run, "two", "sft", (0.5, 0.6))]
    (figure,) = across_figures(results, _numbers(("dpo", 1, "40"), ("dpo", 2, "50")), "reference runs")
    assert figure.dashed == "reference runs"
    (panel,) = figure.panels
    assert [(curve.label, curve.paper, curve.style) for curve in panel.curves] == [
        ("dpo", False, 0),
        ("dpo", True, 0),
        ("sft", False, 1),
    ]
    assert [(point.x, point.value, point.error) for point in panel.curves[1].points] == [
        (1, 0.4, 0.005),
        (2, 0.5, 0.005),
    ]


def test_without_any_result_there_is_no_figure() -> None:
    assert across_figures([], _numbers(), "as published") == ()
