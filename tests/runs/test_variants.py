"""Variants from the command to the page: refused, run, resumed, recorded, reported, and never judged."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support import ManifestMaker

from selfimp_bench.cli.app import cli
from selfimp_bench.manifest.model import Profile
from selfimp_bench.manifest.yaml_text import yaml_text
from selfimp_bench.runs.record import read_record, read_study_record
from selfimp_bench.runs.study import open_study

FIELD = "post_training.pairs_per_problem"
WORDS = f"a variant, not judged: {FIELD} is 1 (the experiment: 4)"
LISTED = [{"field": FIELD, "values": [1, 2], "reason": "the paper does not say"}]


def _call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def _listing(data: dict[str, Any]) -> None:
    data["sensitivity"] = LISTED
    data["measure"]["metrics"] = ["pass@1", "pass@k"]
    for key in ("improvement_n", "encoder", "diversity_samples"):
        data["measure"].pop(key, None)
    data["claims"] = [claim for claim in data["claims"] if claim["id"] in ("accuracy", "accuracy-rises")]


@pytest.fixture
def experiment(make_manifest: ManifestMaker) -> Path:
    return make_manifest(schedule=("sft-gold", "dpo", "sft", "dpo", "sft"), keep_values=True, change=_listing)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_what_is_not_listed_is_refused_with_the_list(experiment: Path, home: Path) -> None:
    for command in ("plan", "run", "reproduce"):
        found = _call(command, experiment, "--vary", "seed=3", "--home", home)
        assert found.exit_code == 2, command
        assert f"  {FIELD}, for example 1, 2" in found.stderr
    assert not (home / "runs").exists()


def test_a_value_that_the_field_cannot_have_is_refused_in_the_schema_s_words(experiment: Path, home: Path) -> None:
    found = _call("plan", experiment, "--vary", "pairs_per_problem=0", "--home", home)
    assert found.exit_code == 2
    assert f"$.{FIELD}: expected at least 1, found 0" in found.stderr
    rule = _call("plan", experiment, "--vary", "pairs_per_problem=null", "--home", home)
    assert rule.exit_code == 2 and f"$.{FIELD}: " in rule.stderr


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["pairs_per_problem=4"], "--vary pairs_per_problem: nothing would vary"),
        (["pairs_per_problem=1", f"{FIELD}=2"], f"--vary {FIELD}: {FIELD} is varied twice"),
    ],
)
def test_what_varies_nothing_or_one_field_twice_is_refused(experiment: Path, asked: list[str], words: str) -> None:
    found = _call("plan", experiment, *(word for each in asked for word in ("--vary", each)))
    assert found.exit_code == 2 and words in found.stderr


def test_a_plan_says_that_it_is_one_and_decides_no_claim(experiment: Path, home: Path) -> None:
    found = _call("plan", experiment, "--vary", "pairs_per_problem=1", "--home", home)
    assert found.exit_code == 0, found.stderr
    assert WORDS in found.stdout
    assert "Can this size decide the claims?" not in found.stdout
    document = json.loads(_call("plan", experiment, "--vary", "pairs_per_problem=1", "--home", home, "--json").stdout)
    assert document["variant"] == [{"field": FIELD, "value": 1, "instead_of": 4}]
    assert document["experiments"][0]["claims"] is None


@pytest.mark.slow
def test_a_variant_is_run_resumed_recorded_and_shown_and_never_judged(experiment: Path, home: Path) -> None:
    itself = _call("run", experiment, "--home", home)
    assert itself.exit_code == 0, itself.stderr
    asked = (experiment, "--vary", "pairs_per_problem=1", "--home", home)
    found = _call("reproduce", *asked)
    assert found.exit_code == 3, found.stderr
    assert WORDS in found.stdout
    assert "measured, beside the reference of the experiment itself" in " ".join(found.stdout.split())
    assert not {"REPRODUCED", "NOT_REPRODUCED", "INCONCLUSIVE", "NOT_MEASURED"} & set(found.stdout.split())

    (folder,) = (home / "runs" / f"small+{FIELD}=1").iterdir()
    record = read_record(folder)
    assert [(each.field, each.value, each.instead_of) for each in record.variant] == [(FIELD, 1, 4)]
    reused = {step.id.partition("/seed")[2].partition("/")[2]: step.reused for step in record.steps}
    assert reused["t1/train"] and not reused["t2/select"]
    findings = json.loads((folder / "findings.json").read_bytes())
    assert findings["findings"] == [] and findings["variant"] == [{"field": FIELD, "value": 1, "instead_of": 4}]
    page = (folder / "report.html").read_text()
    assert WORDS in page and re.search("Measured, beside .* of the experiment itself", page)
    assert f"--vary {FIELD}=1" in page

    again = _call("reproduce", *asked, "--json")
    assert again.exit_code == 3
    document = json.loads(again.stdout)
    assert document["run"] == str(folder) and not document["judged"]
    assert document["experiments"][0]["beside"]
    assert all(step.reused for step in read_record(folder).steps)
    assert _call("check", f"small+{FIELD}=1", "--home", home).exit_code == 3
    assert WORDS in _call("explain", folder, "accuracy", "--home", home).stdout
    assert _call("check", "small", "--home", home).exit_code in (0, 1), "the experiment's own run is judged as ever"


def test_a_profile_that_replaces_the_block_leaves_nothing_to_vary(make_manifest: ManifestMaker, home: Path) -> None:
    def listing(data: dict[str, Any]) -> None:
        _listing(data)
        data["profiles"] = {"smoke": {"post_training": data["post_training"]}}

    path = make_manifest(schedule=("sft-gold", "dpo"), change=listing)
    found = _call("plan", path, "--profile", "smoke", "--vary", "pairs_per_problem=1", "--home", home)
    assert found.exit_code == 2
    assert "profile smoke of small has a block post_training of its own" in found.stderr


@pytest.fixture
def several(make_manifest: ManifestMaker, tmp_path: Path) -> Path:
    """The file of two experiments, one of which lists the field."""
    make_manifest(name="one", schedule=("sft-gold", "dpo"), change=_listing)
    make_manifest(name="two", schedule=("sft-gold", "sft"), change=lambda data: data.pop("sensitivity"))
    (tmp_path / "numbers.csv").write_text(
        "id,model,dataset,method,metric,x,printed,unit,read_error,source,conflicts_with\n"
        "d1,tiny-gsm-base,toy,dpo,pass@1,1,50,percent,,Figure 1,\n"
    )
    at = {"metric": "pass@1", "split": "test", "dataset": "toy", "model": "tiny-gsm-base", "method": "dpo"}
    claim = {
        "id": "dpo-rises",
        "statement": "It rises.",
        "source": "Section 4",
        "holds": "all",
        "above": {"greater": at | {"iterations": [2]}, "lesser": at | {"iterations": [1]}},
    }
    members = [
        {"name": name, "version": 1, "dataset": "toy", "method": method, "models": ["tiny-gsm-base"]}
        for name, method in (("one", "dpo"), ("two", "sft"))
    ]
    data = {
        "schema": 1,
        "kind": "suite",
        "name": "both",
        "version": 1,
        "title": "Both",
        "summary": "Two methods.",
        "paper": {"id": "p", "title": "Paper", "section": "Section 4", "url": "https://example.org/p"},
        "experiments": members,
        "published": {"tables": ["numbers.csv"], "renamed": [], "best": []},
        "priors": "tiny-trained",
        "claims": [claim],
    }
    path = tmp_path / "both.suite.v1.yaml"
    path.write_text(yaml_text(data), encoding="utf-8")
    return path


def test_of_several_those_that_list_the_field_are_varied_and_nothing_is_judged(several: Path, home: Path) -> None:
    found = _call("reproduce", several, "--vary", "pairs_per_problem=1", "--home", home)
    assert found.exit_code == 3, found.stderr
    assert f"one: {WORDS}" in found.stdout and "two" not in found.stdout
    (folder,) = (home / "runs" / f"both+{FIELD}=1").iterdir()
    assert [run.experiment for run in read_study_record(folder).runs] == ["one"]
    findings = json.loads((folder / "findings.json").read_bytes())
    assert findings["findings"] == [] and [each["field"] for each in findings["variant"]] == [FIELD]
    assert WORDS in (folder / "report.html").read_text()
    assert _call("check", folder, "--home", home).exit_code == 3
    assert _call("plan", several, "--vary", "seed=1", "--home", home).exit_code == 2


def test_of_several_all_of_their_own_values_are_named() -> None:
    asked = ["pairs_per_problem=10"]
    study = open_study("progress-or-regress", profile=Profile.PAPER, only=None, replicates=1, vary=asked)
    assert {each.manifest.name for each in study.experiments} >= {"gsm8k-iter-dpo", "math-iter-sft-dpo"}
    assert not any(each.manifest.name.endswith("iter-sft") for each in study.experiments)
    (variation,) = study.variant
    assert (variation.field, variation.value, variation.instead_of) == (FIELD, 10, "1 or 3")


def test_of_several_those_that_have_the_value_are_themselves_and_left_out() -> None:
    asked = ["pairs_per_problem=3"]  # that of MATH, and one of those listed for GSM8K
    study = open_study("progress-or-regress", profile=Profile.PAPER, only=None, replicates=1, vary=asked)
    assert "gsm8k-iter-dpo" in (names := {each.manifest.name for each in study.experiments})
    assert not any(name.startswith("math") for name in names)
    both = [*asked, "dpo.optimisation.learning_rate=5e-6"]
    study = open_study("progress-or-regress", profile=Profile.PAPER, only=None, replicates=1, vary=both)
    assert "math-iter-dpo" in {each.manifest.name for each in study.experiments}
    assert [each.instead_of for each in study.variant if each.field == FIELD] == ["1 or 3"]
