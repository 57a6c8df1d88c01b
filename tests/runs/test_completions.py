"""What models wrote, read back from runs on the fake engines: every completion and judgement, and its grade."""

import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from gap_support import GapManifestMaker
from support import ManifestMaker

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.completions import Column, Said, completions_of
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps import store
from selfimp_bench.steps.progress import Silent


def _run(manifest: Path, home: Path) -> Path:
    return execute(open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=1), home, Silent())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of iterative post-training."""
    folder = tmp_path_factory.mktemp("trained")
    return _run(ManifestMaker(folder=folder)(name="trained"), folder / "home")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of self-improvement, in which models judge responses."""
    folder = tmp_path_factory.mktemp("judged")
    maker = GapManifestMaker(folder=folder)
    return _run(maker(problems=6, samples=4, change=maker.improving), folder / "home")


def _tables(folder: Path, name: str) -> list[tuple[str, list[dict[str, object]]]]:
    """The tables of this name that the steps of a run wrote, by step id."""
    store = folder.parents[2] / "store"
    return [
        (step.id, pq.read_table(store / step.fingerprint / name).to_pylist())
        for step in read_record(folder).steps
        if any(each.path == name for each in step.artifacts)
    ]


def _said(folder: Path) -> list[tuple[str, Column, Said]]:
    found = completions_of(folder)
    every = [
        (asked.problem.problem_id, column, said)
        for asked in found.problems()
        for column, own in asked.said.items()
        for said in own
    ]
    assert found.count == len(every)
    assert {column for _, column, _ in every} == set(found.columns)
    return every


def test_every_completion_is_there_once_with_its_role_iteration_and_grade(trained: Path) -> None:
    roles = {"greedy answer": "greedy", "test sample": "sample", "training sample": "train"}
    shown = Counter(
        (name, roles.get(column.role, "ood"), column.iteration, said.label, said.text, said.outcome, said.answer)
        for name, column, said in _said(trained)
    )
    grades = {
        (row["problem_id"], row["role"], row["iteration"], row["sample_index"]): row
        for _, rows in _tables(trained, "grades.parquet")
        for row in rows
    }
    stored = Counter(
        (
            row["problem_id"],
            row["role"],
            row["iteration"],
            str(row["sample_index"]),
            row["completion"],
            grade["outcome"],
            grade["extracted"] or "",
        )
        for _, rows in _tables(trained, "samples.parquet")
        for row in rows
        for grade in [grades[row["problem_id"], row["role"], row["iteration"], row["sample_index"]]]
    )
    assert shown == stored and len({key[1] for key in stored}) == 4


def test_problems_of_the_test_split_come_first_and_iterations_in_order(trained: Path) -> None:
    found = completions_of(trained)
    assert list(dict.fromkeys(asked.split for asked in found.problems())) == ["test", "ood", "train"]
    greedy = [column.iteration for column in found.columns if column.role == "greedy answer"]
    assert greedy == [1, 2, 3]
    assert {(column.model, column.seed) for column in found.columns} == {("tiny-gsm-base", "1")}


def test_judgements_and_matches_are_there_with_what_was_read_of_them(judged: Path) -> None:
    every = _said(judged)
    texts = Counter(said.text for _, column, said in every if column.role.startswith("judged by "))
    stored = Counter(
        row["text"] or ""
        for name in ("judgements.parquet", "matches.parquet")
        for _, rows in _tables(judged, name)
        for row in rows
    )
    assert texts == stored
    roles = {column.role for _, column, _ in every}
    assert roles >= {"judged by mc", "judged by cot-binary", "judged by cot-score", "test sample", "training sample"}
    scores = [said for _, column, said in every if column.role == "judged by cot-score" and said.answer]
    assert {said.answer for said in scores} <= {f"score {number}" for number in range(1, 11)} and scores
    weighed = [said for _, column, said in every if column.role == "judged by mc"]
    assert all(said.outcome == "weighed" and 0 <= float(said.answer.removeprefix("score ")) <= 1 for said in weighed)
    again = [said.label for _, column, said in every if column.role == "judged by cot-binary"]
    assert {"0", "0, again 1", "0, again 2"} <= set(again)


def test_a_judgement_says_how_the_response_was_graded(judged: Path) -> None:
    every = _said(judged)
    graded = {
        (name, column.model, column.iteration, column.split, said.label): said.outcome
        for name, column, said in every
        if column.role in ("test sample", "training sample")
    }
    compared = Counter[str]()
    for name, column, said in every:
        if column.role == "judged by cot-binary":
            response = said.label.partition(",")[0]
            outcome = graded[name, column.model, column.iteration, column.split, response]
            assert said.note == f"of a response that is: {outcome}"
            compared[outcome] += 1
    assert len(compared) > 1


def test_a_run_whose_store_is_not_there_or_was_changed_is_refused(trained: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(trained, tmp_path / "a" / "runs" / "trained" / trained.name)
    with pytest.raises(InputError, match="not found; what models wrote lies in the home of a run"):
        completions_of(alone)
    home = shutil.copytree(trained.parents[2], tmp_path / "home")
    step = next(step for step in read_record(trained).steps if step.id.endswith("sample.greedy"))
    path = home / "store" / step.fingerprint / "samples.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="was changed since its step finished"):
        completions_of(home / "runs" / "trained" / trained.name)


def test_a_table_too_large_to_be_proved_at_once_is_refused_where_it_cannot_be_read(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LARGE", 0)
    home = shutil.copytree(trained.parents[2], tmp_path / "home")
    step = next(step for step in read_record(trained).steps if step.id.endswith("sample.greedy"))
    path = home / "store" / step.fingerprint / "samples.parquet"
    content = bytearray(path.read_bytes())
    content[-5] ^= 0xFF  # of the footer's length
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path}: was changed since its step finished"):
        completions_of(home / "runs" / "trained" / trained.name)
