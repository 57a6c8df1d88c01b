"""`grade`: outcomes for anybody's own generations."""

import time
from collections.abc import Callable
from pathlib import Path

import click

from selfimp_bench.cli.command import command, print_json
from selfimp_bench.errors import InputError
from selfimp_bench.tasks.fields import FORMATS, LAYOUTS, TASK_FIELDS
from selfimp_bench.tasks.grading.stops import STOPS, STOPS_HELP, USUAL_STOPS

_SECONDS_BETWEEN_LINES = 5.0
_TASKS = "\n".join(f"  {task}: {fields}" for task, fields in TASK_FIELDS.items())


@command("grade", several=("--samples",))
@click.option("--task", metavar="TASK", required=True, help="Whose answers these are (see above).")
@click.option(
    "--problems",
    type=click.Path(path_type=Path),
    help="JSONL or Parquet; needed where the samples hold no problems.",
)
@click.option(
    "--samples",
    type=click.Path(path_type=Path),
    required=True,
    multiple=True,
    help="One file or several: --samples A B C.",
)
@click.option("--extraction", type=click.Choice(("strict", "flexible")), default="strict", show_default=True)
@click.option("--stops", type=click.Choice(tuple(STOPS)), default=USUAL_STOPS, show_default=True, help=STOPS_HELP)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="JSONL or Parquet.")
def grade_command(
    *,
    task: str,
    problems: Path | None,
    samples: tuple[Path, ...],
    extraction: str,
    stops: str,
    out: Path,
    as_json: bool,
) -> None:
    """Outcomes for anybody's own generations."""
    import msgspec

    from selfimp_bench.manifest.model import Grading
    from selfimp_bench.runs.grade_files import grade_files
    from selfimp_bench.tasks.grading.graders import GRADERS

    if task not in GRADERS:
        raise InputError(f"--task {task}: no such task; known: {', '.join(GRADERS)}")
    grading = msgspec.convert({"task": task, "extraction": extraction, "source": "command line"}, Grading)
    counts = grade_files(grading, problems=problems, samples=samples, out=out, told=told_now(), stops=stops)
    if as_json:
        print_json({"out": str(out), "outcomes": counts})
    else:
        total = sum(counts.values())
        for outcome, count in counts.items():
            click.echo(f"{outcome:21} {count:8}  {count / total:7.2%}")
        click.echo(f"written: {out}")


grade_command.help = f"""Outcomes for anybody's own generations.

Samples are files (or folders) of any of these formats, found by looking: {"; ".join(FORMATS)}. A row of the kit's own
has problem_id, sample_index and completion, and may have iteration, role and finish_reason.

Problems are rows of {LAYOUTS}. The tasks, and what each reads of a problem:

\b
{_TASKS}
"""


def told_now() -> Callable[[int], None]:
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
