"""Studies of small fake experiments: planned together, run, judged; and on the command line."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hub_experiments import hub_experiment
from support import ManifestMaker

from selfimp_bench.cli.app import cli
from selfimp_bench.cli.reproduce import _stopped
from selfimp_bench.cli.watching import Told
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.manifest.yaml_source import read_yaml
from selfimp_bench.manifest.yaml_text import yaml_text
from selfimp_bench.runs.execute import execute, run_study
from selfimp_bench.runs.forecast import forecast, records_of
from selfimp_bench.runs.judge import judge_study
from selfimp_bench.runs.record import read_study_record
from selfimp_bench.runs.study import Study, open_study
from selfimp_bench.seals import seal_of
from selfimp_bench.steps.plan import Step, fingerprint, plan_keys
from selfimp_bench.steps.progress import SILENT, Place, Silent
from selfimp_bench.steps.store import Store
from selfimp_bench.verdict.findings import Verdict

MODEL = "tiny-gsm-base"
TABLE = (
    "id,model,dataset,method,metric,x,printed,unit,read_error,source,conflicts_with\n"
    "s1,tiny-gsm-base,toy,sft,pass@1,1,10,percent,,Figure 1,\n"
    "d1,tiny-gsm-base,toy,dpo,pass@1,1,50,percent,,Figure 1,\n"
)


def _member(name: str, method: str) -> dict[str, Any]:
    return {"name": name, "version": 1, "dataset": "toy", "method": method, "models": [MODEL]}


@pytest.fixture
def study_file(make_manifest: ManifestMaker) -> Path:
    """The file of two experiments that share everything up to the second training."""
    return study_of(make_manifest)


def study_of(make_manifest: ManifestMaker, *, figures: bool = False) -> Path:
    """The same, in the folder of what makes manifests."""
    make_manifest(name="one", schedule=("sft-gold", "dpo"), figures=figures)
    make_manifest(name="two", schedule=("sft-gold", "sft"), figures=figures)
    (make_manifest.folder / "numbers.csv").write_text(TABLE)
    at = {"metric": "pass@1", "split": "test", "dataset": "toy", "model": MODEL}
    claim = {
        "id": "dpo-is-better",
        "statement": "DPO is better.",
        "source": "Section 4",
        "holds": "all",
        "above": {
            "greater": at | {"method": "dpo", "iterations": [1]},
            "lesser": at | {"method": "sft", "iterations": [1]},
        },
    }
    data = {
        "schema": 1,
        "kind": "suite",
        "name": "both",
        "version": 1,
        "title": "Both",
        "summary": "Two methods.",
        "paper": {"id": "p", "title": "Paper", "section": "Section 4", "url": "https://example.org/p"},
        "experiments": [_member("one", "dpo"), _member("two", "sft")],
        "published": {"tables": ["numbers.csv"], "renamed": [], "best": []},
        "priors": "tiny-trained",
        "claims": [claim],
    }
    path = make_manifest.folder / "both.suite.v1.yaml"
    path.write_text(yaml_text(data), encoding="utf-8")
    return path


def _open(path: Path) -> Study:
    return open_study(str(path), profile=Profile.PAPER, only=None, replicates=1)


def _call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a study that was reproduced once."""
    folder = tmp_path_factory.mktemp("done")
    assert _call("reproduce", study_of(ManifestMaker(folder=folder)), "--home", folder / "home").exit_code in (1, 3)
    return folder / "home"


@pytest.fixture
def home(done: Path, tmp_path: Path) -> Path:
    """A copy of it, of the test's own."""
    return shutil.copytree(done, tmp_path / "home")


def test_equal_steps_of_two_experiments_are_planned_once(study_file: Path, tmp_path: Path) -> None:
    opened = _open(study_file)
    planned = opened.plan()
    keys = [set(plan_keys(experiment.plan()).values()) for experiment in opened.experiments]
    assert [member.experiment for member in planned.experiments] == ["one", "two"]
    assert planned.experiments[0].shared == 0
    assert planned.experiments[1].shared == len(keys[0] & keys[1]) > 0
    assert len(planned.plan.steps) == len(keys[0] | keys[1])
    seen: set[str] = set()
    for step in planned.plan.steps:
        assert set(step.inputs.values()) <= seen, "every input comes before its use"
        seen.add(step.id)
    assert forecast(planned.plan, Store(tmp_path / "store")).to_do == len(planned.plan.steps)


def test_plans_are_made_once(study_file: Path) -> None:
    opened = _open(study_file)
    assert opened.plan() is opened.plan()
    assert all(experiment.plan() is experiment.plan() for experiment in opened.experiments)


def test_an_experiment_by_itself_is_a_study_whose_run_is_its_own(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    opened = _open(make_manifest(name="alone"))
    (experiment,) = opened.experiments
    assert (opened.name, opened.across, opened.plan().plan) == ("alone", None, experiment.plan())
    folder = run_study(opened, tmp_path, SILENT)
    assert folder == experiment.run_folder(tmp_path)
    judgement = judge_study(folder)
    (own,) = judgement.experiments
    assert (judgement.study, judgement.across) == ("alone", False)
    assert (judgement.run, judgement.findings, judgement.exit_code) == (own.run, own.findings, own.exit_code)


def test_documents_of_one_and_of_several_experiments_have_one_shape(
    study_file: Path, make_manifest: ManifestMaker, home: Path
) -> None:
    alone = make_manifest(name="alone")
    for command in (("plan", "--home", home), ("show",), ("reproduce", "--home", home)):
        one, several = (json.loads(_call(*command, file, "--json").stdout) for file in (alone, study_file))
        assert one.keys() == several.keys(), command
        assert (one["study"], len(one["experiments"])) == ("alone", 1)
        assert (several["study"], len(several["experiments"])) == ("both", 2)
        assert one["experiments"][0].keys() == several["experiments"][0].keys(), command


def test_a_studys_run_names_its_experiments_runs_and_judges_over_all(study_file: Path, home: Path) -> None:
    judgement = judge_study(run_study(_open(study_file), home, SILENT))
    record = read_study_record(Path(judgement.run))
    assert [run.experiment for run in record.runs] == ["one", "two"]
    assert all((home / "runs" / run.folder / "record.json").is_file() for run in record.runs)
    (finding,) = judgement.findings.findings
    assert finding.verdict is Verdict.INCONCLUSIVE, "M_1 is one model, so the difference is 0"
    assert judgement.exit_code == 3 or any(each.exit_code == 1 for each in judgement.experiments)
    findings = Path(judgement.run) / "findings.json"
    before = findings.read_bytes()
    again = judge_study(run_study(_open(study_file), home, SILENT))
    assert (again.run, findings.read_bytes()) == (judgement.run, before)
    planned = _open(study_file).plan()
    assert forecast(planned.plan, Store(home / "store")).to_do == 0


def test_a_file_that_is_not_the_recorded_one_is_not_judged(study_file: Path, home: Path) -> None:
    folder = run_study(_open(study_file), home, SILENT)
    kept = folder / study_file.name
    kept.write_text(kept.read_text().replace("DPO is better.", "DPO is worse."))
    with pytest.raises(InputError, match=r"not the file that .*study\.json names; run again"):
        judge_study(folder)


def _changed(path: Path, change: Callable[[dict[str, Any]], None], *, seal: bool = True) -> None:
    record = json.loads(path.read_bytes())
    change(record)
    if seal:
        record["seal"] = seal_of(json.dumps(record).encode())
    path.write_text(json.dumps(record))


def test_every_edit_of_a_studys_run_is_refused_by_name(study_file: Path, home: Path) -> None:
    folder = run_study(_open(study_file), home, SILENT)
    judged = judge_study(folder)
    record, findings, table = (
        folder / name for name in ("study.json", "findings.json", "reference_results/numbers.csv")
    )
    one, two = (home / "runs" / run.folder / "record.json" for run in read_study_record(folder).runs)

    def swapped(record: dict[str, Any]) -> None:
        for key in ("folder", "evidence"):
            record["runs"][0][key] = record["runs"][1][key]

    edits: list[tuple[Path, Callable[[], object], str]] = [
        (record, lambda: _changed(record, lambda found: found.update(profile="smoke"), seal=False), "was edited"),
        (record, lambda: _changed(record, lambda found: found.update(runs=[])), "'runs' is empty"),
        (record, lambda: _changed(record, lambda found: found["runs"][0].update(folder="../x")), "the folder ../x"),
        (record, lambda: _changed(record, lambda found: found.update(study_file="../x")), "'files' lacks ../x"),
        (record, lambda: _changed(record, swapped), "is that of two"),
        (
            record,
            lambda: _changed(record, lambda found: found.update(profile="smoke")),
            "expected one, version 1, prof",
        ),
        (record, lambda: _changed(record, lambda found: found.update(study="x")), "'study' is x, version 1; expected"),
        (record, lambda: _changed(record, lambda found: found.update(variant=[])), "it has $.variant, a key that none"),
        (record, lambda: record.write_text("[" * 100000), "not a study's record"),
        (one, lambda: _changed(one, lambda found: found["seeds"].append(2)), "is not the one of this study"),
        (two, lambda: _changed(two, lambda found: found.update(models=[]), seal=False), "record.json: was edited"),
        (table, lambda: table.write_text(TABLE.replace("50", "51")), "numbers.csv: was changed"),
        (
            findings,
            lambda: findings.write_text(findings.read_text().replace("INCONCLUSIVE", "REPRODUCED")),
            "was edited",
        ),
    ]
    for file, edit, said in edits:
        before = file.read_bytes()
        edit()
        with pytest.raises(InputError, match=re.escape(said)) as refused:
            judge_study(folder)
        assert str(file.parent.name) in str(refused.value)
        file.write_bytes(before)
    assert judge_study(folder) == judged


def test_the_command_line_plans_shows_validates_and_reproduces_a_study(study_file: Path, home: Path) -> None:
    planned = json.loads(_call("plan", study_file, "--home", home, "--json").stdout)
    assert [each["experiment"] for each in planned["experiments"]] == ["one", "two"]
    assert "shared with one above" in _call("plan", study_file, "--home", home).stdout
    assert "dpo-is-better" in _call("show", study_file).stdout
    assert json.loads(_call("show", study_file, "--json").stdout)["across"]["name"] == "both"
    done = _call("reproduce", study_file, "--home", home, "--json")
    found = json.loads(done.stdout)
    assert (found["study"], found["exit_code"]) == ("both", done.exit_code)
    checked = _call("check", "both", "--home", home, "--json")
    assert (json.loads(checked.stdout), checked.exit_code) == (found, done.exit_code)
    text = _call("reproduce", study_file, "--home", home).stdout
    assert "findings across experiments" in text and "study.json" in text


def test_the_command_for_outside_of_a_container_asks_for_the_same_study(
    make_manifest: ManifestMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELFIMP_BENCH_VOLUME", str(tmp_path / "volume"))
    for name in ("HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path / "volume" / name))
    asked = ["--seeds", "2", "--save-every", "5", "--log-to", "tensorboard", "--keep", "last", "--live"]
    refused = _call("run", hub_experiment(make_manifest), *asked, "--home", tmp_path / "volume" / "home")
    assert refused.exit_code == 2
    assert refused.stderr.strip().splitlines()[-1].endswith(f"{hub_experiment(make_manifest)} {' '.join(asked)}")
    assert "selfimp-bench run " in refused.stderr.strip().splitlines()[-1]


def test_a_run_of_several_experiments_counts_shared_steps_once(study_file: Path, tmp_path: Path) -> None:
    study, found = _open(study_file), list[Place]()

    class Telling(Silent):
        def start(self, step: Step, place: Place) -> None:
            found.append(place)

    run_study(study, tmp_path / "home", Telling())
    steps = len(study.plan().plan.steps)
    assert {place.steps for place in found} == {steps} and {place.step for place in found} == set(range(1, steps + 1))
    own = [place.step for place in found if place.experiment == 2]
    assert own[-1] == steps and len(own) == len(study.experiments[1].plan().steps)


def test_the_steps_of_a_plan_of_several_experiments_have_names(study_file: Path, tmp_path: Path) -> None:
    result = _call("plan", study_file, "--home", tmp_path, "--steps")
    assert re.search(rf"^one: {MODEL}/seed1/t2/train +to do", result.stdout, re.MULTILINE)
    assert re.search(rf"^two: {MODEL}/seed1/t2/train +to do", result.stdout, re.MULTILINE)
    assert not re.search("[0-9a-f]{64}", result.stdout)


def test_a_step_of_a_stopped_study_is_named_once_and_by_its_name(study_file: Path, tmp_path: Path) -> None:
    """Ctrl-C while the first step is at work that the second experiment has alone."""
    study, home = _open(study_file), tmp_path / "home"
    execute(study.experiments[0], home, SILENT)
    plan, store = study.experiments[1].plan(), Store(home / "store")
    records = records_of(plan, store)
    step = next(each for each in plan.steps if each.id not in records)
    told = Told()
    told.start(step, Place(step=1, steps=2))
    asked = SimpleNamespace(home=home)
    assert f"\nbegins anew: two: {step.id}\n" in _stopped(study, asked, told)  # type: ignore[arg-type]
    digests = {name: records[source].content_digest() for name, source in step.inputs.items()}
    (store.partial(fingerprint(step, digests)) / "0.msgpack").touch()
    said = _stopped(study, asked, told)  # type: ignore[arg-type]
    assert f"\ngoes on from what it saved: two: {step.id}\n" in said and "begins anew" not in said


def test_several_experiments_need_no_claims_across_them(study_file: Path, done: Path, tmp_path: Path) -> None:
    shutil.copytree(done / "store", tmp_path / "home" / "store")
    data = read_yaml(study_file).data
    assert isinstance(data, dict)
    study_file.write_text(yaml_text(data | {"claims": []}), encoding="utf-8")
    assert _call("validate", study_file).exit_code == 0
    assert "Claims" not in _call("show", study_file).stdout
    done = _call("reproduce", study_file, "--home", tmp_path / "home")
    assert done.exit_code in (0, 3) and "one: findings" in done.stdout
    assert "across" not in done.stdout.partition("study.json")[0]
    (page,) = (tmp_path / "home" / "runs" / "both").glob("*/report.html")
    assert "one" in page.read_text()


def test_validate_holds_the_claims_across_against_the_published_numbers(study_file: Path, tmp_path: Path) -> None:
    report = json.loads(_call("validate", study_file, "--json").stdout)
    assert report["flaws"] == []
    assert report["papers"][0]["judgements"][0]["outcome"] == "supported"
    turned = TABLE.replace("d1,tiny-gsm-base,toy,dpo,pass@1,1,50", "d1,tiny-gsm-base,toy,dpo,pass@1,1,5")
    (tmp_path / "numbers.csv").write_text(turned)
    against = _call("validate", "-v", study_file)
    assert against.exit_code == 0, "what a paper contradicts is no flaw"
    assert "1 claim on the paper's own numbers: 1 contradicted" in against.stdout
    assert "numbers.csv#d1" in against.stdout and "numbers.csv#s1" in against.stdout


def test_numbers_of_what_can_be_read_nowhere_are_called_our_own_runs(study_file: Path) -> None:
    study_file.write_text(re.sub(r",? ?url: [^,}\n]+", "", study_file.read_text()))
    assert "1 claim on our own reference runs: 1 supported" in _call("validate", "-v", study_file).stdout


def test_an_experiment_that_is_not_there_is_noted_and_cannot_run(study_file: Path, tmp_path: Path) -> None:
    (tmp_path / "two.v1.yaml").unlink()
    report = json.loads(_call("validate", study_file, "--json").stdout)
    assert report["flaws"] == []
    assert report["notes"] == [f"{study_file}: experiment two v1 is not there; it cannot run yet"]
    result = _call("plan", study_file, "--home", tmp_path / "home")
    assert (result.exit_code, "two@1: no experiment of this name" in result.stderr) == (2, True)


def test_models_that_an_experiment_lacks_and_models_of_nobody_are_refused(study_file: Path) -> None:
    with pytest.raises(InputError, match="expected model=ID with one of tiny-gsm-base"):
        open_study(str(study_file), profile=Profile.PAPER, only="model=other", replicates=1)
    study_file.write_text(study_file.read_text().replace(MODEL, "other"))
    with pytest.raises(InputError, match="one has no model other; it has tiny-gsm-base"):
        _open(study_file)


def test_a_study_without_any_manifest_yet_has_nothing_to_plan(study_file: Path) -> None:
    study_file.write_text(study_file.read_text().replace("- {name", "- {pending: later, name"))
    with pytest.raises(InputError, match="none of its experiments has a manifest yet"):
        _open(study_file)


def test_a_cell_that_an_experiment_does_not_measure_is_a_flaw(study_file: Path) -> None:
    text = study_file.read_text()
    study_file.write_text(text.replace("iterations: [1]", "iterations: [7]"))
    result = _call("validate", study_file)
    assert result.exit_code == 2
    assert "$.claims[0]: one does not measure pass@1 test t=7" in result.stdout


def test_a_reference_that_is_not_there_is_a_flaw(study_file: Path) -> None:
    text = study_file.read_text()
    study_file.write_text(text.replace("numbers.csv", "nowhere.csv"))
    result = _call("validate", study_file)
    assert result.exit_code == 2
    assert "reference table nowhere.csv not found" in result.stdout


def test_a_folder_without_a_studys_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected the folder of several experiments' runs"):
        read_study_record(tmp_path)
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(InputError, match="not a study's record of this version"):
        read_study_record(tmp_path)
