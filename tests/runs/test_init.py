"""`init`: what is made validates and runs, pins what was given, and keeps the claims that it can decide."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support import ManifestMaker

from selfimp_bench.cli.app import cli
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.measurement import Split
from selfimp_bench.places import ASSETS
from selfimp_bench.runs.doctor import State, diagnose
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.init import Initialised, extended, init
from selfimp_bench.runs.judge import judge_run
from selfimp_bench.runs.study import Experiment, open_experiment
from selfimp_bench.runs.validate import validate
from selfimp_bench.steps.progress import Silent
from selfimp_bench.tasks.tiny_gsm import generate

BASE = ASSETS / "tiny-gsm-base"
REVISION = "93efa2f097d58c2a74874c7e644dbc9b0cee75a2"


def _rows(folder: Path, counts: dict[Split, int], *, with_ids: bool = False) -> Path:
    """Files of GSM8K's own rows, or of this kit's."""
    folder.mkdir()
    for split, count in counts.items():
        lines = [
            {"question": each.question, "answer": each.answer} | ({"problem_id": each.problem_id} if with_ids else {})
            for each in generate(split, count=count, seed=5)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def own_rows(tmp_path: Path) -> Path:
    return _rows(tmp_path / "rows", {Split.TRAIN: 30, Split.TEST: 25})


def _open(made: Initialised) -> Experiment:
    assert validate([str(made.path)]).flaws == ()
    return open_experiment(str(made.path), profile=Profile.PAPER, only=None, replicates=1)


def test_own_rows_and_a_model_folder_become_an_experiment_of_an_experiment_of_a_paper(
    own_rows: Path, tmp_path: Path
) -> None:
    elsewhere = shutil.copytree(BASE, tmp_path / "elsewhere" / "My Model_1")
    made = init(
        "mine", source="gsm8k-iter-sft-dpo", folder=tmp_path / "out", model=str(elsewhere), data=own_rows, iterations=3
    )
    manifest: Any = _open(made).manifest
    assert [model.id for model in manifest.models] == ["my-model-1"]
    assert (made.path.parent / manifest.models[0].path).resolve() == elsewhere
    assert manifest.models[0].architecture.parameters == 683_392
    assert (manifest.datasets.train.rows, manifest.datasets.test.rows, manifest.datasets.ood) == (30, 25, None)
    assert manifest.post_training.schedule == ("sft-gold", "dpo", "sft")
    assert manifest.engines.vllm.max_model_len == 512
    assert manifest.prompt.canaries[0].question == generate(Split.TEST, count=1, seed=5)[0].question
    assert {"last-above-first", "pass-at-1-rises-while-diversity-falls"} <= set(made.kept)
    assert made.dropped["pass-at-1"] == "is about published numbers, and they are not of your model and data"
    assert "nothing is measured on ood here" in made.dropped["ood-harmed"]
    assert {claim.id for claim in manifest.claims} == set(made.kept) and not set(made.kept) & set(made.dropped)
    last = next(claim for claim in manifest.claims if claim.id == "last-above-first").order
    assert (last.greater.iteration, last.lesser.iteration) == (3, 1)


def test_rows_of_this_kit_that_lie_there_are_named_where_they_are(tmp_path: Path) -> None:
    rows = _rows(tmp_path / "rows", {Split.TRAIN: 30, Split.TEST: 25, Split.OOD: 20}, with_ids=True)
    made = init("near", source="tiny-iter-sft", folder=tmp_path, data=rows)
    assert _open(made).manifest.datasets.by_split()[Split.OOD].path == "rows/ood.jsonl"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["near.v1.yaml", "rows"]


@pytest.mark.parametrize(
    ("source", "total", "schedule"),
    [
        ("tiny-iter-sft", 1, "sft-gold"),
        ("tiny-iter-sft", 2, "sft-gold sft"),
        ("tiny-iter-sft-dpo", 7, "sft-gold dpo sft dpo sft dpo sft"),
        ("tiny-iter-dpo", 6, "sft-gold dpo dpo dpo dpo dpo"),
    ],
)
def test_iterations_go_on_as_they_began_and_claims_with_them(
    source: str, total: int, schedule: str, tmp_path: Path
) -> None:
    made = init("other", source=source, folder=tmp_path, iterations=total)
    manifest: Any = _open(made).manifest
    assert list(manifest.post_training.schedule) == schedule.split()
    points = [point.iteration for claim in manifest.claims if claim.value for point in claim.value.points]
    assert max(points) == min(total, 5)
    assert ("accuracy-rises" in made.kept) == (total > 1)
    if total == 1:
        assert made.dropped["accuracy-rises"] == "is about more iterations than 1"


def test_a_schedule_goes_on_by_what_repeats_in_it() -> None:
    assert extended(["sft-gold", "dpo", "sft", "dpo"], 6) == ["sft-gold", "dpo", "sft", "dpo", "sft", "dpo"]
    assert extended(["sft-gold", "sft", "dpo", "dpo"], 5) == ["sft-gold", "sft", "dpo", "dpo", "sft"]
    with pytest.raises(InputError, match="does not say how it goes on"):
        extended(["sft-gold"], 2)


def test_another_task_comes_with_its_prompt_and_without_the_other_s_claims(own_rows: Path, tmp_path: Path) -> None:
    made = init("sums", source="mbpp-iter-sft", folder=tmp_path, task="gsm8k", data=own_rows)
    manifest: Any = _open(made).manifest
    assert manifest.grading.task == "gsm8k" and "{tests}" not in manifest.prompt.template


def test_a_model_of_the_hub_is_pinned_by_its_revision(tmp_path: Path) -> None:
    made = init("small", source="tiny-iter-sft", folder=tmp_path, model=f"HuggingFaceTB/SmolLM2-135M@{REVISION}")
    (model,) = _open(made).manifest.models
    assert (model.id, model.repo, model.revision) == ("smollm2-135m", "HuggingFaceTB/SmolLM2-135M", REVISION)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"source": "tiny-iter-sft", "model": "nowhere"}, "--model nowhere: no such folder"),
        ({"source": "tiny-iter-sft", "model": "org/name@main"}, "40 hex digits"),
        ({"source": "tiny-iter-sft", "task": "gsm8k"}, "its problems are needed; give --data"),
        ({"source": "tiny-iter-sft", "task": "sums"}, "no such task; known: gsm8k"),
        ({"source": "tiny-iter-sft", "data": Path("nowhere")}, "no such folder"),
        ({"source": "gsm8k-gv-gap"}, "follows the protocol verification-gap"),
        ({"source": "mind-the-gap"}, "expected one experiment"),
        ({"source": "tiny-itr-sft"}, "tiny-iter-sft"),
        ({"source": "tiny-iter-sft", "name": "Bad Name"}, r"\$.name: expected lower-case"),
        ({"source": "tiny-iter-sft", "name": "../evil"}, r"\$.name: expected lower-case"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_nothing_is_written(
    given: dict[str, Any], words: str, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    with pytest.raises(InputError, match=words):
        init(given.pop("name", "mine"), folder=folder, **given)
    assert not folder.exists() and sorted(tmp_path.iterdir()) == []


def test_rows_that_are_no_problems_are_named_by_file_and_line(own_rows: Path, tmp_path: Path) -> None:
    for text, words in (
        ('{"text": "x"}\n', r"train.jsonl:1: has neither problem_id and question, nor task gsm8k's columns"),
        ("", r"train.jsonl: holds no problem"),
        ("{", r"train.jsonl:1: "),
    ):
        (own_rows / "train.jsonl").write_text(text)
        with pytest.raises(InputError, match=words):
            init("mine", source="tiny-iter-sft", folder=tmp_path / "out", data=own_rows)
    (own_rows / "train.jsonl").unlink()
    with pytest.raises(InputError, match=r"no train\.jsonl or train\.parquet"):
        init("mine", source="tiny-iter-sft", folder=tmp_path / "out", data=own_rows)
    assert not (tmp_path / "out").exists()


def test_an_experiment_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    made = init("mine", source="tiny-iter-sft", folder=tmp_path)
    before = made.path.read_bytes()
    with pytest.raises(InputError, match="is there already"):
        init("mine", source="tiny-iter-dpo", folder=tmp_path)
    assert made.path.read_bytes() == before


@pytest.mark.parametrize("changed", ["data", "model"])
def test_what_lies_beside_another_experiment_is_not_overwritten(changed: str, own_rows: Path, tmp_path: Path) -> None:
    models = [shutil.copytree(BASE, tmp_path / name / "base") for name in ("one", "two")]
    folder = tmp_path / "out"
    made = init("mine", source="tiny-iter-sft", folder=folder, model=str(models[0]), data=own_rows)
    made.path.unlink()
    before = {path.name: (path.resolve(), path.is_file() and path.read_bytes()) for path in folder.iterdir()}
    assert init("mine", source="tiny-iter-sft", folder=folder, model=str(models[0]), data=own_rows).kept == made.kept
    made.path.unlink()
    if changed == "data":
        rows = (own_rows / "test.jsonl").read_text().splitlines(keepends=True)
        (own_rows / "test.jsonl").write_text("".join(rows[1:]))
    with pytest.raises(InputError, match=r"mine\.(test\.jsonl|model): is there already, and is something else"):
        init("mine", source="tiny-iter-sft", folder=folder, model=str(models[changed == "model"]), data=own_rows)
    assert {path.name: (path.resolve(), path.is_file() and path.read_bytes()) for path in folder.iterdir()} == before


def test_a_run_without_claims_is_measured_and_nothing_is_claimed(
    make_manifest: ManifestMaker, tmp_path: Path, common_home: Path
) -> None:
    made = init("quiet", source=str(make_manifest()), folder=tmp_path / "out", iterations=1)
    assert made.kept == () and made.dropped
    folder = execute(_open(made), common_home, Silent())
    judged = judge_run(folder)
    assert (judged.exit_code, judged.claimed, judged.findings.findings) == (0, False, ())
    shown = CliRunner().invoke(cli, ["check", str(folder)])
    assert shown.exit_code == 0 and "quiet: measured, nothing claimed" in shown.output
    shown = CliRunner().invoke(cli, ["report", str(folder)])
    assert shown.exit_code == 0, shown.output
    assert "Measured, nothing claimed." in (folder / "report.html").read_text()


@pytest.mark.parametrize("own", ["data", "weights", "tokens"])
def test_own_files_that_are_not_the_pinned_ones_are_found_before_a_run(
    own: str, own_rows: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(BASE, folder / "base")
    made = init("mine", source="tiny-iter-sft", folder=folder, model=str(folder / "base"), data=own_rows)
    assert validate([str(made.path)]).flaws == ()
    if own == "data":
        rows = (folder / "mine.test.jsonl").read_text()
        (folder / "mine.test.jsonl").write_text(rows.replace("pens", "hens", 1))
        expected = ("$.datasets", "data set mine-test: found 25 rows with digest")
    elif own == "weights":
        weights = bytearray((folder / "base" / "model.safetensors").read_bytes())
        weights[-1] ^= 1
        (folder / "base" / "model.safetensors").write_bytes(weights)
        expected = ("$.models", "has sha256")
    else:
        text = made.path.read_text()
        made.path.write_text(re.sub(r"(token_ids:\n\s+- )\d+", r"\g<1>5", text))
        expected = ("$.models", "the canary prompt")
    (flaw,) = validate([str(made.path)]).flaws
    assert flaw.where == expected[0] and expected[1] in flaw.message
    experiment = open_experiment(str(made.path), profile=Profile.PAPER, only=None, replicates=1)
    found = diagnose([experiment], tmp_path / "home", volume=None, online=False, endpoint=None)
    (problem,) = [check for check in found.checks if check.state is State.PROBLEM]
    assert problem.found == flaw.message


def test_the_command_says_what_it_wrote_kept_and_left_out(own_rows: Path, tmp_path: Path) -> None:
    asked = ["init", "mine", "--from", "tiny-iter-sft", "--data", str(own_rows), "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(cli, asked)
    assert shown.exit_code == 0, shown.output
    assert f"written: {tmp_path / 'out' / 'mine.v1.yaml'}" in shown.output
    assert "claims kept: accuracy-rises, " in shown.output and "left out: accuracy: " in shown.output
    assert f"next: selfimp-bench doctor {tmp_path / 'out' / 'mine.v1.yaml'}" in shown.output
    assert json.loads(CliRunner().invoke(cli, [*asked, "--json"]).stdout)["exit_code"] == 2
