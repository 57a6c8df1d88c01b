"""A run's generations as logs of inspect_ai: one for each checkpoint, data set and way of asking, with every sample.

A log is the zip that inspect_ai writes (version 2): a header with results, and a file a sample. An epoch is a sample of
a problem, whose row is the sample's metadata. Of its scores the task's own is that of the samples in the log; under
``selfimp-bench`` are the run's measurements of the checkpoint on the split.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from selfimp_bench.canonical import digest
from selfimp_bench.engines.base import FinishReason
from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Measurement, mean_over_problems, pass_at_k
from selfimp_bench.runs.generated import GeneratedSet, generated_sets, reading
from selfimp_bench.runs.judge import RunFiles
from selfimp_bench.runs.verifying.plans import plan_of
from selfimp_bench.steps.dataset import problem_row, read_problems
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.steps.store import read_columns
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome
from selfimp_bench.tasks.problem import Problem

_VERSION: Final = 2
_OURS: Final = "selfimp-bench"
_STOPPED: Final = {FinishReason.LENGTH: "max_tokens", FinishReason.TOO_LONG: "model_length"}

_Json = dict[str, Any]


def write_inspect_logs(run: RunFiles, store: Path, into: Path) -> list[Path]:
    """``MODEL/seedS/tT/SPLIT/ROLE.eval`` under ``into``. Raises InputError where what models wrote is not there."""
    written = []
    for each in generated_sets(run.folder, plan_of(run.folder), store):
        if each.problems is None:
            raise InputError(f"{each.name}: the rows of its problems are not kept; export the run where it was made")
        path = into / each.name / each.split / f"{each.role}.eval"
        path.parent.mkdir(parents=True, exist_ok=True)
        problems = {one.problem_id: one for one in read_problems(each.problems)}
        with reading(each, run.folder):
            _write(run, each, problems, path)
        written.append(path)
    return written


def _write(run: RunFiles, of: GeneratedSet, problems: Mapping[str, Problem], path: Path) -> None:
    summaries, solved = [], dict[str, list[bool]]()
    partial = path.with_name(f".{path.name}")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as log:
        for row in _rows(of):
            sample = _sample(of, problems[row["problem_id"]], row)
            _add(log, f"samples/{row['problem_id']}_epoch_{sample['epoch']}.json", sample)
            summaries.append(_summary(sample))
            found = solved.setdefault(row["problem_id"], [])
            if row["outcome"] not in UNJUDGED:
                found.append(row["outcome"] == Outcome.CORRECT)
        header = _header(run, of, summaries, solved)
        _add(log, "_journal/start.json", {key: header[key] for key in ("version", "eval", "plan")})
        _add(log, "summaries.json", summaries)
        _add(log, "header.json", header)
    partial.replace(path)


def _add(log: zipfile.ZipFile, name: str, value: object) -> None:
    """Equal runs give equal bytes."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    log.writestr(info, json.dumps(value, ensure_ascii=False))


def _rows(of: GeneratedSet) -> Iterator[_Json]:
    """Samples with their grades, in the order in which they were drawn."""
    sampled, graded = ("problem_id", "sample_index", "completion", "finish_reason"), ("outcome", "extracted", "detail")
    keys = ("problem_id", "sample_index")
    grades = {
        (name, index): rest for name, index, *rest in zip(*read_columns(of.grades, [*keys, *graded]), strict=True)
    }
    for row in zip(*read_columns(of.samples, sampled), strict=True):
        yield dict(zip((*sampled, *graded), (*row, *grades[row[0], row[1]]), strict=True))


def _sample(of: GeneratedSet, problem: Problem, row: Mapping[str, Any]) -> _Json:
    prompt = render_prompt(of.asked.prompt_template, problem)
    answer = {"role": "assistant", "content": row["completion"], "source": "generate"}
    dropped = row["finish_reason"] == FinishReason.DROPPED
    choice = {"message": answer, "stop_reason": _STOPPED.get(row["finish_reason"], "stop")}
    why = row["outcome"] if row["detail"] is None else f"{row['outcome']}: {row['detail']}"
    score = {
        "value": "C" if row["outcome"] == Outcome.CORRECT else "I",
        "answer": row["extracted"],
        "explanation": why,
        "history": [],
    }
    return {
        "id": problem.problem_id,
        "epoch": row["sample_index"] + 1,
        "input": prompt,
        "target": _target(problem),
        "messages": [{"role": "user", "content": prompt, "source": "input"}, *([] if dropped else [answer])],
        "output": {"model": of.model, "choices": [] if dropped else [choice]},
        "scores": {} if row["outcome"] in UNJUDGED else {of.grading.task: score},
        "metadata": {key: value for key, value in problem_row(problem).items() if key != "problem_id"},
        "store": {},
        "events": [],
        "model_usage": {},
        "attachments": {},
        **({"error": {"message": why, "traceback": "", "traceback_ansi": ""}} if dropped else {}),
    }


def _target(problem: Problem) -> str | list[str]:
    if problem.answer is not None:
        return problem.answer
    return list(problem.answers or problem.tests or ())


def _summary(sample: Mapping[str, Any]) -> _Json:
    kept = ("id", "epoch", "input", "target", "scores", "metadata")
    error = {"error": sample["error"]["message"]} if "error" in sample else {}
    return (
        {key: sample[key] for key in kept} | {"completed": not error, "message_count": len(sample["messages"])} | error
    )


def _header(run: RunFiles, of: GeneratedSet, summaries: Sequence[_Json], solved: Mapping[str, Sequence[bool]]) -> _Json:
    record, decoding = run.record, of.asked.decoding
    ended = datetime.fromtimestamp(datetime.fromisoformat(record.started).timestamp() + record.wall_seconds, UTC)
    data = run.manifest.datasets.by_split()[of.split]
    configured = {"temperature": decoding.temperature, "top_p": decoding.top_p, "max_tokens": decoding.max_tokens}
    spec = {
        "eval_id": _id(record.seal, of, "eval"),
        "run_id": _id(record.seal, of, "run"),
        "created": record.started,
        "task": of.grading.task,
        "task_id": _id(record.seal, of, "task"),
        "task_version": run.manifest.version,
        "task_display_name": f"{run.manifest.name}: {of.name} {of.split} {of.role}",
        "task_attribs": {},
        "task_args": {},
        "task_args_passed": {},
        "dataset": {"name": data.id, "samples": len(solved), "sample_ids": list(solved), "shuffled": False},
        "model": f"{_OURS}/{of.name}",
        "model_generate_config": configured | ({} if decoding.top_k < 1 else {"top_k": decoding.top_k}),
        "model_args": {},
        "config": {"epochs": max((each["epoch"] for each in summaries), default=1), "epochs_reducer": ["mean"]},
        "packages": {_OURS: record.code.version},
        "metadata": {
            "experiment": run.manifest.name,
            "paper": run.manifest.paper.title,
            "manifest_sha256": record.manifest_digest,
            "iteration": of.iteration,
            "seed": of.seed,
            "role": of.role,
            "extraction": of.grading.extraction,
        },
        "scorers": [{"name": of.grading.task, "options": {}}],
    }
    return {
        "version": _VERSION,
        "status": "success",
        "eval": spec,
        "plan": {"name": "plan", "steps": [], "config": configured},
        "results": {
            "total_samples": len(summaries),
            "completed_samples": sum(each["completed"] for each in summaries),
            "scores": [_of_samples(of, solved), _of_run(run, of)],
        },
        "stats": {"started_at": record.started, "completed_at": ended.isoformat(), "model_usage": {}},
    }


def _id(seal: str, of: GeneratedSet, what: str) -> str:
    return digest([seal, of.name, of.split, of.role, what])[:22]


def _of_samples(of: GeneratedSet, solved: Mapping[str, Sequence[bool]]) -> _Json:
    """What inspect_ai would compute: the mean over problems of the share of their epochs that are right."""
    shares = [pass_at_k(n=len(found), c=sum(found), k=1) for found in solved.values()]
    estimate = mean_over_problems(shares)
    metrics = {"accuracy": estimate.value, "stderr": estimate.standard_error}
    return {
        "name": of.grading.task,
        "scorer": of.grading.task,
        "reducer": "mean",
        "scored_samples": estimate.n,
        "unscored_samples": estimate.undefined,
        "params": {},
        "metrics": {name: _metric(name, value) for name, value in metrics.items() if value is not None},
    }


def _of_run(run: RunFiles, of: GeneratedSet) -> _Json:
    of_this: list[Measurement] = [
        each
        for each in run.measurements
        if (each.model, each.iteration, each.split) == (of.model, of.iteration, of.split)
        and run.record.seeds[each.replicate] == of.seed
    ]
    return {
        "name": _OURS,
        "scorer": _OURS,
        "params": {},
        "metrics": {
            each.metric: _metric(each.metric, each.value, standard_error=each.standard_error, n=each.n)
            for each in of_this
            if each.value is not None
        },
    }


def _metric(name: str, value: float | None, **more: object) -> _Json:
    return {"name": name, "value": value, "params": {}, **({"metadata": more} if more else {})}
