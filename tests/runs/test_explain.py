"""Why a claim got its verdict, on runs of the fake engines."""

from pathlib import Path
from typing import Any

import pytest
from runs.test_study import MODEL, _open, _Quiet, study_file
from support import ManifestMaker

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile, ValueClaim
from selfimp_bench.runs import explain
from selfimp_bench.runs.execute import execute, run_study
from selfimp_bench.runs.explain import Explanation
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.progress import Silent
from selfimp_bench.verdict.findings import MINIMUM_PROBLEMS, Interval, Kind, Verdict

__all__ = ["study_file"]


def _claim(form: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"my-{form}", "statement": f"A {form}.", "source": "Section 4", form: body}


def _explain(make_manifest: ManifestMaker, home: Path, claim: dict[str, Any], problems: int = 30) -> Explanation:
    manifest = make_manifest(counts=(20, problems, 10), change=lambda data: data["claims"].append(claim))
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=1)
    return explain.explain(execute(experiment, home, Silent()), claim["id"])


def _value(*points: dict[str, Any]) -> dict[str, Any]:
    table = "tiny/tiny-iter-sft.v1.csv"
    return _claim("value", {"table": table, "rule": "prediction-interval", "confidence": 0.95, "points": list(points)})


POINT = {"metric": "pass@1", "split": "test", "iteration": 1, "reference": "test.pass@1.t1"}
UNMEASURED = {"metric": "is-pass@2.first", "split": "test", "iteration": 2, "reference": "test.is-pass@2.first.t2"}


def test_a_value_has_the_terms_of_every_point_and_what_would_decide_it(
    make_manifest: ManifestMaker, common_home: Path
) -> None:
    found = _explain(make_manifest, common_home, _value(POINT))
    (finding,) = found.findings
    assert (found.statement, found.source, found.rule) == ("A value.", "Section 4", explain.PREDICTION_INTERVAL)
    names = [term.name for term in finding.points[0].terms]
    assert {"measured mean", "reference mean", "sd", "t quantile", "allowed half-width", "standard error"} <= set(names)
    assert all(term.source for term in finding.points[0].terms)
    (need,) = found.to_decide
    assert (need.cell, need.verdict) == ("pass@1 on test at iteration 1", finding.points[0].verdict)
    assert need.verdict is not Verdict.INCONCLUSIVE or need.problems == finding.problems_to_decide


def test_readings_have_the_rules_of_their_forms_and_their_terms(
    make_manifest: ManifestMaker, common_home: Path
) -> None:
    value, order = (
        {"name": "as in the table", "value": _value(POINT)["value"]},
        {
            "name": "later is better",
            "order": {
                "greater": _cell("pass@1", 2),
                "lesser": _cell("pass@1", 1),
                "bootstrap": {"confidence": 0.95, "resamples": 200, "seed": 1},
            },
        },
    )
    claim = {"id": "my-any", "statement": "Either.", "source": "Section 4", "any_of": [value, order]}
    found = _explain(make_manifest, common_home, claim)
    assert found.rule == "\n\n".join((explain.ANY_OF, explain.PREDICTION_INTERVAL, explain.PAIRED))
    (finding,) = found.findings
    assert "later is better: mean" in {term.name for term in finding.terms}
    assert [need.cell for need in found.to_decide] == ["pass@1 on test at iteration 1"]


def test_too_few_problems_are_told_apart_from_none(make_manifest: ManifestMaker, common_home: Path) -> None:
    found = _explain(make_manifest, common_home, _value(POINT, UNMEASURED), problems=8)
    few, none = found.to_decide
    assert (few.verdict, few.words.startswith("more problems, at least 20")) == (Verdict.INCONCLUSIVE, True)
    assert (none.verdict, "no number of problems" in none.words) == (Verdict.NOT_MEASURED, True)


def test_an_order_says_how_few_problems_would_have_done(make_manifest: ManifestMaker, common_home: Path) -> None:
    cells = {"greater": _cell("pass@1", 3), "lesser": _cell("pass@1", 1)}
    order = _claim("order", cells | {"bootstrap": {"confidence": 0.95, "resamples": 500, "seed": 1}})
    found = _explain(make_manifest, common_home, order)
    (finding,), (need,) = found.findings, found.to_decide
    assert (found.rule, finding.kind) == (explain.PAIRED, Kind.ORDER)
    assert need.cell == ""
    assert (need.problems is None) is (finding.interval == Interval(mean=0, low=0, high=0, problems=30, dropped=0))


def _cell(metric: str, iteration: int) -> dict[str, Any]:
    return {"metric": metric, "split": "test", "iteration": iteration}


def test_what_is_decided_names_the_fewest_problems_that_would_do(
    make_manifest: ManifestMaker, common_home: Path
) -> None:
    """Two shares that are far apart: the fake model, asked what it never saw, is varied and mostly wrong."""
    cells = {"greater": _cell("distinct-n.incorrect", 1), "lesser": _cell("pass@1", 1)}
    order = _claim("order", cells | {"bootstrap": {"confidence": 0.95, "resamples": 500, "seed": 1}})
    found = _explain(make_manifest, common_home, order)
    (need,) = found.to_decide
    assert need.verdict is Verdict.REPRODUCED
    assert need.words.startswith("decided with 30 problems; about")
    assert need.problems is not None and need.problems >= MINIMUM_PROBLEMS


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
    folder = run_study(_open(study_file), tmp_path / "home", _Quiet())
    found = explain.explain(folder, "dpo-is-better")
    (finding,) = found.findings
    assert (found.rule, finding.model, found.judged) == (explain.ACROSS, MODEL, True)
    assert any(term.source == "bootstrap over problems" for term in finding.terms)
    assert [need.verdict for need in found.to_decide] == [finding.verdict]
    with pytest.raises(InputError, match="both makes no such claim"):
        explain.explain(folder, "accuracy-rises")


def test_every_rule_of_a_value_claim_has_its_words() -> None:
    rules = ValueClaim.__annotations__["rule"].__args__
    assert set(explain._OF_VALUES) == set(rules)
