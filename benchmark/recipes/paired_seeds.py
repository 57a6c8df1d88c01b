"""Experiments side by side over seeds that all of them have: mean and spread, and differences seed by seed.

    python benchmark/recipes/paired_seeds.py RUN_FOLDER [RUN_FOLDER ...] --values FILE.csv
    python benchmark/recipes/paired_seeds.py --values FILE.csv --pair own-most-different:own-sft --pair own-ipo:own-dpo

The first writes every experiment's values by seed; an experiment may have several runs. The second prints Markdown of
them: mean ± standard deviation, and of each pair the mean difference, its 95 % interval (Student's t over the seeds,
whose M_1 both share) and in how many seeds it is above 0.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

from scipy.stats import t as student

from selfimp_bench.runs.judge import read_run

COLUMNS = ("experiment", "seed", "metric", "iteration", "value")
ROWS = {
    "greedy pass@1": "pass@1",
    "pass@8": "pass@8",
    "coverage": "coverage",
    "distinct-n of correct outputs": "distinct-n.correct",
    "distinct equations of correct outputs": "distinct-equations.correct",
}
"""What is shown of the last iteration, and the name of its measurement."""
Values = Mapping[str, Mapping[tuple[str, int], Mapping[int, float]]]
"""By experiment, then by measurement and iteration, then by seed."""


def gather(folders: Sequence[Path]) -> Iterator[dict[str, str]]:
    """The rows of the file of values: of every run every measurement that is shown."""
    for folder in folders:
        run = read_run(folder)
        for found in run.measurements:
            if found.metric in ROWS.values() and found.split == "test" and found.value is not None:
                yield {
                    "experiment": run.record.experiment,
                    "seed": str(run.record.seeds[found.replicate]),
                    "metric": found.metric,
                    "iteration": str(found.iteration),
                    "value": f"{found.value:.6f}",
                }


def read(path: Path) -> Values:
    """The values of a file. Raises SystemExit for two of one experiment, seed, measurement and iteration."""
    values: dict[str, dict[tuple[str, int], dict[int, float]]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            cell = values.setdefault(row["experiment"], {}).setdefault((row["metric"], int(row["iteration"])), {})
            if int(row["seed"]) in cell:
                raise SystemExit(f"{path}: two values of {row['experiment']}, seed {row['seed']}, {row['metric']}")
            cell[int(row["seed"])] = float(row["value"])
    return values


def table(values: Values) -> Iterator[str]:
    """Mean ± standard deviation over seeds of M_1, which all share, and after the last iteration by experiment."""
    names = list(values)
    last = max(iteration for _, iteration in values[names[0]])
    yield f"| | M_1 | {' | '.join(f'M_{last}, {name}' for name in names)} |"
    yield "|---|---|" + "---|" * len(names)
    for words, metric in ROWS.items():
        cells = [values[names[0]][metric, 1], *(values[name][metric, last] for name in names)]
        yield f"| {words} | {' | '.join(map(_spread, cells))} |"


def _spread(cell: Mapping[int, float]) -> str:
    """To five digits first, as reference tables have it."""
    return f"{round(fmean(cell.values()), 5):.3f} ± {round(stdev(cell.values()), 5):.3f}"


def differences(values: Values, pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Of each pair the difference by seed after the last iteration. Raises SystemExit where seeds differ."""
    last = max(iteration for _, iteration in values[pairs[0][0]])
    yield f"| | {' | '.join(f'{one} less {other}' for one, other in pairs)} |"
    yield "|---|" + "---|" * len(pairs)
    for words, metric in ROWS.items():
        yield f"| {words} | {' | '.join(_difference(values, pair, (metric, last)) for pair in pairs)} |"


def _difference(values: Values, pair: tuple[str, str], cell: tuple[str, int]) -> str:
    one, other = (values[name][cell] for name in pair)
    if one.keys() != other.keys():
        raise SystemExit(f"{' and '.join(pair)} have other seeds: {sorted(one)} and {sorted(other)}")
    each = [one[seed] - other[seed] for seed in sorted(one)]
    reach = float(student.ppf(0.975, len(each) - 1)) * stdev(each) / sqrt(len(each))
    above = sum(difference > 0 for difference in each)
    return f"{fmean(each):+.3f} ({fmean(each) - reach:+.3f} to {fmean(each) + reach:+.3f}), {above} of {len(each)}"


def main() -> None:
    """Read runs and write values, or read values and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--values", required=True, type=Path)
    parser.add_argument("--pair", action="append", default=[], help="A:B, for A less B")
    arguments = parser.parse_args()
    if arguments.runs:
        rows = sorted(gather(arguments.runs), key=lambda row: (row["experiment"], int(row["seed"]), row["metric"]))
        with arguments.values.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        sys.stderr.write(f"{len(rows)} rows: {arguments.values}\n")
        return
    values = read(arguments.values)
    pairs = [(one, other) for one, _, other in (pair.partition(":") for pair in arguments.pair)]
    sys.stdout.write("\n".join([*table(values), "", *(differences(values, pairs) if pairs else ())]) + "\n")


if __name__ == "__main__":
    main()
