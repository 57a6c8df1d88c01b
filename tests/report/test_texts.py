"""A judgement as Markdown and as JUnit's XML."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from runs.test_study import _call, _open, study_file

from selfimp_bench.report.texts import junit, markdown
from selfimp_bench.runs.execute import run_study
from selfimp_bench.runs.judge import Judgement, StudyJudgement
from selfimp_bench.steps.progress import SILENT
from selfimp_bench.verdict.findings import Findings

__all__ = ["study_file"]


@pytest.fixture
def judged(findings: Callable[..., Findings]) -> Callable[..., StudyJudgement]:
    """A study of one experiment with a finding of each kind; what is given in place of its own."""

    def make(**given: Any) -> StudyJudgement:
        found = given.pop("findings", findings("big"))
        own = Judgement(
            experiment="toy",
            run="r",
            judged=True,
            findings=found,
            exit_code=1,
            claimed=True,
            unwritten=(),
            probes={},
            prompts={},
        )
        own = replace(own, **given)
        return StudyJudgement(
            study="toy",
            run="r",
            judged=own.judged,
            across=False,
            findings=found,
            experiments=(own,),
            exit_code=own.exit_code,
            unwritten=(),
            together=None,
            variant=own.variant,
        )

    return make


def test_markdown_has_counts_a_row_a_number_and_why(judged: Callable[..., StudyJudgement]) -> None:
    lines = markdown(judged()).splitlines()
    assert lines[:3] == ["# toy", "", "1 REPRODUCED, 1 NOT_REPRODUCED, 1 INCONCLUSIVE"]
    assert r"| accuracy: pass@1 test t=1 | big | 42 | 41.0 | REPRODUCED |" in lines
    assert r"| accuracy: pass@1 test t=2 | big | undefined | 50.2 | NOT\_MEASURED |" in lines
    assert "| dpo-helps | big | 0.02 (-0.01 to 0.05) | own problems | INCONCLUSIVE |" in lines
    assert any(line.startswith(r"- dpo-helps (big): INCONCLUSIVE: pass@1 at 2 less 1") for line in lines)
    assert not any(line.startswith("- diversity-falls") for line in lines)


def test_what_a_claim_says_stays_in_its_cell(
    judged: Callable[..., StudyJudgement], findings: Callable[..., Findings]
) -> None:
    hostile = replace(findings("big").findings[0], claim="a|b\n# c", model="<b>x</b>", reason="[l](x) `y` & z")
    text = markdown(judged(findings=Findings(schema=2, findings=(hostile,))))
    assert r"| a\|b \# c: pass@1 test t=1 | &lt;b&gt;x&lt;/b&gt; | 42 |" in text
    assert r"\[l\](x) \`y\` &amp; z" in text
    case = ElementTree.fromstring(junit(judged(findings=Findings(schema=2, findings=(hostile,))))).find(".//testcase")
    assert case is not None and case.get("classname") == "toy.<b>x</b>"


def test_junit_fails_what_is_contradicted_and_skips_what_is_not_decided(judged: Callable[..., StudyJudgement]) -> None:
    root = ElementTree.fromstring(junit(judged()))
    (suite,) = root.findall("testsuite")
    cases = suite.findall("testcase")
    assert suite.get("tests") == str(len(cases))
    outcomes = {case.get("name"): next((each.tag for each in case), "passed") for case in cases}
    assert (outcomes["accuracy"], outcomes["dpo-helps"], outcomes["diversity-falls"]) == (
        "failure",
        "skipped",
        "passed",
    )
    for key, tag in (("failures", "failure"), ("skipped", "skipped")):
        assert suite.get(key) == str(list(outcomes.values()).count(tag))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"judged": False}, "not judged (smoke)"),
        ({"claimed": False}, "measured, nothing claimed"),
        ({}, "nothing was judged"),
    ],
)
def test_a_run_without_findings_says_why(
    given: dict[str, Any], words: str, judged: Callable[..., StudyJudgement]
) -> None:
    nothing = judged(findings=Findings(schema=2, findings=()), **given)
    assert words in markdown(nothing)
    (suite,) = ElementTree.fromstring(junit(nothing)).findall("testsuite")
    names = [case.get("name") for case in suite.findall("testcase")]
    assert names == (["every step works"] if "judged" in given else [])
    assert suite.get("tests") == str(len(names))


def test_the_command_writes_both_of_a_study(study_file: Path, tmp_path: Path) -> None:
    folder = run_study(_open(study_file), tmp_path / "home", SILENT)
    files = tmp_path / "findings.md", tmp_path / "findings.xml"
    shown = _call("report", folder, "--markdown", files[0], "--junit", files[1])
    assert shown.exit_code == 0, shown.output
    assert "## both" in files[0].read_text()
    suites = ElementTree.fromstring(files[1].read_text()).findall("testsuite")
    assert suites[0].get("name") == "both" and len(suites) == 3
