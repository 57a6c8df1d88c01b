"""Runs of the tiny model on real engines, with a test and a training problem that do not fit it, by every rule."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import ManifestMaker

from selfimp_bench.cli.screen import findings_table
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.manifest.model import Profile, TooLong
from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.places import ASSETS
from selfimp_bench.report.provenance import provenance_view
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.judge import RunFiles, judge_run, read_run
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.dataset import problems_digest
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.store import Store, read_table
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.tiny_gsm import generate

POSITIONS, NEW_TOKENS, ROWS = 512, 64, 7
CODEC = load_codec(ASSETS / "tiny-gsm-base")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for the three rules: what does not depend on the rule is done once."""
    return tmp_path_factory.mktemp("home")


def _long(split: Split) -> Problem:
    """A problem with some ten tokens of room: fewer than a completion may have, enough for its gold solution."""
    problem = generate(split, count=1, seed=9)[0]
    question = problem.question
    while len(CODEC.encode(f"Question: {question} {problem.question}\nAnswer:")) < POSITIONS - NEW_TOKENS + 1:
        question = f"{question} {problem.question}"
    question = f"{question} {problem.question}"
    tokens = len(CODEC.encode(f"Question: {question}\nAnswer:"))
    assert POSITIONS - NEW_TOKENS < tokens < POSITIONS - 20
    return Problem(problem_id=f"long-{split}", question=question, answer=problem.answer)


def _file(folder: Path, split: Split) -> dict[str, Any]:
    problems = (*generate(split, count=ROWS - 1, seed=1), _long(split))
    path = folder / f"{split}.jsonl"
    rows = ({key: value for key, value in msgspec.to_builtins(each).items() if value is not None} for each in problems)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {
        "id": f"long-{split}",
        "path": path.name,
        "rows": ROWS,
        "digest": problems_digest(problems),
        "source": "test",
    }


def _run(folder: Path, home: Path, rule: TooLong, *, max_length: int = POSITIONS) -> RunFiles:
    def change(data: dict[str, Any]) -> None:
        data["datasets"] = {split.value: _file(folder, split) for split in (Split.TRAIN, Split.TEST)}
        data["prompt"]["too_long"] = rule.value
        data["sampling"]["samples_per_problem"] = 2
        data["evaluation"]["sampled"]["samples_per_problem"] = 2
        data["post_training"] |= {"empty_training_set": "keep-previous"}
        data["sft"] |= {"epochs": 1, "max_length": max_length}
        data["measure"] = {"metrics": ["pass@1", "pass@k", "distinct-n"], "k": [2], "ngram_max": 5, "assumed": "test"}

    make = ManifestMaker(folder=folder)
    path = make(name="long", engine="hf", counts=None, schedule=("sft-gold", "sft"), change=change)
    experiment = open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1)
    made = execute(experiment, home, Silent())
    judge_run(made)
    return read_run(made)


def _greedy(run: RunFiles, metric: str = "pass@1") -> Measurement:
    return next(each for each in run.measurements if (each.metric, each.iteration) == (metric, 1))


def _samples(run: RunFiles, home: Path, step: str) -> list[dict[str, Any]]:
    record = next(each for each in run.record.steps if each.id.endswith(step))
    return read_table(Store(home / "store").folder(record.fingerprint) / "samples.parquet")


def _said(run: RunFiles) -> str:
    return "\n".join(str(part) for part in findings_table(judge_run(run.folder)))


@pytest.mark.slow
def test_counted_wrong_the_problem_stays_in_the_mean_and_nobody_is_asked(tmp_path: Path, home: Path) -> None:
    run = _run(tmp_path, home, TooLong.COUNTED_WRONG)
    assert (_greedy(run).n, _greedy(run).undefined) == (ROWS, 0)
    long = [row for row in _samples(run, home, "t1/sample.sample") if row["problem_id"] == "long-test"]
    assert [(row["token_ids"], row["finish_reason"]) for row in long] == [([], "too long")] * 2
    values = {each.problem_id: each for each in run.problem_values if each.metric == "pass@1"}
    assert values["long-test"].value == 0.0
    incorrect = {each.problem_id: each for each in run.problem_values if each.metric == "distinct-n.incorrect"}
    assert incorrect["long-test"].value is None
    assert "greedy and sample: 1 of 7 test prompts did not fit 512 tokens: counted wrong: long-test (" in _said(run)
    facts = {fact.name: fact.value for fact in provenance_view(run).run}
    assert "did not fit 512 tokens: counted wrong" in facts["Prompts of tiny-gsm-base"]
    assert "train: 1 of 7 train prompts did not fit" in facts["Prompts of tiny-gsm-base"]
    assert run.record.prompts["tiny-gsm-base"][0].too_long[0].problem_id == "long-test"


@pytest.mark.slow
def test_dropped_the_problem_is_left_out_of_the_mean_and_counted(tmp_path: Path, home: Path) -> None:
    run = _run(tmp_path, home, TooLong.DROPPED)
    assert (_greedy(run).n, _greedy(run).undefined) == (ROWS - 1, 1)
    assert "1 of 7 test prompts did not fit 512 tokens: left out: long-test (" in _said(run)


@pytest.mark.slow
def test_shortened_the_problem_is_answered_in_the_room_there_is(tmp_path: Path, home: Path) -> None:
    run = _run(tmp_path, home, TooLong.SHORTENED)
    assert (_greedy(run).n, _greedy(run).undefined) == (ROWS, 0)
    (found,) = run.record.prompts["tiny-gsm-base"][0].too_long
    assert found.new_tokens == POSITIONS - found.tokens
    assert "1 of 7 test prompts did not fit 512 tokens: completions shortened: long-test (" in _said(run)
    long = [row for row in _samples(run, home, "t1/sample.sample") if row["problem_id"] == "long-test"]
    assert all(0 < len(row["token_ids"]) <= found.new_tokens for row in long)
    assert all(row["finish_reason"] in ("stop", "length") for row in long)


@pytest.mark.slow
def test_a_gold_row_longer_than_training_takes_is_left_out_and_counted(tmp_path: Path, home: Path) -> None:
    run = _run(tmp_path, home, TooLong.COUNTED_WRONG, max_length=192)
    select = next(each for each in run.record.steps if each.id.endswith("t1/select"))
    assert (select.counts["rows"], select.counts["rows left out: longer than max_length"]) == (ROWS - 1, 1)
    said = _said(run)
    assert "training by sft-gold: 1 of 7 train rows did not fit 192 tokens: left out of training: long-train (" in said
