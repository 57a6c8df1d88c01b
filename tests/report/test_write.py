"""The page and the files of a report, as a reader gets them."""

import base64
import csv
import html
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from page import read_page, seen_in

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.report import figures
from selfimp_bench.report.names import measured_words
from selfimp_bench.report.write import REPORT, write_report
from selfimp_bench.runs.findings_file import keep_findings
from selfimp_bench.runs.folders import FINDINGS
from selfimp_bench.verdict.findings import Findings, Verdict, to_json

_HOSTILE = '<script>alert("x")</script>\'"><img src=x onerror=alert(1)>'


def test_every_measurement_is_in_the_page(reported_many, tables):
    seen = seen_in((reported_many / REPORT).read_text())
    for each in tables(("big", "tiny"), 2).measurements:
        assert f"{measured_words(each.metric, each.split)} {each.metric}, share".lower() in seen.lower()
        assert f"n {each.n}, undefined {each.undefined}" in seen
        assert (f"{each.value:.4f} ± {each.standard_error:.4f}" if each.value is not None else each.reason) in seen


def test_every_metric_is_in_a_figure_also_one_that_has_no_title_of_its_own(reported, tables):
    drawn = " ".join(html.unescape(path.read_text()) for path in sorted((reported / "figures").glob("*.svg")))
    for each in tables(("big",), 1).measurements:
        if each.value is not None:
            assert f"t {each.iteration} {each.value:.4f}" in drawn
    assert (reported / "figures" / "reward.svg").is_file()


def test_every_finding_is_in_the_page_with_its_points_and_terms(reported, findings):
    seen = seen_in((reported / REPORT).read_text())
    for finding in findings("big").findings:
        assert finding.statement in seen
        assert finding.reason in seen or finding.points
        assert finding.source in seen
        for point in finding.points:
            assert f"{point.reference} percent" in seen
            assert point.reason in seen
        for term in finding.terms:
            assert term.source in seen
    assert "1 of 3 points not reproduced." in seen
    assert "36.9000 to 45.1000" in seen
    assert "0.0200 (-0.0100 to 0.0500), 60 problems, 3 dropped as undefined" in seen
    assert "about 140 problems like these would decide" in seen


def test_the_first_sentence_counts_the_verdicts(reported):
    seen = seen_in((reported / REPORT).read_text())
    assert "3 claims judged. 1 not reproduced 1 inconclusive 1 reproduced" in seen


def test_a_smoke_run_says_that_it_was_not_judged_and_names_the_claims(write_run):
    nothing = Findings(schema=2, findings=())
    seen = seen_in(write_report(write_run(models=("tiny",), profile=Profile.SMOKE, judged=nothing)).read_text())
    assert "not judged (smoke): every step worked; a smoke run judges no claim of a paper." in seen
    assert "DPO raises greedy accuracy over SFT." in seen


def test_a_run_without_any_finding_says_that_nothing_was_judged(write_run):
    seen = seen_in(write_report(write_run(judged=Findings(schema=2, findings=()))).read_text())
    assert "Nothing was judged" in seen


def test_undefined_is_a_word_with_its_reason_and_never_zero(reported):
    page = (reported / REPORT).read_text()
    assert "undefined (undefined on all 60 problems)" in seen_in(page)
    assert "0.0000" not in seen_in(page)
    assert "distinct-n of incorrect outputs of big at t = 3: undefined" in seen_in(page)


def test_the_case_study_is_in_the_page_with_every_answer_and_outcome(reported_many):
    seen = seen_in((reported_many / REPORT).read_text())
    assert "test-7" in seen and "One of 5 that turned, of 60 problems." in seen
    for iteration, words in enumerate(("wrong samples: 25 % correct", "unparsed samples: none judged", "correct"), 1):
        assert f"M {iteration} {words}" in seen or f"M{iteration} {words}" in seen
        assert f"1 < 2 & {iteration} + 1 #### {iteration}" in seen
    assert "tiny: no such problem" in seen and "None of 60 problems went from wrong to right." in seen


def test_the_best_iteration_and_what_is_published_of_it_are_in_the_page(reported):
    seen = seen_in((reported / REPORT).read_text())
    assert "at t = 3" in seen
    assert "41.0 percent big" in seen and "71.5 percent big" in seen
    assert "2407.05013" in seen


def test_what_scrolls_can_be_reached_by_the_keyboard(reported):
    page = (reported / REPORT).read_text()
    assert page.count('class="scroll"') == page.count('class="scroll" role="region" tabindex="0" aria-label="')


def test_a_run_folder_alone_is_enough(reported, tmp_path):
    """A copy of the folder elsewhere gives the same page."""
    copy = tmp_path / "copy"
    shutil.copytree(reported, copy, ignore=shutil.ignore_patterns("figures", REPORT))
    assert write_report(copy).read_bytes() == (reported / REPORT).read_bytes()


def test_hostile_text_is_shown_and_not_run(write_run, findings, tables):
    judged = findings("big", statement=_HOSTILE)
    made = tables(("big",), 1)
    evil = tuple(replace(each, metric=f"{_HOSTILE}/../../x") for each in made.measurements if each.metric == "reward")
    made = replace(made, measurements=(*made.measurements, *evil))
    folder = write_run(judged=judged, tables=made)
    read = read_page(write_report(folder).read_text())
    assert not {"script", "img"} & read.tags
    assert _HOSTILE in "".join(read.text)
    assert {path.parent for path in folder.rglob("*.svg")} == {folder / "figures"}
    for path in (folder / "figures").glob("*.svg"):
        ElementTree.parse(path)


def test_a_link_that_is_no_web_address_is_shown_as_text(reported):
    read = read_page((reported / REPORT).read_text())
    assert "https://arxiv.org/abs/2407.05013" in read.targets
    assert all(target.startswith(("#", "https://", "reference_results/", "data:")) for target in read.targets)


def test_the_page_is_well_formed_and_needs_no_network(reported_many):
    page = (reported_many / REPORT).read_text()
    read = read_page(page)
    assert len(read.ids) == len(set(read.ids))
    assert {target[1:] for target in read.targets if target.startswith("#")} <= set(read.ids)
    assert not {"script", "link", "img", "iframe", "object"} & read.tags
    assert "@import" not in page and not re.search(r"url\((?!#)", page)


def test_every_table_has_headers_and_every_figure_alt_text(reported):
    page = (reported / REPORT).read_text()
    assert all("<th scope=" in table for table in page.split("<table>")[1:])
    assert page.count('<svg role="img" aria-label="') == page.count("<figure>") == 6
    assert "Greedy pass@1. big: on the test problems: t 1 0." in page


def test_figures_are_svg_files(reported_many):
    files = sorted((reported_many / "figures").iterdir())
    assert [file.suffix for file in files] == [".png", ".svg"] * 6
    for file in files[1::2]:
        assert ElementTree.parse(file).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_same_run_gives_the_same_bytes_drawn_again_or_not(reported, write_run):
    folder = write_run()
    figures._files.cache_clear()  # a process remembers its drawings
    drawn = _bytes(folder, write_report(folder))
    assert drawn == _bytes(reported, reported / REPORT)
    assert drawn == _bytes(folder, write_report(folder))


def _bytes(folder: Path, report: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in [report, *sorted((folder / "figures").iterdir())]}


def test_a_figure_is_drawn_again_only_when_its_numbers_changed(reported, write_run, tables, monkeypatch):
    folder = _with_figures(write_run(), reported)
    drawn: list[str] = []
    monkeypatch.setattr("selfimp_bench.report.write.draw", _recording(drawn))
    write_report(folder)
    assert drawn == []
    made = tables(("big",), 1)
    moved = tuple(replace(each, value=0.5) if each.metric == "reward" else each for each in made.measurements)
    write_run(tables=replace(made, measurements=moved))
    write_report(folder)
    assert drawn == ["reward"]


def _with_figures(folder: Path, drawn: Path) -> Path:
    shutil.copytree(drawn / "figures", folder / "figures")
    return folder


def _recording(drawn: list[str]) -> Callable[[figures.Figure], str]:
    def draw(figure: figures.Figure) -> str:
        drawn.append(figure.name)
        return figures.draw(figure)

    return draw


@pytest.mark.parametrize("planted", ["<script>alert(1)</script>", '<g onload="alert(1)"/>', "<!-- x -->", "</g>"])
def test_a_figure_that_somebody_changed_is_drawn_again(reported, write_run, planted):
    folder = _with_figures(write_run(), reported)
    page = (reported / REPORT).read_bytes()
    path = folder / "figures" / "reward.svg"
    honest = path.read_bytes()
    path.write_bytes(honest.replace(b"</svg>", planted.encode() + b"</svg>"))
    assert write_report(folder).read_bytes() == page
    assert path.read_bytes() == honest


def test_what_can_be_taken_away_lies_in_the_page_itself(reported, tables, findings):
    """Every figure as SVG and PNG, every table as CSV, the measurements and the findings; the page may be moved."""
    page = (reported / REPORT).read_text()
    files = dict(re.findall(r'download="([^"]+)" href="data:[^,"]+,([^"]+)"', page))
    for drawn in (reported / "figures").iterdir():
        assert base64.b64decode(files[drawn.name]) == drawn.read_bytes()
    assert page.count("<table") == len(re.findall(r'download="[^"]+" href="data:text/csv', page)) - 1
    measured = list(csv.DictReader(base64.b64decode(files["measurements.csv"]).decode().splitlines()))
    assert [row["metric"] for row in measured] == [each.metric for each in tables(("big",), 1).measurements]
    assert base64.b64decode(files["findings.json"]) == to_json(findings("big"))


def test_a_png_that_somebody_changed_or_that_is_of_other_numbers_is_drawn_again(reported, write_run):
    folder = _with_figures(write_run(), reported)
    path = folder / "figures" / "reward.png"
    honest = path.read_bytes()
    for planted in (b"<svg/>", b"", (folder / "figures" / "distinct-n.png").read_bytes()):
        path.write_bytes(planted)
        write_report(folder)
        assert path.read_bytes() == honest


def test_a_reference_is_in_the_legend_where_there_is_one(reported):
    assert "reference, band: allowed" in (reported / "figures" / "greedy-pass-1.svg").read_text()
    assert "reference" not in (reported / "figures" / "reward.svg").read_text()


def test_a_run_that_was_not_checked_is_refused_with_what_to_do(write_run):
    folder = write_run()
    (folder / FINDINGS).unlink()
    with pytest.raises(InputError, match="selfimp-bench check"):
        write_report(folder)
    (folder / FINDINGS).write_bytes(b"{}")
    with pytest.raises(InputError, match="not findings of this version"):
        write_report(folder)


def test_several_findings_of_one_claim_are_counted_as_findings(write_run, findings):
    both = (*findings("big").findings, *findings("tiny").findings)
    folder = write_run(models=("big", "tiny"), judged=Findings(schema=2, findings=both))
    assert "6 findings on 3 claims and 2 models. 2 not reproduced" in seen_in(write_report(folder).read_text())
    reproduced = tuple(replace(each, verdict=Verdict.REPRODUCED) for each in both)
    keep_findings(folder, Findings(schema=2, findings=reproduced), "")
    assert "2 models. 6 reproduced" in seen_in(write_report(folder).read_text())


def test_a_claim_of_several_models_stands_once_with_a_mark_and_a_place_for_each(write_run, findings):
    both = (*findings("big").findings, *findings("tiny").findings[:2])
    folder = write_run(models=("big", "tiny"), judged=Findings(schema=2, findings=both))
    page = write_report(folder).read_text()
    assert seen_in(page).count("DPO raises greedy accuracy over SFT.") == 1
    read = read_page(page)
    for model in ("big", "tiny"):
        assert f"claim-dpo-helps--{model}" in read.ids
        assert read.targets.count(f"#claim-dpo-helps--{model}") == 2  # the mark, and the link to itself
    assert "claim-diversity-falls--tiny" not in read.ids
    assert '<td><span class="soft">·</span></td>' in page


def test_the_figures_of_the_paper_stand_before_the_claims_and_the_answer_on_top(reported):
    page = (reported / REPORT).read_text()
    order = [
        page.index(f'<section id="{name}"') for name in ("answer", "matrix", "paper", "findings", "best", "summary")
    ]
    assert order == sorted(order)
