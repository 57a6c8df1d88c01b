"""Why a claim got its verdict, on runs of the fake engines."""

from pathlib import Path
from typing import Any

import pytest
from runs.test_study import MODEL, _open, study_file
from support import ManifestMaker

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs import explain
from selfimp_bench.runs.execute import execute, run_study
from selfimp_bench.runs.explain import Explanation
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.progress import SILENT, Silent
from selfimp_bench.verdict.findings import Kind, Verdict, brief

__all__ = ["study_file"]


def _claim(form: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"my-{form}", "statement": f"A {form}.", "source": "Section 4", form: body}


def _explain(make_manifest: ManifestMaker, home: Path, claim: dict[str, Any], problems: int = 30) -> Explanation:
    manifest = make_manifest(counts=(20, problems, 10), change=lambda data: data["claims"].append(claim))
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=1)
    return explain.explain(execute(experiment, home, Silent()), claim["id"])


def _value(*points: dict[str, Any]) -> dict[str, Any]:
    body = {"table": "tiny/tiny-iter-sft.v1.csv", "against": "none"}
    return _claim("value", body | {"points": list(points)})


POINT = {"metric": "pass@1", "split": "test", "iteration": 1, "reference": "test.pass@1.t1"}
UNMEASURED = {"metric": "is-pass@2.first", "split": "test", "iteration": 2, "reference": "test.is-pass@2.first.t2"}


def test_a_value_has_the_terms_of_every_point_with_their_sources_and_what_would_have_failed(
    make_manifest: ManifestMaker, common_home: Path
) -> None:
    found = _explain(make_manifest, common_home, _value(POINT))
    (finding,) = found.findings
    assert (found.statement, found.source, found.rule) == (
        "A value.",
        "Section 4",
        f"{explain.PUBLISHED}\n\n{explain.UNDEFINED}",
    )
    terms = {term.name: term.source for term in finding.points[0].terms}
    assert {"measured mean", "published number", "published sd", "expected sd over seeds", "sd over seeds"} <= set(
        terms
    )
    assert {"allowed besides the error", "sampling error", "p outside", "p of what would refute it"} <= set(terms)
    assert all(terms.values())
    assert "tiny-trained, pass@1: own replicates" in terms["expected sd over seeds"]
    (need,) = found.to_decide
    assert need.verdict is finding.verdict
    assert "it would have been contradicted" in need.would_fail


def test_readings_have_the_rules_of_their_forms_and_their_parts(
    make_manifest: ManifestMaker, common_home: Path
) -> None:
    value, order = (
        {"name": "as in the table", "value": _value(POINT)["value"]},
        {"name": "later is better", "order": _order(2, 1)},
    )
    claim = {"id": "my-any", "statement": "Either.", "source": "Section 4", "any_of": [value, order]}
    found = _explain(make_manifest, common_home, claim)
    assert found.rule == "\n\n".join((explain.ANY_OF, explain.PUBLISHED, explain.COMPARED, explain.UNDEFINED))
    (finding,) = found.findings
    assert any(term.name.startswith("later is better: ") for term in finding.terms)


def test_too_few_problems_are_told_apart_from_none(make_manifest: ManifestMaker, common_home: Path) -> None:
    (few,) = _explain(make_manifest, common_home, _value(POINT), problems=8).to_decide
    (none,) = _explain(make_manifest, common_home, _value(UNMEASURED)).to_decide
    assert few.verdict is Verdict.INCONCLUSIVE
    assert (none.verdict, "no number of problems" in none.words) == (Verdict.NOT_MEASURED, True)


def test_an_order_says_how_far_off_a_truth_it_could_tell(make_manifest: ManifestMaker, common_home: Path) -> None:
    found = _explain(make_manifest, common_home, _claim("order", _order(3, 1)))
    (finding,), (need,) = found.findings, found.to_decide
    assert (found.rule, finding.kind) == (f"{explain.COMPARED}\n\n{explain.UNDEFINED}", Kind.ORDER)
    assert finding.smallest_effect is not None
    assert f"in 80 of 100 runs it takes a truth {brief(finding.smallest_effect)} away to decide it" in need.words
    assert {"standard error, problems", "standard error, seeds", "p for", "level for"} <= {
        t.name for t in finding.terms
    }


def _order(greater: int, lesser: int) -> dict[str, Any]:
    return {
        "greater": _cell("pass@1", greater),
        "lesser": _cell("pass@1", lesser),
    }


def _cell(metric: str, iteration: int) -> dict[str, Any]:
    return {"metric": metric, "split": "test", "iteration": iteration}


def test_what_is_decided_says_so(make_manifest: ManifestMaker, common_home: Path) -> None:
    """Two shares that are far apart: the fake model, asked what it never saw, is varied and mostly wrong."""
    order = _order(1, 1) | {"greater": _cell("distinct-n.incorrect", 1)}
    (need,) = _explain(make_manifest, common_home, _claim("order", order)).to_decide
    assert (need.verdict, need.problems, need.replicates) == (Verdict.REPRODUCED, None, None)
    assert need.words.startswith("decided; in 80 of 100 runs")


def test_a_claim_that_is_not_made_is_refused_with_those_that_are(
    make_manifest: ManifestMaker, common_home: Path
) -> None:
    manifest = make_manifest()
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=1)
    folder = execute(experiment, common_home, Silent())
    with pytest.raises(InputError, match="no such claim; did you mean accuracy-rises"):
        explain.explain(folder, "accuracy-rise")
    with pytest.raises(InputError, match="its claims: accuracy-rises"):
        explain.explain(folder, "zzz")


def test_a_claim_across_experiments_names_its_comparisons(study_file: Path, tmp_path: Path) -> None:
    folder = run_study(_open(study_file), tmp_path / "home", SILENT)
    found = explain.explain(folder, "dpo-is-better")
    (finding,) = found.findings
    assert found.rule == f"{explain.TOGETHER}\n\n{explain.COMPARED}\n\n{explain.UNDEFINED}"
    assert (finding.model, found.judged) == (MODEL, True)
    assert {"p for", "p against"} <= {term.name for term in finding.terms}
    assert [need.verdict for need in found.to_decide] == [finding.verdict]
    with pytest.raises(InputError, match="both makes no such claim"):
        explain.explain(folder, "accuracy-rises")
