"""A tracking store of MLflow, by its own package: its default kind, an SQLite file, and a folder of artifacts."""

import os
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from selfimp_bench.runs.trackers.tracked import Tracked

STORE: Final = "mlflow.db"
_ID: Final = "selfimp_bench.id"
_LONGEST: Final = 5000
"""Characters of a tag that every store takes."""


def write_mlflow(runs: Sequence[Tracked], findings: str | None, into: Path) -> list[Path]:
    """``mlflow.db`` and ``artifacts/`` in ``into``: an MLflow experiment an experiment, a run a model and seed.

    Metrics are called ``test/pass_at_1``, since MLflow takes no ``@``, with the iteration as step; a claim's verdict
    and reason are the tags ``verdict.CLAIM`` and ``reason.CLAIM``. A run that is there already is replaced. ``mlflow ui
    --backend-store-uri sqlite:///INTO/mlflow.db`` shows it; artifacts are found while the folder stays where it is.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing here talks to anybody
    mlflow = import_module("mlflow")

    into.mkdir(parents=True, exist_ok=True)
    place = into.resolve()
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{place / STORE}")
    for run in runs:
        known = client.get_experiment_by_name(run.experiment)
        artifacts = (place / "artifacts" / run.experiment).as_uri()
        experiment = (
            client.create_experiment(run.experiment, artifact_location=artifacts)
            if known is None
            else known.experiment_id
        )
        for old in client.search_runs([experiment], f"tags.`{_ID}` = '{run.id}'"):
            client.delete_run(old.info.run_id)
        _log(client, experiment, run, findings)
    return [place / STORE]


def _log(client: Any, experiment: str, run: Tracked, findings: str | None) -> None:
    entities = import_module("mlflow.entities")
    tags = {_ID: run.id, "model": run.model, "seed": str(run.seed)}
    tags |= {f"verdict.{each.claim}": str(each.verdict) for each in run.findings}
    tags |= {f"reason.{each.claim}": each.reason[:_LONGEST] for each in run.findings}
    made = client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
    now = int(time.time() * 1000)
    metrics = [
        entities.Metric(name.replace("@", "_at_"), value, now, iteration)
        for iteration, values in run.points
        for name, value in values.items()
    ]
    params = [entities.Param(name[:250], value[:_LONGEST]) for name, value in run.params.items()]
    for start in range(0, len(metrics), 500):  # at most 1000 a call, with 100 params and tags
        client.log_batch(made, metrics=metrics[start : start + 500])
    for start in range(0, len(params), 100):
        client.log_batch(made, params=params[start : start + 100])
    for path in run.files:
        client.log_artifact(made, str(path))
    if findings is not None:
        client.log_text(made, findings, "findings.md")
    client.set_terminated(made)
