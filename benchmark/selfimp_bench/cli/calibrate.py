"""`calibrate`: how often the verdicts on a study's claims are right."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from selfimp_bench.cli.command import command, name_argument, only_option, open_study, print_json
from selfimp_bench.plural import plural

if TYPE_CHECKING:
    from selfimp_bench.cli.console import Table
    from selfimp_bench.runs.calibrate import Calibration, Rate


@command("calibrate")
@name_argument
@only_option
@click.option("--draws", type=click.IntRange(min=1), default=200, show_default=True, help="Simulated runs of a world.")
@click.option("--replicates", default="1,3,5", show_default=True, metavar="K,...", help="Replicates of a run.")
@click.option(
    "--processes", type=click.IntRange(min=1), default=None, help="At work side by side; default: every core."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the counts there, as CSV.")
def calibrate_command(
    *, name: str, only: str | None, draws: int, replicates: str, processes: int | None, out: Path | None, as_json: bool
) -> int:
    """Simulated runs of every world through the real checker: how often is each verdict wrong?

    A world is what the true numbers may be: as published, 1 to 10 points off, frozen at the first iteration, another
    model's ... Where a claim is false there it should be REPRODUCED in at most 1 run of 100; an honest run should be
    NOT_REPRODUCED in at most 5. Exit code 1 when a claim misses a bar, 3 when nothing can be judged. Of a study of
    several experiments the claims across them are calibrated; those of one experiment by its own name.
    """
    counts = _counts(replicates)
    study = open_study(name, "paper", only, 1)

    import os

    from selfimp_bench.durable import write_atomically
    from selfimp_bench.runs.calibrate import calibrate, to_csv

    found = calibrate(study, draws=draws, replicates=counts, processes=processes or len(os.sched_getaffinity(0)))
    if out is not None:
        write_atomically(out, to_csv(found).encode())
    if as_json:
        print_json(found)
    else:
        _show(found)
    return 1 if found.misses else 0 if found.judged else 3


def _counts(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdigit() and int(part) for part in parts):
        raise click.BadParameter(
            f"--replicates {text}: expected numbers from 1 with commas between them, such as 1,3,5"
        )
    return tuple(sorted({int(part) for part in parts}))


def _show(found: "Calibration") -> None:
    from selfimp_bench.cli.console import show

    lead = (
        f"{found.study}: {plural(found.draws, 'simulated run')} of every world; {plural(found.cells, 'cell')}, "
        f"of {found.assumed} no number is published and a neighbour's is taken, of {found.missing} there is none\n"
    )
    show([lead, _by_kind(found.rates), "", _by_claim(found.rates), "", *_missed(found)])


def _by_kind(rates: "Sequence[Rate]") -> "Table":
    from selfimp_bench.cli.console import table

    kinds = sorted({(rate.kind, rate.replicates) for rate in rates})
    worlds = list(dict.fromkeys(rate.column for rate in rates))
    rows = [[kind, str(count), *(_kind_cell(rates, kind, count, world) for world in worlds)] for kind, count in kinds]
    title = "By kind of claim: % REPRODUCED where it is false (honest: where it is true, REPRODUCED / NOT_REPRODUCED)"
    return table(title, ["kind", "K", *worlds], rows)


def _kind_cell(rates: "Sequence[Rate]", kind: str, replicates: int, world: str) -> str:
    honest = world == "honest"
    members = [
        rate
        for rate in rates
        if (rate.kind, rate.replicates, rate.column, rate.truth) == (kind, replicates, world, honest)
    ]
    every = sum(rate.findings for rate in members)
    if not every:
        return "-"
    reproduced = 100 * sum(rate.reproduced for rate in members) / every
    against = 100 * sum(rate.not_reproduced for rate in members) / every
    return f"{reproduced:.0f} / {against:.1f}" if honest else f"{reproduced:.1f}"


def _by_claim(rates: "Sequence[Rate]") -> "Table":
    from selfimp_bench.cli.console import table

    rows = []
    for claim, count in sorted({(rate.claim, rate.replicates) for rate in rates}):
        own = [rate for rate in rates if (rate.claim, rate.replicates) == (claim, count)]
        honest = [rate for rate in own if rate.column == "honest" and rate.truth]
        worst = max((rate for rate in own if rate.truth is False), key=_share, default=None)
        rows.append(
            [
                claim,
                own[0].kind,
                str(count),
                *(_percent(honest, name) for name in ("reproduced", "inconclusive", "not_reproduced", "not_measured")),
                "-" if worst is None else f"{worst.column} {100 * _share(worst):.1f}",
            ]
        )
    columns = ["claim", "kind", "K", "REPRODUCED", "INCONCLUSIVE", "NOT_REPR.", "NOT_MEAS.", "REPRODUCED where false"]
    return table("By claim: % of honest runs, and of the runs of the worst world in which it is false", columns, rows)


def _share(rate: "Rate") -> float:
    return rate.reproduced / rate.findings


def _percent(rates: "Sequence[Rate]", name: str) -> str:
    every = sum(rate.findings for rate in rates)
    return f"{100 * sum(getattr(rate, name) for rate in rates) / every:.1f}" if every else "-"


def _missed(found: "Calibration") -> Iterator[str]:
    if not found.judged:
        yield "Nothing was judged: there is no claim, or none whose numbers are published; neither bar says anything."
    elif not found.misses:
        yield "Both bars are met: at most 1 of 100 REPRODUCED where false, and 5 of 100 honest ones NOT_REPRODUCED."
    for miss in found.misses:
        yield (
            f"{miss.claim}: {miss.verdict} in {miss.count} of {plural(miss.findings, 'finding')} ({miss.column}, K = "
            f"{miss.replicates}); at most {100 * miss.allowed:g} of 100 are allowed"
        )
