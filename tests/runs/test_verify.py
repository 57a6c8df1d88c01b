"""Verifying runs: what was left alone matches, and an edit is found by name, also with every hash made anew."""

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from gap_support import GapManifestMaker
from runs.tampering import EDITS, Target, edit_rows, remake
from runs.test_study import _open, study_file
from support import ManifestMaker

from selfimp_bench.canonical import pretty_json
from selfimp_bench.cli.app import cli
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.execute import execute, run_study
from selfimp_bench.runs.gc import collect
from selfimp_bench.runs.judge import judge_study
from selfimp_bench.runs.study import open_experiment, open_study, text_digest
from selfimp_bench.runs.verifying.bundle import write_bundle
from selfimp_bench.runs.verifying.found import Found, Verification
from selfimp_bench.runs.verifying.open import verify
from selfimp_bench.runs.verifying.verify import _compare_one, _compare_several
from selfimp_bench.seals import seal_of
from selfimp_bench.steps.progress import SILENT, Silent
from selfimp_bench.steps.store import Store

__all__ = ["study_file"]


_TABLES = {"problems", "select", "sample", "grade", "measure"}
_FOUND_AS = {
    "byte": {"digest", "record", "step"},
    "text": {"sample"},
    "row dropped": _TABLES,
    "row doubled": _TABLES,
    "number": {"grade", "measure", "measurement", "problem value"},
    "count": {"sample", "train", "select", "problems", "measure", "rows"},
    "checkpoint": {"digest"},
    "manifest": {"grade", "measure", "seeds"},
    "seed": {"seeds"},
}


def _run(manifest: Path, home: Path, replicates: int) -> Path:
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=replicates)
    folder = execute(experiment, home, Silent())
    judge_study(folder)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Target:
    """A run of two replicates, left as it is."""
    place = tmp_path_factory.mktemp("verified")
    manifest = ManifestMaker(folder=place)(counts=(12, 20, 6), schedule=("sft-gold", "sft"), figures=True)
    return Target(folder=_run(manifest, place / "home", 2), store=place / "home" / "store")


@pytest.fixture
def copied(finished: Target, tmp_path: Path) -> Iterator[Target]:
    """A copy of it to tamper with."""
    home = finished.store.parent
    shutil.copytree(home, tmp_path / "home")
    yield Target(folder=tmp_path / "home" / finished.folder.relative_to(home), store=tmp_path / "home" / "store")
    shutil.rmtree(tmp_path / "home")


def _verified(target: Target) -> Verification:
    return verify(str(target.folder), target.store.parent)


def _kinds(verification: Verification) -> set[str]:
    return {each.what for each in verification.mismatches}


def test_a_run_that_nobody_touched_matches_and_says_what_was_computed_again(finished: Target) -> None:
    verification = _verified(finished)
    assert verification.mismatches == () and verification.exit_code == 0
    assert verification.recomputed[0].startswith("small: problems: 3, model: 1, prompts: 1, select: 4, sample: 14")
    assert any(words.startswith("train: 4 steps not done again") for words in verification.taken)


@pytest.mark.slow
def test_a_run_of_the_other_protocol_matches_and_an_edit_of_a_judgement_is_found(tmp_path: Path) -> None:
    maker = GapManifestMaker(folder=tmp_path)
    manifest = maker(problems=6, samples=4, change=maker.improving)
    target = Target(folder=_run(manifest, tmp_path / "home", 1), store=tmp_path / "home" / "store")
    assert _verified(target).mismatches == ()
    judged = [step for step in target.steps("verify") if "cot-binary" in step["id"]]

    def turned(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["text"] = "The answer is right. Verdict: correct" if row["text"] else row["text"]

    edit_rows(target.artifact(judged[0], "judgements.parquet"), turned)
    found = _verified(remake(target))
    assert "score" in _kinds(found)


@pytest.mark.slow
def test_a_study_is_verified_with_all_its_experiments(study_file: Path, tmp_path: Path) -> None:
    folder = run_study(_open(study_file), tmp_path / "home", SILENT)
    judge_study(folder)
    assert verify(str(folder), tmp_path / "home").mismatches == ()
    findings = json.loads((folder / "findings.json").read_bytes())
    findings["findings"][0]["verdict"] = (
        "REPRODUCED" if findings["findings"][0]["verdict"] != "REPRODUCED" else "NOT_MEASURED"
    )
    (folder / "findings.json").write_text(json.dumps(findings))
    assert "verdict" in _kinds(verify(str(folder), tmp_path / "home"))
    record = json.loads((folder / "study.json").read_bytes())
    _edit(folder / "study.json", runs=[*record["runs"], record["runs"][0]])
    assert "study" in _kinds(verify(str(folder), tmp_path / "home"))
    with pytest.raises(InputError, match="twice; expected every experiment once"):
        judge_study(folder)
    with pytest.raises(InputError, match="twice; expected every experiment once"):
        write_bundle(folder, tmp_path / "home", tmp_path / "x.zip", key=None, with_data=False)


@pytest.mark.parametrize("hidden", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("kind", EDITS)
def test_every_kind_of_edit_is_found(copied: Target, kind: str, hidden: bool) -> None:
    made = EDITS[kind](copied, random.Random(f"{kind} {hidden}"))
    if hidden and kind != "byte":
        copied = remake(copied, swap=made)
    verification = _verified(copied)
    assert verification.exit_code == 1 and _kinds(verification) & _FOUND_AS[kind]


def test_how_much_a_grade_moves_is_said_of_every_measurement_and_verdict(copied: Target) -> None:
    def all_correct(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["outcome"] = "correct"

    step = next(each for each in copied.steps("grade") if each["id"].endswith("seed1/t1/grade.greedy"))
    edit_rows(copied.artifact(step, "grades.parquet"), all_correct)

    def perfect(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if (row["metric"], row["split"], row["iteration"], row["replicate"]) == ("pass@1", "test", 1, 0):
                row["value"] = 1.0

    honest = pq.read_table(copied.folder / "measurements.parquet").to_pylist()
    value = next(row["value"] for row in honest if (row["metric"], row["iteration"]) == ("pass@1", 1))
    edit_rows(copied.folder / "measurements.parquet", perfect)
    verification = _verified(remake(copied))
    assert {"grade", "measurement"} <= _kinds(verification)
    moved = next(each for each in verification.mismatches if each.what == "measurement")
    assert moved.where.startswith("measurements.parquet: tiny-gsm-base pass@1 test 1 0: value")
    assert (moved.recorded, moved.recomputed) == ("1.0", str(value))
    assert float(moved.difference) == pytest.approx(value - 1)


def _edit(path: Path, **values: Any) -> None:
    """Change values of a sealed file, and seal it anew."""
    content = json.loads(path.read_bytes()) | values
    path.write_bytes(pretty_json(content | {"seal": seal_of(pretty_json(content))}))


def test_weights_that_were_collected_are_no_mismatch_and_other_files_are(copied: Target) -> None:
    assert collect(copied.store.parent, dry=False).checkpoints == 2
    verification = _verified(copied)
    assert verification.mismatches == () and any("were taken out" in words for words in verification.taken)
    grade = copied.steps("grade")[0]
    Store(copied.store).take_out(grade["fingerprint"], ["grades.parquet"])
    assert {each.where for each in _verified(copied).mismatches} == {f"{grade['id']}: grades.parquet"}


def test_a_step_that_names_a_folder_elsewhere_is_found_and_nothing_is_written_there(
    copied: Target, tmp_path: Path
) -> None:
    step = copied.record["steps"][0]
    _edit(copied.artifact(step, "step.json"), fingerprint=str(tmp_path / "elsewhere"))
    found = [each.where for each in _verified(copied).mismatches]
    assert f"{step['id']}: step.json: fingerprint" in found and not (tmp_path / "elsewhere").is_symlink()


def test_what_a_record_says_of_a_variant_or_in_impossible_numbers_is_found(copied: Target) -> None:
    varied = [{"field": "seed", "value": 2, "instead_of": 1}]
    _edit(copied.folder / "record.json", variant=varied)
    _edit(copied.folder / "findings.json", variant=varied)
    wheres = {each.where for each in _verified(copied).mismatches}
    assert "variant" in wheres and any(where.endswith("findings.json: variant") for where in wheres)
    path = copied.folder / "record.json"
    path.write_text(path.read_text().replace('"version": 1,', f'"version": {10**400},', 1))
    assert "version" in {each.where for each in _verified(copied).mismatches}


def test_a_table_that_is_not_the_shipped_one_is_found_with_every_hash_made_anew(copied: Target) -> None:
    table = "reference_results/progress-or-regress/figure1-curves.csv"
    path = copied.folder / table
    assert path.is_file()
    path.write_text(path.read_text().rpartition("\n")[0].rpartition("\n")[0] + "\n")
    found = _verified(remake(copied)).mismatches
    assert [(each.what, each.where) for each in found] == [("table", table)]


def test_without_the_store_there_is_nothing_to_verify_by(copied: Target, tmp_path: Path) -> None:
    alone = shutil.copytree(copied.folder, tmp_path / "alone")
    with pytest.raises(InputError, match="the store with what its models wrote is not here"):
        verify(str(alone), tmp_path / "elsewhere")


def test_the_command_prints_the_table_and_json_and_sets_the_exit_code(copied: Target) -> None:
    home = str(copied.store.parent)
    EDITS["number"](copied, random.Random(1))
    shown = CliRunner().invoke(cli, ["verify", str(copied.folder), "--home", home])
    assert shown.exit_code == 1 and "recorded" in shown.output and "do not match" in shown.output
    read = json.loads(CliRunner().invoke(cli, ["verify", "small", "--home", home, "--json"]).output)
    assert read["exit_code"] == 1 and {"what", "where", "recorded", "recomputed", "difference"} <= {
        *read["mismatches"][0]
    }
    assert CliRunner().invoke(cli, ["verify", "nothing", "--home", home]).exit_code == 2


def test_a_variant_of_a_shipped_experiment_is_held_against_that_with_what_is_varied() -> None:
    asked = ["pairs_per_problem=1"]
    (made,) = open_study("tiny-iter-dpo", profile=Profile.PAPER, only=None, replicates=1, vary=asked).experiments
    other = replace(made.variant[0], value=2)
    for variant, differs in ((made.variant, False), ((), True), ((other,), True)):
        found = Found()
        _compare_one(found, "tiny-iter-dpo", "tiny-iter-dpo@1", text_digest(made.text), variant)
        assert bool(found.mismatches) == differs


def test_an_experiment_of_one_s_own_may_be_called_as_a_shipped_study_is_and_not_as_an_experiment() -> None:
    found = Found()
    _compare_one(found, "own", "progress-or-regress@1", "0" * 64, ())
    _compare_one(found, "own", "small-gap@1", "0" * 64, ())  # which has one experiment
    _compare_several(found, "own", "gsm8k-iter-sft@1", "0" * 64)
    _compare_one(found, "own", "nobody-s@1", "0" * 64, ())
    assert found.mismatches == []
    _compare_one(found, "own", "gsm8k-iter-sft@1", "0" * 64, ())
    _compare_several(found, "own", "progress-or-regress@1", "0" * 64)
    assert [each.what for each in found.mismatches] == ["shipped", "shipped"]
