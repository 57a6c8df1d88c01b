"""Offline runs of Weights & Biases, by its own package: history by iteration, verdicts in summary and table."""

import os
import shutil
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from selfimp_bench.runs.trackers.tracked import PROJECT, Tracked

_QUIET = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}


def write_wandb(runs: Sequence[Tracked], into: Path) -> list[Path]:
    """An offline run for each, in ``into/wandb``, to be sent by ``wandb sync``; the same run before is replaced.

    Its id is the evidence's, so that it is one run there, however often it is sent.
    """
    os.environ.update(_QUIET)
    wandb = import_module("wandb")

    into.mkdir(parents=True, exist_ok=True)
    written = []
    for run in runs:
        for old in into.glob(f"wandb/offline-run-*-{run.id}"):
            shutil.rmtree(old)
        settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True)
        with wandb.init(
            project=PROJECT,
            group=run.experiment,
            name=run.name,
            id=run.id,
            job_type="measurements",
            config=dict(run.params),
            dir=str(into),
            mode="offline",
            settings=settings,
        ) as there:
            there.define_metric("iteration")
            there.define_metric("*", step_metric="iteration")
            for iteration, values in run.points:
                there.log({"iteration": iteration, **values})
            if run.findings:
                columns = ["claim", "statement", "verdict", "reason"]
                rows = [[each.claim, each.statement, str(each.verdict), each.reason] for each in run.findings]
                there.log({"findings": wandb.Table(columns=columns, data=rows)})
            for each in run.findings:
                there.summary[f"verdicts/{each.claim}"] = str(each.verdict)
        written += sorted(into.glob(f"wandb/offline-run-*-{run.id}"))
    return written
