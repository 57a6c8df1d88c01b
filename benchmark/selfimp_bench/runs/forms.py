"""A run's measurements in the forms of other tools: a table, results of lm-evaluation-harness, model cards of the hub.

Every form is a pure function from a run to files by name. A number is the mean over the run's replicates, its error the
mean of theirs: replicates have the same problems, so that more of them tell no more about other problems.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import fsum
from types import MappingProxyType
from typing import Any, Final

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import DatasetRef, ModelRef
from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.plural import plural
from selfimp_bench.runs.judge import RunFiles

RESULTS: Final = "results.json"
CARD: Final = "README.md"


@dataclass(frozen=True, kw_only=True)
class _Number:
    """A measurement over the replicates: mean, standard error (None where one has none), problems a replicate."""

    metric: str
    split: Split
    value: float
    error: float | None
    problems: int


def csv_form(run: RunFiles) -> dict[str, str]:
    """``measurements.csv``: a row a measurement, with the columns of ``Measurement``; empty where there is no value."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [field.name for field in fields(Measurement)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(each) for each in run.measurements)
    return {"measurements.csv": out.getvalue()}


def lm_eval_form(run: RunFiles) -> dict[str, str]:
    """``MODEL/tT/results.json``: what lm-evaluation-harness keeps of an evaluation, a task a data set."""
    return {
        f"{model.id}/t{iteration}/{RESULTS}": json.dumps(_results(run, model, iteration, numbers), indent=2) + "\n"
        for model, iteration, numbers in _checkpoints(run)
    }


def model_card_form(run: RunFiles) -> dict[str, str]:
    """``MODEL/tT/README.md``: a model card whose metadata (``model-index``) has the numbers of a checkpoint."""
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    found = {}
    for model, iteration, numbers in _checkpoints(run):
        name = f"{model.id}-{run.manifest.name}-t{iteration}"
        results = [
            EvalResult(
                task_type="text-generation",
                dataset_type=_dataset(run, each.split).repo or _dataset(run, each.split).id,
                dataset_name=_dataset(run, each.split).id,
                dataset_split=str(each.split),
                dataset_revision=_dataset(run, each.split).revision,
                metric_type=each.metric,
                metric_value=each.value,
            )
            for each in numbers
        ]
        data = ModelCardData(base_model=model.repo, model_name=name, eval_results=results, tags=["selfimp-bench"])
        text = [
            f"# {name}",
            f"{_origin(model)}, after {plural(iteration, 'iteration')} of {run.manifest.name} v{run.manifest.version} "
            f"({run.manifest.paper.title}).",
            f"Measured by selfimp-bench over {plural(len(run.record.seeds), 'run')}; the manifest has the sha256 "
            f"{run.record.manifest_digest}.",
        ]
        found[f"{model.id}/t{iteration}/{CARD}"] = str(ModelCard(f"---\n{data}\n---\n\n" + "\n\n".join(text) + "\n"))
    return found


FORMS: Final[Mapping[str, Callable[[RunFiles], dict[str, str]]]] = MappingProxyType(
    {"csv": csv_form, "lm-eval": lm_eval_form, "model-card": model_card_form}
)
"""The forms by the names that `export` has for them."""


def _results(run: RunFiles, model: ModelRef, iteration: int, numbers: Sequence[_Number]) -> dict[str, Any]:
    results: dict[str, dict[str, Any]] = defaultdict(dict)
    samples: dict[str, dict[str, int]] = {}
    for each in numbers:
        task = _dataset(run, each.split).id
        error = "N/A" if each.error is None else each.error
        results[task] |= {"alias": task, f"{each.metric},none": each.value, f"{each.metric}_stderr,none": error}
        rows = _dataset(run, each.split).rows
        samples[task] = {"original": rows, "effective": max(each.problems, samples.get(task, {}).get("effective", 0))}
    return {
        "results": results,
        "group_subtasks": {task: [] for task in results},
        "versions": dict.fromkeys(results, run.manifest.version),
        "n-shot": {},
        "n-samples": samples,
        "configs": {
            task: {"task": task, "dataset_path": dataset.repo or dataset.path or dataset.id, "test_split": str(split)}
            for split in {each.split for each in numbers}
            if (task := (dataset := _dataset(run, split)).id)
        },
        "config": {
            "model": "selfimp-bench",
            "model_args": f"pretrained={_origin(model)},iteration={iteration}",
            "random_seed": run.record.seeds[0],
        },
        "model_source": "selfimp-bench",
        "model_name": f"{model.id}-{run.manifest.name}-t{iteration}",
    }


def _checkpoints(run: RunFiles) -> Iterator[tuple[ModelRef, int, list[_Number]]]:
    """Every model and iteration with its numbers; those without a value are left out."""
    groups: dict[tuple[str, int], dict[tuple[str, Split], list[Measurement]]] = defaultdict(lambda: defaultdict(list))
    for each in run.measurements:
        if each.value is not None:
            groups[each.model, each.iteration][each.metric, each.split].append(each)
    known = {model.id: model for model in run.manifest.models}
    for (model, iteration), cells in groups.items():
        yield known[model], iteration, [_mean(found) for found in cells.values()]


def _mean(found: Sequence[Measurement]) -> _Number:
    errors = [each.standard_error for each in found if each.standard_error is not None]
    return _Number(
        metric=found[0].metric,
        split=found[0].split,
        value=fsum(each.value or 0.0 for each in found) / len(found),
        error=fsum(errors) / len(found) if len(errors) == len(found) else None,
        problems=max(each.n for each in found),
    )


def _dataset(run: RunFiles, split: Split) -> DatasetRef:
    dataset = run.manifest.datasets.by_split().get(split)
    if dataset is None:
        raise InputError(f"{run.folder}: measured on {split}, of which the manifest has no data set")
    return dataset


def _origin(model: ModelRef) -> str:
    return str(model.repo or model.asset or model.path)
