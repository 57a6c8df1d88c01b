"""A judgement as text for other tools: Markdown for a pull request's comment, JUnit's XML for a CI's list of tests."""

from collections import Counter
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree

from selfimp_bench.manifest.variants import NOT_JUDGED, variant_words
from selfimp_bench.runs.judge import StudyJudgement
from selfimp_bench.verdict.findings import Finding, Findings, Verdict, brief

NOT_SMOKE = "not judged (smoke): every step worked; a smoke run judges no claim of a paper"


def markdown(judgement: StudyJudgement) -> str:
    """Counts of the verdicts, then a row a finding of the study and of each of its experiments, and why what is not
    reproduced is not."""
    lines = [f"# {judgement.study}", "", _counted(judgement)]
    for name, findings in _parts(judgement):
        if not findings.findings:
            continue
        lines += ["", f"## {name}", "", "| claim | model | measured | reference | verdict |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(map(_cell, row))} |" for finding in findings.findings for row in _rows(finding)]
        undecided = [each for each in findings.findings if each.verdict is not Verdict.REPRODUCED]
        if undecided:
            lines += [
                "",
                *(f"- {_cell(f'{each.claim} ({each.model}): {each.verdict}: {each.reason}')}" for each in undecided),
            ]
    return "\n".join(lines) + "\n"


def junit(judgement: StudyJudgement) -> str:
    """A test suite an experiment, a test case a finding: contradicted is failed, undecided is skipped.

    A smoke run has one test case, which passed.
    """
    root = ElementTree.Element("testsuites", name=judgement.study)
    for name, findings in _parts(judgement):
        verdicts = [each.verdict for each in findings.findings]
        failed = verdicts.count(Verdict.NOT_REPRODUCED)
        skipped = len(verdicts) - failed - verdicts.count(Verdict.REPRODUCED)
        unjudged = not judgement.judged and not judgement.variant
        counts = {
            "tests": str(len(verdicts) + unjudged),
            "failures": str(failed),
            "errors": "0",
            "skipped": str(skipped),
        }
        suite = ElementTree.SubElement(root, "testsuite", {"name": name} | counts)
        if unjudged:  # a smoke run: that it got here is what it shows
            ElementTree.SubElement(suite, "testcase", classname=name, name="every step works", time="0")
        for finding in findings.findings:
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"{name}.{finding.model}", name=finding.claim, time="0"
            )
            if finding.verdict is Verdict.NOT_REPRODUCED:
                ElementTree.SubElement(case, "failure", message=finding.reason).text = finding.statement
            elif finding.verdict is not Verdict.REPRODUCED:
                ElementTree.SubElement(case, "skipped", message=f"{finding.verdict}: {finding.reason}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _parts(judgement: StudyJudgement) -> Iterator[tuple[str, Findings]]:
    """The findings across the experiments, where there are such, and those of each experiment."""
    if judgement.across:
        yield judgement.study, judgement.findings
    for own in judgement.experiments:
        yield own.experiment, own.findings


def _counted(judgement: StudyJudgement) -> str:
    if judgement.variant:
        return f"{NOT_JUDGED}: {_cell(variant_words(judgement.variant))}"
    if not judgement.judged:
        return NOT_SMOKE
    counts = Counter(each.verdict for _, findings in _parts(judgement) for each in findings.findings)
    if not counts:
        return (
            "measured, nothing claimed"
            if not any(each.claimed for each in judgement.experiments)
            else "nothing was judged"
        )
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])


def _rows(finding: Finding) -> Iterable[tuple[str, str, str, str, str]]:
    if finding.points:
        for point in finding.points:
            cell = f"{finding.claim}: {point.cell.metric} {point.cell.split} t={point.cell.iteration}"
            measured = "undefined" if point.measured is None else brief(point.measured)
            yield cell, finding.model, measured, point.reference, point.verdict
        return
    interval = finding.interval
    measured = "" if interval is None else f"{brief(interval.mean)} ({brief(interval.low)} to {brief(interval.high)})"
    yield finding.claim, finding.model, measured, "own problems", finding.verdict


def _cell(text: str) -> str:
    """Text that stays in its cell, and that no reader of Markdown takes for marks or for HTML."""
    plain = " ".join(text.split())
    return "".join(
        f"\\{each}" if each in "|\\`*_[]#" else {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(each, each)
        for each in plain
    )
