"""How long the gaps of one model take, and how much memory, beside a loop over the prompts in NumPy.

Both sides are a process that imports the same, and reads what to measure from a file: neither plans.

1,319 problems, 128 responses, judged by four verifiers as `gsm8k-gv-gap` has them, with the ensembles of
`gsm8k-verifier-ensemble`: filters by quantile and threshold, a tournament of five rounds, filters together.
"""

import json
import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.child import child
from bench.row import Bar, Figure, Row, Setting
from bench.stored import do, put
from bench.turns import commands, figure, times_as_fast
from selfimp_bench.canonical import digest
from selfimp_bench.manifest.model import Profile
from selfimp_bench.protocols.verification.cells import ensemble_name, filter_name, judges_of
from selfimp_bench.protocols.verification.manifest import Filtered, VerificationMetric, VerifierKind
from selfimp_bench.protocols.verification.measure import STAGE, MeasureGapBlock
from selfimp_bench.protocols.verification.score import SCORE_SCHEMA
from selfimp_bench.protocols.verification.score import SCORES as SCORE_TABLE
from selfimp_bench.protocols.verification.tournament import MATCH_SCHEMA, MATCHES
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.measured import MEASUREMENTS
from selfimp_bench.steps.rows import GRADE_SCHEMA, GRADES
from selfimp_bench.steps.store import Store

RESPONSES = 128
BLOCK = "block.pickle"
INPUTS = {name: name for name in ("grades.0.0", "scores.0.0.0", "scores.1.0.0", "scores.2.0.0", "matches.3.0.0")}
Array = NDArray[np.float64]


def gaps(setting: Setting) -> dict[str, Figure]:
    """The whole stage beside the loop, each in its process: reading, measuring, writing."""
    make(setting.folder, problems=1319)
    (setting.folder / BLOCK).write_bytes(pickle.dumps(block()))
    wanted = {"ours": child(measured, setting.folder), "theirs": child(looped, setting.folder)}
    spent = commands(wanted, turns=2 if setting.quick else 5)
    ours = {row["metric"]: row["value"] for row in pq.read_table(setting.folder / "ours" / MEASUREMENTS).to_pylist()}
    theirs: Mapping[str, float] = json.loads((setting.folder / "theirs.json").read_text())
    for name, value in theirs.items():
        assert math.isclose(ours[name], value, rel_tol=0, abs_tol=1e-12), (name, ours[name], value)
    seconds = {name: [one.processor for one in each] for name, each in spent.items()}
    return {
        "time": times_as_fast(seconds["ours"], seconds["theirs"]),
        "memory": figure([one.peak_bytes / 1e6 for one in spent["ours"]]),
    }


def block() -> MeasureGapBlock:
    """What `gsm8k-gv-gap` measures of a model, as far as it is of filters, and the ensembles."""
    own, other = (
        next(step.block for step in open_experiment(name, profile=Profile.PAPER, only=None, replicates=1).plan().steps
             if isinstance(step.block, MeasureGapBlock))
        for name in ("gsm8k-gv-gap", "gsm8k-verifier-ensemble")
    )  # fmt: skip
    metrics = (
        VerificationMetric.ACCURACY,
        VerificationMetric.FILTERED_ACCURACY,
        VerificationMetric.GAP,
        VerificationMetric.KEPT_SHARE,
        VerificationMetric.TOURNAMENT_STEPS,
    )
    return replace(own, ensembles=other.ensembles, measure=replace(own.measure, metrics=metrics, correlate=None))


# ---- made up ----


def make(folder: Path, problems: int) -> None:
    """Grades, scores and matches of ``problems``; the verifiers know a little."""
    store, draw = Store(folder / "store"), np.random.default_rng(1)
    hardness = draw.random(problems)
    correct = draw.random((problems, RESPONSES)) < hardness[:, None]
    noisy = 0.3 * correct + 0.7 * draw.random(correct.shape)
    unparsed = draw.random(correct.shape) < 0.05
    scores = {
        "scores.0.0.0": noisy,
        "scores.1.0.0": np.where(unparsed, np.nan, np.round(noisy)),
        "scores.2.0.0": np.where(unparsed, np.nan, np.ceil(10 * noisy)),
    }
    put(store, "grades.0.0", partial(_write_grades, correct))
    for name, values in scores.items():
        put(store, name, partial(_write_scores, values))
    put(store, "matches.3.0.0", partial(_write_matches, noisy))


def _ids(problems: int, each: int) -> dict[str, pa.Array]:
    return {
        "problem_id": pa.array([f"p{problem:04}" for problem in range(problems) for _ in range(each)]),
        "sample_index": pa.array(np.tile(np.arange(each, dtype=np.int32), problems)),
    }


def _write(path: Path, columns: Mapping[str, object], schema: pa.Schema) -> None:
    rows = len(columns["problem_id"])  # type: ignore[arg-type]
    full = {name: columns.get(name, pa.nulls(rows, schema.field(name).type)) for name in schema.names}
    pq.write_table(pa.table(full).cast(schema), path, compression="zstd")


def _write_grades(correct: NDArray[np.bool_], folder: Path) -> None:
    outcomes = np.where(correct.ravel(), "correct", "wrong").tolist()
    shared = {"iteration": pa.array(np.zeros(correct.size, np.int32)), "role": pa.array(["sample"] * correct.size)}
    own = {"outcome": pa.array(outcomes), "other_outcome": pa.array(outcomes)}
    _write(folder / GRADES, _ids(*correct.shape) | shared | own, GRADE_SCHEMA)


def _write_scores(scores: Array, folder: Path) -> None:
    flat = scores.ravel()
    own = {
        "repeat": pa.array(np.zeros(flat.size, np.int32)),
        "outcome": pa.array(np.where(np.isnan(flat), "unparsed", "usable").tolist()),
        "score": pa.array(flat, from_pandas=True),
    }
    _write(folder / SCORE_TABLE, _ids(*scores.shape) | own, SCORE_SCHEMA)


def _write_matches(scores: Array, folder: Path) -> None:
    """Five rounds, in which the response with the higher score is preferred."""
    columns: dict[str, list[object]] = {name: [] for name in MATCH_SCHEMA.names}
    for problem, own in enumerate(scores):
        left = np.arange(RESPONSES)
        for number in range(1, 6):
            first, second = left[::2], left[1::2]
            a_wins = own[first] >= own[second]
            left = np.where(a_wins, first, second)
            columns["problem_id"] += [f"p{problem:04}"] * len(left)
            columns["round"] += [number] * len(left)
            for name, values in (("a", first), ("b", second), ("winner", left)):
                columns[name] += values.tolist()
            columns["judgement"] += np.where(a_wins, "A", "B").tolist()
    rows = len(columns["winner"])
    columns |= {"outcome": ["usable"] * rows, "finish_reason": ["stop"] * rows, "seed": ["0"] * rows}
    columns["text"] = [f" Preferred solution: {each}" for each in columns["judgement"]]
    pq.write_table(pa.table(columns, schema=MATCH_SCHEMA), folder / MATCHES, compression="zstd")


# ---- the two sides ----


def measured(folder: str) -> None:
    """The stage, on what lies in ``folder``."""
    do(STAGE, _asked(folder), Store(Path(folder) / "store"), INPUTS, Path(folder) / "ours")


def _asked(folder: str) -> MeasureGapBlock:
    found: MeasureGapBlock = pickle.loads((Path(folder) / BLOCK).read_bytes())
    return found


@dataclass(frozen=True, kw_only=True)
class _Files:
    """Problems x responses of every table; matches by round: problems x (a, b, winner)."""

    correct: NDArray[np.bool_]
    scores: Mapping[str, Array]
    rounds: Mapping[int, NDArray[np.int64]]


def looped(folder: str) -> None:
    """Means of the same metrics, one prompt after the other in NumPy, and the values by problem as a table."""
    found, asked = _read(Path(folder) / "store"), _asked(folder)
    judges = judges_of(asked.verification, asked.verifiers)
    names = [judge.name for judge in judges if judge.method.kind is not VerifierKind.TOURNAMENT]
    scores = dict(zip(names, found.scores.values(), strict=True))
    values: dict[str, list[float]] = {}
    for problem, correct in enumerate(found.correct):
        own = {name: table[problem] for name, table in scores.items()}
        accuracy = float(correct.mean())
        values.setdefault("accuracy", []).append(accuracy)
        kept = {
            filter_name(judge, selection): _kept(own[judge.name], Filtered(verifier="", selection=selection))
            for judge in judges
            for selection in judge.method.selections or ()
        }
        for ensemble in asked.ensembles:
            each = [_kept(own[f"{member.verifier}"], member) for member in ensemble.members]
            kept[ensemble_name(ensemble, asked.verification, "self")] = np.logical_and.reduce(each)
        for name, rows in kept.items():
            after = float(correct[rows].mean()) if rows.any() else math.nan
            _both(values, name, accuracy, after)
            values.setdefault(f"kept-share.{name}", []).append(float(rows.mean()))
        for number, table in found.rounds.items():
            after = float(correct[table[problem, :, 2]].mean())
            _both(values, f"tournament.r{number}", accuracy, after)
    means = {name: float(np.nanmean(each)) for name, each in values.items()}
    (Path(folder) / "theirs.json").write_text(json.dumps(means))
    pq.write_table(pa.table(values), Path(folder) / "theirs.parquet", compression="zstd")


def _both(values: dict[str, list[float]], name: str, accuracy: float, after: float) -> None:
    """By both conventions for a filter that keeps nothing: the accuracy stays, or the problem is left out."""
    stays = accuracy if math.isnan(after) else after
    for ending, each in (("", stays), (".left-out", after)):
        values.setdefault(f"filtered-accuracy.{name}{ending}", []).append(each)
        values.setdefault(f"gap.{name}{ending}", []).append(each - accuracy)


def _kept(scores: Array, member: Filtered) -> NDArray[np.bool_]:
    assert member.selection is not None
    least = member.selection.threshold
    if least is None:
        least = float(np.quantile(scores[~np.isnan(scores)], member.selection.quantile or 0.0, method="higher"))
    return np.nan_to_num(scores, nan=-np.inf) >= least


def _read(store: Path) -> _Files:
    def columns(name: str, file: str, *wanted: str) -> list[NDArray[np.generic]]:
        with pq.ParquetFile(store / digest(name) / file) as opened:
            table = opened.read(columns=list(wanted))
        return [table[each].to_numpy() for each in wanted]

    (outcome,) = columns("grades.0.0", GRADES, "outcome")
    correct = (outcome == "correct").reshape(-1, RESPONSES)
    scores = {
        name: columns(name, SCORE_TABLE, "score")[0].astype(np.float64).reshape(-1, RESPONSES)
        for name in INPUTS
        if name.startswith("scores")
    }
    number, a, b, winner = columns("matches.3.0.0", MATCHES, "round", "a", "b", "winner")
    rounds = {
        each: np.stack([column[number == each].reshape(len(correct), -1) for column in (a, b, winner)], axis=2)
        for each in range(1, 6)
    }
    return _Files(correct=correct, scores=scores, rounds=rounds)


ROWS = (
    Row(
        name="gaps",
        what="gap, thresholds, tournament, ensembles of 128 responses by 4 verifiers",
        against="a NumPy loop by prompt",
        bars={"time": Bar(unit="x", at_least=1), "memory": Bar(unit="MB", at_most=300)},
        measure=gaps,
    ),
)
