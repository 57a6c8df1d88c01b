"""Whole runs of the verification protocol on the fake engines."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from gap_support import GapManifestMaker

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.protocols.registry import measured_cells
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.judge import judge_run, read_run
from selfimp_bench.runs.record import RunRecord, read_record
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.progress import Silent

Rows = Sequence[dict[str, Any]]


@pytest.fixture
def make_gap(tmp_path: Path) -> GapManifestMaker:
    return GapManifestMaker(folder=tmp_path)


def run(manifest: Path, home: Path, only: str | None = None, replicates: int = 1) -> Path:
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=only, replicates=replicates)
    folder = execute(experiment, home, Silent())
    judge_run(folder)
    return folder


def artifact(home: Path, folder: Path, step: str, name: str) -> Rows:
    record = read_record(folder)
    found = next(each for each in record.steps if each.id == step)
    rows: Rows = pq.read_table(home / "store" / found.fingerprint / name).to_pylist()
    return rows


def values(folder: Path, model: str) -> dict[tuple[str, int], float | None]:
    return {
        (each.metric, each.iteration): each.value
        for each in read_run(folder).measurements
        if each.model == model and each.replicate == 0
    }


def stages(record: RunRecord) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for step in record.steps:
        counts[step.stage] += 1
    return dict(counts)


def test_every_number_is_a_mean_over_problems_so_that_claims_about_it_can_be_judged(
    make_gap: GapManifestMaker, common_home: Path
) -> None:
    measured = read_run(run(make_gap(), common_home))
    found = defaultdict(list)
    for each in measured.problem_values:
        if each.value is not None:
            found[each.model, each.metric].append(each.value)
    defined = {(each.model, each.metric): each.value for each in measured.measurements if each.value is not None}
    assert defined.keys() == found.keys()
    assert {metric.partition(".")[0] for _, metric in defined} >= {"gap-sd", "gap-correlation", "judgement-variance"}
    assert all(sum(own) / len(own) == pytest.approx(defined[key], abs=1e-9) for key, own in found.items())


@pytest.mark.parametrize("name", ["measurements.parquet", "problem_values.parquet"])
def test_what_no_run_wrote_is_an_input_error_that_names_the_file(
    make_gap: GapManifestMaker, tmp_path: Path, name: str
) -> None:
    folder = run(make_gap(), tmp_path / "home")
    whole = pq.read_table(folder / name)
    pq.write_table(whole.drop_columns("metric"), folder / name)
    with pytest.raises(InputError, match=f"{name}: this is not what a run wrote"):
        read_run(folder)
    (folder / name).write_bytes(b"PAR1")
    with pytest.raises(InputError, match=f"{name}: this is not what a run wrote"):
        read_run(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name}: not found; the run is incomplete"):
        read_run(folder)


def test_a_run_measures_exactly_what_the_manifest_says(make_gap: GapManifestMaker, common_home: Path) -> None:
    folder = run(make_gap(), common_home)
    measured = read_run(folder)
    expected = {(cell.metric, cell.split, 0) for cell in measured_cells(measured.manifest)}
    for model in ("300-base", "700-base"):
        found = [(each.metric, each.split, each.iteration) for each in measured.measurements if each.model == model]
        assert len(found) == len(set(found))
        assert set(found) == expected


def test_the_numbers_follow_from_the_artifacts(make_gap: GapManifestMaker, common_home: Path) -> None:
    home = common_home
    folder = run(make_gap(), home)
    place = "700-base/seed1/t0"
    correct = {
        (row["problem_id"], row["sample_index"]): row["outcome"] == "correct"
        for row in artifact(home, folder, f"{place}/grade.sample", "grades.parquet")
    }
    scores = {
        (row["problem_id"], row["sample_index"]): row["score"]
        for row in artifact(home, folder, f"{place}/score.cot-score.sample", "scores.parquet")
    }
    problems = sorted({problem for problem, _ in correct})
    gaps, accuracies = [], []
    for problem in problems:
        own = [index for name, index in correct if name == problem]
        accuracy = sum(correct[problem, index] for index in own) / len(own)
        kept = [index for index in own if scores[problem, index] is not None and scores[problem, index] >= 8]
        filtered = sum(correct[problem, index] for index in kept) / len(kept) if kept else accuracy
        gaps.append(filtered - accuracy)
        accuracies.append(accuracy)
    found = values(folder, "700-base")
    assert found["accuracy", 0] == pytest.approx(sum(accuracies) / len(problems))
    assert found["gap.cot-score.t8", 0] == pytest.approx(sum(gaps) / len(problems))
    assert found["aggregate-relative-gap.cot-score.t8", 0] == pytest.approx(
        sum(gaps) / (len(problems) - sum(accuracies))
    )
    assert 0 < len([score for score in scores.values() if score is None]) < len(scores)


def test_a_tournament_halves_the_field_and_its_last_round_is_what_is_left(
    make_gap: GapManifestMaker, common_home: Path
) -> None:
    home = common_home
    folder = run(make_gap(), home)
    place = "700-base/seed1/t0"
    matches = artifact(home, folder, f"{place}/tournament.tournament.sample", "matches.parquet")
    correct = {
        (row["problem_id"], row["sample_index"]): row["outcome"] == "correct"
        for row in artifact(home, folder, f"{place}/grade.sample", "grades.parquet")
    }
    by_round = {number: [row for row in matches if row["round"] == number] for number in (1, 2)}
    assert [len(by_round[number]) for number in (1, 2)] == [12 * 4, 12 * 2]
    for row in matches:
        preferred = {"A": row["a"], "B": row["b"]}.get(row["judgement"])
        assert row["winner"] in (row["a"], row["b"])
        assert preferred in (None, row["winner"])
    assert {row["outcome"] for row in matches} >= {"parsed", "unparsed"}
    last = [correct[row["problem_id"], row["winner"]] for row in by_round[2]]
    assert values(folder, "700-base")["filtered-accuracy.tournament.r2", 0] == pytest.approx(sum(last) / len(last))


@pytest.mark.slow
def test_a_model_that_knows_more_judges_better_and_judges_others(make_gap: GapManifestMaker, common_home: Path) -> None:
    def cross(data: dict[str, Any]) -> None:
        data["verifiers"] = ["self", "300-base", "700-base"]
        data["measure"] = {"metrics": ["accuracy", "gap", "filtered-accuracy"], "k": [], "empty_filter": "zero"}
        data["measure"]["source"] = "test"

    folder = run(make_gap(change=cross, problems=40), common_home)
    found = {model: values(folder, model) for model in ("300-base", "700-base")}
    for model in found:
        assert found[model]["gap.mc.q0.5", 0] == found[model][f"gap.mc@{model}.q0.5", 0]
    gaps = [found["300-base"][f"gap.mc@{judge}.q0.5", 0] for judge in ("300-base", "700-base")]
    assert gaps[0] is not None
    assert gaps[1] is not None
    assert gaps[0] < gaps[1]
    own = [step for step in read_record(folder).steps if step.id.endswith("score.mc.sample")]
    other = [step for step in read_record(folder).steps if step.id.endswith("score.mc@700-base.sample")]
    assert own[1].fingerprint == other[1].fingerprint  # the same work, done once


@pytest.mark.parametrize(("method", "gold"), [("rejection", False), ("rpo", False), ("rejection", True)])
def test_self_improvement_trains_on_what_is_kept(
    make_gap: GapManifestMaker, method: str, gold: bool, common_home: Path
) -> None:
    def improve(data: dict[str, Any]) -> None:
        make_gap.improving(data, method=method, gold=gold)

    home = common_home
    folder = run(make_gap(change=improve), home, only="model=700-base")
    record = read_record(folder)
    assert stages(record)["train"] == 2
    assert {iteration for _, iteration in values(folder, "700-base")} == {0, 1, 2}
    for iteration in (1, 2):
        rows = artifact(home, folder, f"700-base/seed1/t{iteration}/select", "training_set.parquet")
        place = f"700-base/seed1/t{iteration - 1}"
        correct = {
            (row["problem_id"], row["sample_index"]): row["outcome"] == "correct"
            for row in artifact(home, folder, f"{place}/grade.train", "grades.parquet")
        }
        kept = correct if gold else _kept(artifact(home, folder, f"{place}/score.cot-binary.train", "scores.parquet"))
        assert rows
        for row in rows:
            chosen = row["chosen_index"] if method == "rpo" else row["sample_index"]
            assert kept[row["problem_id"], chosen]
            if method == "rpo":
                assert not kept.get((row["problem_id"], row["rejected_index"]), True)


def _kept(scores: Rows) -> dict[tuple[str, int], bool]:
    """By the mean of three judgements, those that cannot be read aside: kept if every other says correct."""
    judged: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in scores:
        judged[row["problem_id"], row["sample_index"]] += [] if row["score"] is None else [row["score"]]
    return {key: all(found) for key, found in judged.items() if found}


def test_temperatures_are_an_axis(make_gap: GapManifestMaker, common_home: Path) -> None:
    def two(data: dict[str, Any]) -> None:
        data["temperatures"] = [0.5, 1.0]
        data["claims"][0]["order"]["greater"]["metric"] += ".temp0.5"
        data["claims"][0]["order"]["lesser"]["metric"] += ".temp0.5"

    home = common_home
    folder = run(make_gap(change=two), home, only="model=700-base")
    record = read_record(folder)
    found = values(folder, "700-base")
    assert ("gap.mc.q0.5.temp1", 0) in found
    steps = {step.id: step for step in record.steps}
    for name in ("sample", "verify.cot-score", "tournament.tournament"):
        for temperature in (0.5, 1.0):
            step = steps[f"700-base/seed1/t0/temp{temperature:g}/{name}.sample"]
            block = (home / "store" / step.fingerprint / "step.json").read_text()
            assert f'"temperature": {temperature}' in block


def test_selections_are_no_part_of_what_is_verified(make_gap: GapManifestMaker, tmp_path: Path) -> None:
    def narrow(data: dict[str, Any]) -> None:
        data["verification"][0]["selections"] = [{"quantile": 0.5}]
        data["verification"].pop()
        data["measure"] = {"metrics": ["accuracy", "gap", "filtered-accuracy"], "k": [], "empty_filter": "zero"}
        data["measure"]["source"] = "test"

    home = tmp_path / "home"
    run(make_gap(), home)
    record = read_record(run(make_gap(name="narrow", change=narrow), home))
    new = {step.id for step in record.steps if not step.reused}
    one_verifier_less = {"300-base/prompts", "700-base/prompts"}
    assert new == {"300-base/seed1/measure", "700-base/seed1/measure"} | one_verifier_less


def test_a_second_replicate_has_samples_and_judgements_of_its_own(
    make_gap: GapManifestMaker, common_home: Path
) -> None:
    home = common_home
    folder = run(make_gap(), home, only="model=700-base", replicates=2)
    first, second = (
        artifact(home, folder, f"700-base/seed{seed}/t0/verify.cot-score.sample", "judgements.parquet")
        for seed in (1, 2)
    )
    assert not {row["seed"] for row in first} & {row["seed"] for row in second}
    assert {each.replicate for each in read_run(folder).measurements} == {0, 1}


def test_an_empty_training_set_leaves_the_previous_model_also_where_training_starts_from_the_base(
    make_gap: GapManifestMaker,
) -> None:
    def from_base(data: dict[str, Any]) -> None:
        make_gap.improving(data)
        data["self_improvement"]["start_from"] = "base"

    steps = (
        open_experiment(str(make_gap(change=from_base)), profile=Profile.PAPER, only="model=700-base", replicates=1)
        .plan()
        .by_id()
    )
    place = "700-base/seed1"
    first, second = (steps[f"{place}/t{iteration}/train"].inputs for iteration in (1, 2))
    assert (second["start"], second["previous"]) == ("700-base/model", f"{place}/t1/train")
    assert first["start"] == "700-base/model" and "previous" not in first


def test_a_claim_that_rests_on_a_verifier_that_does_not_follow_the_format_is_not_measured(
    make_gap: GapManifestMaker, tmp_path: Path
) -> None:
    def cut(data: dict[str, Any]) -> None:
        (written,) = (each for each in data["verification"] if each["id"] == "cot-score")
        written["judging"] |= {"max_tokens": 1, "unusable_at_most": 0.2}
        (claim,) = data["claims"]
        claim["order"]["greater"]["metric"] = "filtered-accuracy.cot-score.t8"

    experiment = open_experiment(str(make_gap(change=cut)), profile=Profile.PAPER, only=None, replicates=1)
    folder = execute(experiment, tmp_path / "home", Silent())
    findings = judge_run(folder).findings.findings
    assert {each.verdict for each in findings} == {"NOT_MEASURED"}
    (blocked,) = {each.reason for each in read_run(folder).measurements if each.metric == "gap.cot-score.t8"}
    assert blocked is not None and "the judgement's format was not followed: 96 of 96 responses" in blocked
    found = values(folder, "700-base")
    assert found["scored-share.cot-score", 0] == 0.0
    assert found["gap.cot-score.t8", 0] is None
    assert found["gap.mc.q0.5", 0] is not None
