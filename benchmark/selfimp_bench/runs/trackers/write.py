"""Writing a run or a study for a tracker."""

from pathlib import Path

from selfimp_bench.runs.judge import StudyJudgement, read_run, read_study_run
from selfimp_bench.runs.trackers.mlflow import write_mlflow
from selfimp_bench.runs.trackers.tensorboard import write_tensorboard
from selfimp_bench.runs.trackers.tracked import tracked
from selfimp_bench.runs.trackers.wandb import write_wandb


def write_tracked(
    tracker: str, folder: Path, into: Path, judgement: StudyJudgement | None = None, findings: str | None = None
) -> list[Path]:
    """What the run in ``folder`` measured and, where it is judged, found; returns the files or folders written.

    tracker: tensorboard, wandb or mlflow, which is installed. findings: the judgement as Markdown.
    """
    judged = {} if judgement is None else {Path(each.run): each for each in judgement.experiments}
    runs = [
        each for own in read_study_run(folder).experiments for each in tracked(read_run(own), judged.get(Path(own)))
    ]
    if tracker == "wandb":
        return write_wandb(runs, into)
    return (write_mlflow if tracker == "mlflow" else write_tensorboard)(runs, findings, into)
