"""`report`: the pages of a finished run."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from selfimp_bench.cli.command import command, home_option, print_json
from selfimp_bench.errors import InputError


@command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Where the pages go.  [default: the run]")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="The findings as Markdown, too.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="The findings as JUnit's XML, too.")
@click.option(
    "--samples/--no-samples",
    default=None,
    help="What models wrote, to browse.  [default: up to 4 MB of it, in the report; with --samples any size, in files "
    "beside it]",
)
@home_option
def report_command(
    *,
    runs: tuple[str, ...],
    out: Path | None,
    markdown: Path | None,
    junit: Path | None,
    samples: bool | None,
    home: Path,
    as_json: bool,
) -> None:
    """Write report.html and figures/ of a finished run, and of every experiment in it. Needs no GPU.

    Where the run cannot be written to, they go to reports/ under the home. Of several runs: comparison.html, which sets
    side by side what they measured of the same problems; it goes to reports/ under the home.
    """
    from selfimp_bench.runs.folders import find_run

    folders = [find_run(run, home) for run in runs]
    if len(folders) > 1:
        if any(each is not None for each in (markdown, junit, samples)):
            raise InputError("--markdown, --junit and --samples are of one run; give one RUN, or leave them out")
        _compare(folders, out, home, as_json)
        return
    (folder,) = folders

    from selfimp_bench.durable import write_atomically
    from selfimp_bench.report import texts
    from selfimp_bench.report.write_study import write_study_report
    from selfimp_bench.runs.judge import judge_study

    judgement = judge_study(folder)
    written = (folder, *(Path(each.run) for each in judgement.experiments))
    if out is None and not all(os.access(each, os.W_OK) for each in written):
        out = home / "reports"
    path = write_study_report(judgement, out, samples=samples).page
    for file, form in ((markdown, texts.markdown), (junit, texts.junit)):
        if file is not None:
            write_atomically(file, form(judgement).encode())
    if as_json:
        print_json({"report": str(path)})
    else:
        click.echo(str(path))


def _compare(folders: Sequence[Path], out: Path | None, home: Path, as_json: bool) -> None:
    from selfimp_bench.canonical import digest
    from selfimp_bench.report.compare import write_comparison

    names = [str(each.resolve()) for each in folders]
    path = write_comparison(folders, home / "reports" / f"comparison-{digest(names)[:12]}" if out is None else out)
    if as_json:
        print_json({"report": str(path)})
    else:
        click.echo(str(path))
