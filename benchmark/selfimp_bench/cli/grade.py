"""`grade`: outcomes for anybody's own generations."""

import time
from collections.abc import Callable
from pathlib import Path

import click

from selfimp_bench.cli.command import command, print_json
from selfimp_bench.errors import InputError
from selfimp_bench.tasks.grading.stops import STOPS, STOPS_HELP, USUAL_STOPS

_SECONDS_BETWEEN_LINES = 5.0


@command("grade")
@click.option("--task", metavar="TASK", required=True, help="Whose answers these are.")
@click.option("--problems", type=click.Path(path_type=Path), required=True, help="JSONL or Parquet.")
@click.option("--samples", type=click.Path(path_type=Path), required=True, multiple=True, help="JSONL or Parquet.")
@click.option("--extraction", type=click.Choice(("strict", "flexible")), default="strict", show_default=True)
@click.option("--stops", type=click.Choice(tuple(STOPS)), default=USUAL_STOPS, show_default=True, help=STOPS_HELP)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="JSONL or Parquet.")
def grade_command(
    *, task: str, problems: Path, samples: tuple[Path, ...], extraction: str, stops: str, out: Path, as_json: bool
) -> None:
    """Outcomes for anybody's own generations."""
    import msgspec

    from selfimp_bench.manifest.model import Grading
    from selfimp_bench.runs.grade_files import grade_files
    from selfimp_bench.tasks.grading.graders import GRADERS

    if task not in GRADERS:
        raise InputError(f"--task {task}: no such task; known: {', '.join(GRADERS)}")
    grading = msgspec.convert({"task": task, "extraction": extraction, "source": "command line"}, Grading)
    counts = grade_files(grading, problems=problems, samples=samples, out=out, told=_told(), stops=stops)
    if as_json:
        print_json({"out": str(out), "outcomes": counts})
    else:
        total = sum(counts.values())
        for outcome, count in counts.items():
            click.echo(f"{outcome:21} {count:8}  {count / total:7.2%}")
        click.echo(f"written: {out}")


def _told() -> Callable[[int], None]:
    """Says every few seconds how many are done."""
    began = last = time.monotonic()
    first: int | None = None

    def told(done: int) -> None:
        nonlocal last, first
        first = done - 1 if first is None else first
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            click.echo(f"{done} graded, {(done - first) / (now - began):.0f}/s", err=True)

    return told
