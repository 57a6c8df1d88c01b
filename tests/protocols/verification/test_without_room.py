"""Whole runs in which the longest problem, and some judgements, do not fit the model: by every rule, to the metrics."""

import json
from pathlib import Path
from typing import Any

import pytest
from gap_support import PROMPTS, GapManifestMaker

from selfimp_bench.engines.base import NOT_ASKED
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.manifest.model import Profile, TooLong
from selfimp_bench.measurement import Split
from selfimp_bench.places import ASSETS
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.judge import RunFiles, judge_run, read_run
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.store import Store, read_table
from selfimp_bench.tasks.tiny_gsm import generate

PROBLEMS, SAMPLES, NEW_TOKENS = 12, 8, 64
MODEL = "700-base"


def _lengths() -> dict[str, int]:
    codec = load_codec(ASSETS / "tiny-gsm-base")
    prompt = PROMPTS["generate.txt"].removesuffix("\n")
    problems = generate(Split.TEST, count=PROBLEMS, seed=1)
    return {each.problem_id: len(codec.encode(prompt.replace("{question}", each.question))) for each in problems}


LENGTHS = _lengths()
LONGEST = max(LENGTHS, key=lambda name: LENGTHS[name])
LIMIT = LENGTHS[LONGEST] + NEW_TOKENS - 1


def _run(tmp_path: Path, rule: TooLong, *, rpo: bool = False) -> RunFiles:
    make = GapManifestMaker(folder=tmp_path)

    def change(data: dict[str, Any]) -> None:
        data["prompt"]["too_long"] = rule.value
        if rpo:
            make.improving(data, method="rpo", gold=True)
            data["dpo"]["optimisation"] = data["dpo"]["optimisation"] | {"max_length": LIMIT}
        for model in data["models"]:
            config = tmp_path / model["path"] / "config.json"
            config.write_text(json.dumps(json.loads(config.read_text()) | {"max_position_embeddings": LIMIT}))

    path = make(problems=PROBLEMS, samples=SAMPLES, change=change)
    experiment = open_experiment(str(path), profile=Profile.PAPER, only=f"model={MODEL}", replicates=1)
    folder = execute(experiment, tmp_path / "home", Silent())
    judge_run(folder)
    return read_run(folder)


def _rows(run: RunFiles, home: Path, step: str, file: str) -> list[dict[str, Any]]:
    record = next(each for each in run.record.steps if each.id == f"{MODEL}/seed1/t0/{step}")
    return read_table(Store(home / "store").folder(record.fingerprint) / file)


def _measured(run: RunFiles, metric: str) -> tuple[int, int]:
    found = next(each for each in run.measurements if each.metric == metric and each.iteration == 0)
    return found.n, found.undefined


@pytest.mark.parametrize(
    ("rule", "n", "undefined"),
    [(TooLong.COUNTED_WRONG, PROBLEMS, 0), (TooLong.DROPPED, PROBLEMS - 1, 1), (TooLong.SHORTENED, PROBLEMS, 0)],
)
def test_the_longest_problem_is_counted_as_the_rule_says(rule: TooLong, n: int, undefined: int, tmp_path: Path) -> None:
    run = _run(tmp_path, rule)
    assert sum(length + NEW_TOKENS > LIMIT for length in LENGTHS.values()) == 1
    assert _measured(run, "accuracy") == (n, undefined)
    assert _measured(run, "pass@2") == (n, undefined)
    found = {each.what: each for each in run.record.prompts[MODEL]}
    assert [each.problem_id for each in found["sample"].too_long] == [LONGEST]
    assert found["verify by tournament"].at_most and found["verify by tournament"].too_long


@pytest.mark.parametrize("rule", [TooLong.COUNTED_WRONG, TooLong.DROPPED])
def test_nobody_judges_a_response_that_was_never_given(rule: TooLong, tmp_path: Path) -> None:
    run, home = _run(tmp_path, rule), tmp_path / "home"
    for verifier in ("mc", "cot-binary", "cot-score"):
        rows = _rows(run, home, f"verify.{verifier}.sample", "judgements.parquet")
        of_longest = [row for row in rows if row["problem_id"] == LONGEST]
        assert of_longest
        assert all(row["finish_reason"] in NOT_ASKED and row["text"] is None for row in of_longest)
        scores = _rows(run, home, f"score.{verifier}.sample", "scores.parquet")
        assert {(row["outcome"], row["score"]) for row in scores if row["problem_id"] == LONGEST} == {
            ("did not fit", None)
        }
        assert any(row["outcome"] != "did not fit" for row in scores)
    matches = _rows(run, home, "tournament.tournament.sample", "matches.parquet")
    assert {row["judgement"] for row in matches if row["problem_id"] == LONGEST} == {None}


def test_what_does_not_fit_a_verifier_has_no_score_and_the_others_keep_theirs(tmp_path: Path) -> None:
    run, home = _run(tmp_path, TooLong.COUNTED_WRONG), tmp_path / "home"
    rows = _rows(run, home, "verify.cot-binary.sample", "judgements.parquet")
    answered = {row["problem_id"] for row in rows if row["finish_reason"] not in NOT_ASKED}
    unasked = {row["problem_id"] for row in rows if row["finish_reason"] in NOT_ASKED}
    assert answered
    assert len(unasked) > 1
    step = next(each for each in run.record.steps if each.id == f"{MODEL}/seed1/t0/verify.cot-binary.sample")
    assert step.counts["judgements not asked for: they did not fit"] == sum(
        row["finish_reason"] in NOT_ASKED for row in rows
    )


def test_a_problem_that_no_model_answered_is_in_no_training_pair(tmp_path: Path) -> None:
    run, home = _run(tmp_path, TooLong.COUNTED_WRONG, rpo=True), tmp_path / "home"
    record = next(each for each in run.record.steps if each.id == f"{MODEL}/seed1/t1/select")
    pairs = read_table(Store(home / "store").folder(record.fingerprint) / "training_set.parquet")
    assert pairs
    assert all(len(row["prompt_ids"]) + NEW_TOKENS <= LIMIT for row in pairs)
    assert all(row["rejected_ids"] for row in pairs)
