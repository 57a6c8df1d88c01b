"""Have other tools read what `export` writes of a finished run, and compare what they read with the run's measurements.

    python benchmark/recipes/read_back.py RUN OUT [--lm-eval PYTHON] [--inspect PYTHON] [--mlflow PYTHON]
                                          [--wandb PYTHON] [--crate PYTHON]

RUN is a run folder in its home; each PYTHON is of an environment of its own with that tool (lm-eval 0.4.13, inspect_ai
0.3.285, mlflow 3.17.2, wandb 0.31.0; roc-validator 0.13.0 with rocrate 0.13.0), those of mlflow and wandb with this kit
besides. Model cards and TensorBoard are read here. Ends with an error where a tool reads another number.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
Measured = Mapping[tuple[str, str, str, int, int], float]

READ_LM_EVAL = """
import json, sys
from lm_eval.utils import make_table
print(make_table(json.load(open(sys.argv[1]))))
"""
READ_INSPECT = """
import json, sys
from inspect_ai.log import list_eval_logs, read_eval_log
found = {}
for each in list_eval_logs(sys.argv[1]):
    log = read_eval_log(each)
    assert log.status == "success" and len(log.samples) == log.results.completed_samples, each.name
    found[each.name.removeprefix("file://")] = [
        log.eval.task, log.eval.model, len(log.samples),
        {score.name: {name: each.value for name, each in score.metrics.items()} for score in log.results.scores},
    ]
print(json.dumps(found))
"""
READ_MLFLOW = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1])
found = []
for run in client.search_runs([each.experiment_id for each in client.search_experiments()]):
    history = {
        name: {point.step: point.value for point in client.get_metric_history(run.info.run_id, name)}
        for name in run.data.metrics
    }
    artifacts = [each.path for each in client.list_artifacts(run.info.run_id)]
    found.append([run.info.run_name, run.data.tags, history, len(run.data.params), artifacts])
print(json.dumps(found))
"""
READ_WANDB = """
import json, struct, sys
from wandb.proto import wandb_internal_pb2 as pb

def records(path):  # LevelDB's log format: blocks of 32768 bytes, of records with a header of seven
    raw, place, parts = open(path, "rb").read(), 7, b""
    while place + 7 <= len(raw):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack("<IHB", raw[place : place + 7])
        parts += raw[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            record = pb.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record

history, summary = [], {}
for record in records(sys.argv[1]):
    if record.WhichOneof("record_type") == "history":
        row = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        history += [row] if "iteration" in row else []
    if record.WhichOneof("record_type") == "summary":
        summary |= {item.key or item.nested_key[0]: item.value_json for item in record.summary.update}
print(json.dumps([history, {name: json.loads(v) for name, v in summary.items() if name.startswith("verdicts/")}]))
"""


def main() -> None:
    """Export and read back what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    tools: dict[str, Callable[[Path, Path, Measured, str], None]] = {
        "lm-eval": lm_eval,
        "inspect": inspect,
        "mlflow": mlflow,
        "wandb": wandb,
        "crate": crate,
    }
    for tool in tools:
        parser.add_argument(f"--{tool}", metavar="PYTHON")
    asked = parser.parse_args()
    run, out = asked.run.resolve(), asked.out.resolve()
    measured = measurements(run, out)
    model_card(run, out, measured)
    tensorboard(run, out, measured)
    for tool, read in tools.items():
        if python := getattr(asked, tool.replace("-", "_")):
            read(run, out, measured, python)


def export(run: Path, form: str, out: Path, python: str = sys.executable) -> Path:
    """What `export` writes of the run in a form."""
    into = out / form
    call([python, "-m", "selfimp_bench", "export", run, "--format", form, "--out", into])
    return into


def say(text: str) -> None:
    """On standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def call(command: list[str | Path]) -> str:
    """What a command prints; ends with what it says where it fails."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "benchmark"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    found = subprocess.run([str(each) for each in command], capture_output=True, text=True, env=environment)
    if found.returncode:
        sys.exit(f"{command[:4]} failed:\n{found.stdout[-2000:]}{found.stderr[-2000:]}")
    return found.stdout


def measurements(run: Path, out: Path) -> Measured:
    """Values by model, split, metric, iteration and replicate."""
    rows = csv.DictReader((export(run, "csv", out) / "measurements.csv").open())
    return {
        (row["model"], row["split"], row["metric"], int(row["iteration"]), int(row["replicate"])): float(row["value"])
        for row in rows
        if row["value"]
    }


def same(tool: str, found: Mapping[object, float], expected: Mapping[object, float], within: float = 0.0) -> None:
    """Ends where a number is missing or another one."""
    wrong = {key: value for key, value in expected.items() if abs(found.get(key, float("inf")) - value) > within}
    if wrong or not expected:
        sys.exit(f"{tool}: {len(wrong)} of {len(expected)} numbers are other ones: {list(wrong.items())[:3]}")
    say(f"{tool}: {len(expected)} numbers as measured")


def first_seed(measured: Measured) -> dict[object, float]:
    """By model, split, metric and iteration."""
    if any(replicate for *_, replicate in measured):
        sys.exit("the run has several seeds; this compares those of one")
    return {key[:4]: value for key, value in measured.items()}


def model_card(run: Path, out: Path, measured: Measured) -> None:
    """By the hub's own parser."""
    from huggingface_hub import ModelCard

    into, found = export(run, "model-card", out), {}
    for path in into.rglob("README.md"):
        model, t = path.relative_to(into).parts[:2]
        for each in ModelCard.load(path).data.eval_results:
            found[model, each.dataset_split, each.metric_type, int(t[1:])] = each.metric_value
    same("model cards, by huggingface_hub's ModelCard", found, first_seed(measured))


def tensorboard(run: Path, out: Path, measured: Measured) -> None:
    """By TensorBoard's own reader; scalars are of single precision."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for folder in sorted(export(run, "tensorboard", out).glob("*/*")):
        events = EventAccumulator(str(folder)).Reload()
        for tag in events.Tags()["scalars"]:
            split, _, metric = tag.partition("/")
            for point in events.Scalars(tag):
                found[folder.name.rpartition("-seed")[0], split, metric, point.step] = point.value
        verdicts = [tag for tag in events.Tags()["tensors"] if tag.startswith("verdicts/")]
        say(f"tensorboard: {folder.name}: {len(verdicts)} verdicts as text")
    same("tensorboard's EventAccumulator", found, first_seed(measured), within=1e-6)


def lm_eval(run: Path, out: Path, measured: Measured, python: str) -> None:
    """The table that the harness prints, of every checkpoint."""
    into = export(run, "lm-eval", out)
    for path in sorted(into.rglob("results.json")):
        model, t = path.relative_to(into).parts[:2]
        table = call([python, "-c", READ_LM_EVAL, path])
        for (own, _, metric, iteration), value in first_seed(measured).items():
            if (own, iteration) == (model, int(t[1:])) and not any(
                f"{metric}" in line and f"{value:.4f}" in line for line in table.splitlines()
            ):
                sys.exit(f"lm-eval's table of {model} {t} lacks {metric} {value:.4f}:\n{table}")
    say(f"lm-eval's make_table, of the last checkpoint:\n{table}")


def inspect(run: Path, out: Path, measured: Measured, python: str) -> None:
    """By inspect_ai's reader and viewer, and by `assess`, which reads these logs as anybody's."""
    into = export(run, "inspect", out)
    found = json.loads(call([python, "-c", READ_INSPECT, into]))
    numbers = {}
    for name, (task, model, samples, scores) in sorted(found.items()):
        own, _, t, split = Path(name).relative_to(into).parts[:4]
        accuracy = scores[task]["accuracy"]
        say(f"inspect_ai: {model} {split} {Path(name).stem}: {samples} samples, accuracy {accuracy:.4f}")
        for metric, value in scores["selfimp-bench"].items():
            numbers[own, split, metric, int(t[1:])] = value
        if Path(name).stem == "greedy":
            same("inspect_ai's accuracy", {"pass@1": accuracy}, {"pass@1": scores["selfimp-bench"]["pass@1"]}, 1e-12)
    untrained = {key: value for key, value in first_seed(measured).items() if key[1] != "train"}
    same("inspect_ai's read_eval_log", numbers, untrained)
    tool = Path(python).with_name("inspect")
    dumped = json.loads(call([tool, "log", "dump", next(iter(found))]))
    say(f"inspect log dump: version {dumped['version']}, {len(dumped['samples'])} samples")
    call([tool, "view", "bundle", "--log-dir", into, "--output-dir", out / "inspect-view", "--overwrite"])
    shown = [path.name for path in (out / "inspect-view" / "logs").rglob("*.eval")]
    say(f"inspect view bundle: a page of {len(shown)} logs")
    places = sorted({Path(name).parent.parent for name in found}, key=lambda path: int(path.name[1:]))
    command = [sys.executable, "-m", "selfimp_bench", "assess", *(each / "test" for each in places), "--json"]
    if all((each / "ood").is_dir() for each in places):
        command += ["--ood", *(each / "ood" for each in places)]
    assessed = {
        (each["split"], each["metric"], each["checkpoint"]): each["value"]
        for each in json.loads(call(command))["measurements"]
    }
    expected = {key[1:]: value for key, value in untrained.items() if not key[2].startswith("sbert-diversity")}
    same("assess, of these logs", assessed, expected)


def mlflow(run: Path, out: Path, measured: Measured, python: str) -> None:
    """By MLflow's client."""
    into, numbers = export(run, "mlflow", out, python), {}
    for name, tags, history, params, artifacts in json.loads(
        call([python, "-c", READ_MLFLOW, f"sqlite:///{into}/mlflow.db"])
    ):
        verdicts = {key: value for key, value in tags.items() if key.startswith("verdict.")}
        say(f"mlflow's search_runs: {name}: {params} params, {len(verdicts)} verdicts, artifacts {artifacts}")
        for metric, points in history.items():
            split, _, bare = metric.partition("/")
            for step, value in points.items():
                numbers[name.rpartition("-seed")[0], split, bare.replace("_at_", "@"), int(step)] = value
    same("mlflow's get_metric_history", numbers, first_seed(measured))


def wandb(run: Path, out: Path, measured: Measured, python: str) -> None:
    """By W&B's own records; what would be sent, by its command."""
    into, numbers = export(run, "wandb", out, python), {}
    for path in sorted(into.glob("wandb/offline-run-*/run-*.wandb")):
        history, verdicts = json.loads(call([python, "-c", READ_WANDB, path]))
        say(f"wandb: {path.name}: {len(history)} rows, verdicts {sorted(set(verdicts.values()))}")
        for row in history:
            for name, value in row.items():
                split, _, metric = name.partition("/")
                if metric:
                    numbers[split, metric, row["iteration"]] = value
    same("wandb's history", numbers, {key[1:]: value for key, value in first_seed(measured).items()})


def crate(run: Path, out: Path, _: Measured, python: str) -> None:
    """By the public validator of RO-Crates."""
    into = export(run, "ro-crate", out)
    say(call([python, ROOT / "ci" / "crate", into]).strip())


if __name__ == "__main__":
    main()
