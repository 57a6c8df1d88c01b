"""Make a reference table from finished runs: mean, standard deviation and number of seeds of every measurement.

    python benchmark/recipes/tiny_references.py RUN_FOLDER [RUN_FOLDER ...] --out reference_results/tiny/NAME.v1.csv

The runs are of one experiment, with different seeds; `ci/references` makes them. A cell that was undefined in any
seed is left out and named on standard error.
"""

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from selfimp_bench.manifest.model import DatasetRef
from selfimp_bench.manifest.reference_table import OPTIONAL, REQUIRED
from selfimp_bench.measurement import Split
from selfimp_bench.runs.judge import RunFiles, read_run

COLUMNS = (*REQUIRED, *OPTIONAL)
Cell = tuple[str, Split, str, int]


@dataclass(frozen=True, kw_only=True)
class Replicates:
    """One cell's values over all seeds of all runs. ``problems`` is None where it was not the same number in all."""

    values: tuple[float | None, ...]
    problems: int | None
    unit: str


def gather(runs: Sequence[RunFiles]) -> dict[Cell, Replicates]:
    """Values by (model, split, metric, iteration), over the runs' seeds, which must all differ."""
    seeds = [seed for run in runs for seed in run.record.seeds]
    if len(seeds) != len(set(seeds)):
        raise SystemExit(f"the runs share seeds: {sorted(seeds)}")
    if len({run.record.experiment for run in runs}) != 1:
        raise SystemExit("the runs are of different experiments")
    values: dict[Cell, list[float | None]] = defaultdict(list)
    units: dict[Cell, str] = {}
    problems: dict[Cell, set[int]] = defaultdict(set)
    for run in runs:
        for found in run.measurements:
            cell = (found.model, found.split, found.metric, found.iteration)
            values[cell].append(found.value)
            units[cell] = found.unit
            problems[cell].add(found.n + found.undefined)
    return {
        cell: Replicates(
            values=tuple(found),
            problems=problems[cell].pop() if len(problems[cell]) == 1 else None,
            unit=units[cell],
        )
        for cell, found in values.items()
    }


def rows(runs: Sequence[RunFiles]) -> Iterator[dict[str, str]]:
    """The table's rows, in order of model, split, metric and iteration. A row's id names the model among several."""
    manifest = runs[0].manifest
    data = manifest.datasets.by_split()
    for (model, split, metric, iteration), found in sorted(gather(runs).items()):
        defined = [value for value in found.values if value is not None]
        if len(defined) < len(found.values):
            sys.stderr.write(f"left out: {metric} on {split} at t={iteration}: undefined in some seed\n")
            continue
        cell = f"{split}.{metric}.t{iteration}"
        yield _row(manifest.name, model, metric, iteration, data[split], defined, found.unit) | {
            "id": f"{model}.{cell}" if len(manifest.models) > 1 else cell,
            "problems": "" if found.problems is None else str(found.problems),
        }


def _row(
    experiment: str, model: str, metric: str, iteration: int, data: DatasetRef, values: Sequence[float], unit: str
) -> dict[str, str]:
    return {
        "model": model,
        "dataset": data.id,
        "method": experiment,
        "metric": metric,
        "x": str(iteration),
        "printed": f"{fmean(values):.5f}",
        "unit": unit,
        "read_error": "",
        "source": "our own runs; source.yaml beside this table names the command",
        "conflicts_with": "",
        "sd": f"{stdev(values):.5f}",
        "runs": str(len(values)),
        "digest": data.digest,
    }


def main() -> None:
    """Read the runs, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    found = list(rows([read_run(folder) for folder in arguments.runs]))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with arguments.out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    sys.stderr.write(f"{len(found)} rows: {arguments.out}\n")


if __name__ == "__main__":
    main()
