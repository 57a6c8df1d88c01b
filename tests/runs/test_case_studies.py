"""The case study that a run puts into its folder, on the fake engines."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import ManifestMaker

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.measurement import Split
from selfimp_bench.runs.case_studies import FILE, CaseStudies, read_case_studies
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.dataset import problems_digest
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.rows import GRADES, SAMPLES, Role
from selfimp_bench.steps.store import read_table
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.tiny_gsm import generate


def _run(manifest: Path, home: Path, replicates: int = 1) -> Path:
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=replicates)
    return execute(experiment, home, Silent())


def _remembered(folder: Path, data: dict[str, Any]) -> None:
    """The train problems as test problems: the fake engines answer no others, and get better at these."""
    problems = generate(Split.TRAIN, count=30, seed=1)
    rows = [json.dumps(msgspec.to_builtins(problem)) for problem in problems]
    (folder / "test.jsonl").write_text("\n".join(rows))
    origin = {"path": "test.jsonl", "rows": len(rows), "digest": problems_digest(problems)}
    data["datasets"]["test"] = {"id": "remembered", "source": "test", **origin}


def test_the_problem_turned_and_its_texts_are_those_of_the_store(
    make_manifest: ManifestMaker, common_home: Path
) -> None:
    manifest = make_manifest(counts=(30, 30, 0), change=lambda data: _remembered(make_manifest.folder, data))
    folder = _run(manifest, common_home, replicates=2)
    (study,) = read_case_studies(folder).studies
    outcomes = [step.greedy.outcome for step in study.steps]
    assert study.problem is not None and study.problem.question
    assert outcomes[0] is not Outcome.CORRECT and outcomes[-1] is Outcome.CORRECT
    assert [step.iteration for step in study.steps] == [1, 2, 3]
    assert (study.problems, 1 <= study.turned < 30) == (30, True)
    for step in study.steps:
        greedy = _rows(
            folder, common_home, f"t{step.iteration}/sample.{Role.GREEDY}", SAMPLES, study.problem.problem_id
        )
        assert [row["completion"] for row in greedy] == [step.greedy.completion]
        graded = _rows(folder, common_home, f"t{step.iteration}/grade.{Role.SAMPLE}", GRADES, study.problem.problem_id)
        correct = [row["outcome"] == Outcome.CORRECT for row in graded]
        assert step.share_correct == sum(correct) / len(correct)


def _rows(folder: Path, home: Path, step_id: str, name: str, problem: str) -> list[dict[str, object]]:
    """A problem's rows of a step of the first seed."""
    first = read_record(folder).seeds[0]
    (step,) = [step for step in read_record(folder).steps if step.id.endswith(f"seed{first}/{step_id}")]
    rows = read_table(home / "store" / step.fingerprint / name)
    return [row for row in rows if row["problem_id"] == problem]


def test_where_no_problem_turned_there_is_no_problem(make_manifest: ManifestMaker, common_home: Path) -> None:
    folder = _run(make_manifest(), common_home)
    (study,) = read_case_studies(folder).studies
    assert (study.problem, study.steps, study.turned, study.problems) == (None, (), 0, 24)


def test_equal_runs_give_equal_bytes(make_manifest: ManifestMaker, common_home: Path, tmp_path: Path) -> None:
    manifest = make_manifest()
    first, second = _run(manifest, common_home), _run(manifest, tmp_path / "b")
    assert (first / FILE).read_bytes() == (second / FILE).read_bytes()


def test_a_folder_without_a_case_study_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"case_study\.json: not found; the run is incomplete, run it again"):
        read_case_studies(tmp_path)
    (tmp_path / FILE).write_text('{"schema": 1}')
    with pytest.raises(InputError, match="not case studies of this version"):
        read_case_studies(tmp_path)


def test_no_studies_are_no_error(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"schema": 1, "studies": []}')
    assert read_case_studies(tmp_path) == CaseStudies(schema=1, studies=())
