"""`assess`: progress or regress, of anybody's generations."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from selfimp_bench.cli.command import command, print_json
from selfimp_bench.cli.grade import told_now
from selfimp_bench.plural import plural
from selfimp_bench.tasks.fields import FORMATS, LAYOUTS, TASK_FIELDS
from selfimp_bench.tasks.grading.stops import STOPS, STOPS_HELP, USUAL_STOPS

if TYPE_CHECKING:
    from selfimp_bench.runs.assess.results import Assessment, Change

_WIDTH: Final = 80
_NAME: Final = 34
_file = click.Path(path_type=Path)


@command("assess", several=("--ood",))
@click.argument("files", metavar="FILE...", type=_file, nargs=-1, required=True)
@click.option("--problems", type=_file, help="Needed where the files hold no problems: JSONL or Parquet.")
@click.option("--task", metavar="TASK", help="Whose answers these are, where the files do not tell (see above).")
@click.option("--ood", type=_file, multiple=True, help="Of other problems, a file a checkpoint: --ood A B C.")
@click.option("--ood-problems", type=_file, help="The problems of those.")
@click.option("--ood-task", metavar="TASK", help="The task of those.")
@click.option("--extraction", type=click.Choice(("strict", "flexible")), default="strict", show_default=True)
@click.option("--stops", type=click.Choice(tuple(STOPS)), default=USUAL_STOPS, show_default=True, help=STOPS_HELP)
@click.option("--encoder", metavar="FOLDER", type=_file, help="A sentence-transformers model, for its diversity.")
@click.option("--only", metavar="KEY=VALUE", multiple=True, help="Of a run: model=M, seed=S or temperature=X.")
@click.option("--report", metavar="FILE.html", type=click.Path(dir_okay=False, path_type=Path), help="Write the page.")
@click.option(
    "--samples/--no-samples",
    default=None,
    help="In the page: the generations, to browse.  [default: up to 4 MB; with --samples any size, in files beside it]",
)
def assess_command(
    *,
    files: tuple[Path, ...],
    problems: Path | None,
    task: str | None,
    ood: tuple[Path, ...],
    ood_problems: Path | None,
    ood_task: str | None,
    extraction: str,
    stops: str,
    encoder: Path | None,
    only: tuple[str, ...],
    report: Path | None,
    samples: bool | None,
    as_json: bool,
) -> None:
    """Progress or regress, of anybody's generations."""
    from selfimp_bench.runs.assess.assess import assess_read, read_generations

    read = read_generations(
        files,
        problems=problems,
        task=task,
        ood=ood,
        ood_problems=ood_problems,
        ood_task=ood_task,
        extraction="flexible" if extraction == "flexible" else "strict",
        stops=stops,
        only=only,
        told=told_now(),
    )
    found = assess_read(read, encoder)
    if report is not None:
        from selfimp_bench.report.write_assessment import write_assessment

        write_assessment(found, report, read, samples=samples)
    if as_json:
        print_json(found.as_json() | ({} if report is None else {"report": str(report)}))
        return
    for line in screen(found):
        click.echo(line)
    if report is not None:
        click.echo(f"written: {report}")


_TASKS = "\n".join(f"  {task}: {fields}" for task, fields in TASK_FIELDS.items())
assess_command.help = f"""Progress or regress, of anybody's generations: no manifest, no GPU.

FILE... is one file or folder for each checkpoint, in order (or one file whose rows have the field iteration; or the
folder, or a bundle, of a run of this kit, whose iterations are the checkpoints). Formats
are found by looking: {"; ".join(FORMATS)}. Rows of the kit's own have problem_id, sample_index, completion, and may
have iteration, role (greedy, sample, ood), finish_reason, score (a verifier's) and correct.

Problems are rows of {LAYOUTS}. The task is told by the evaluation's name or the problems, or by --task:

\b
{_TASKS}
  as-scored: the judgement that the files hold

The headline compares the last checkpoint with the first. regress: accuracy is down. reversal: accuracy is up, and
something essential is worse: coverage, pass@k, diversity of correct outputs, accuracy out of distribution (--ood),
group disparity. progress: accuracy is up, and none of these is shown to be worse. no change shown: none is shown.
Shown is what Holm's procedure shows at 5 % over all of them together.
"""


def screen(found: "Assessment") -> Iterator[str]:
    """The answer in lines of at most 80 columns."""
    yield from textwrap.wrap(found.headline.sentence, _WIDTH, break_on_hyphens=False)
    yield ""
    for each in found.checkpoints:
        counts = f"{plural(each.samples, 'sample')} of {plural(each.problems, 'problem')}"
        how = f"{counts}, {each.format}, graded by {each.graded_by}"
        yield from _wrapped(f"{each.number}  {_files(each.files)}: {how}", "   ")
    yield from _wrapped(f"compared on {plural(found.common, 'problem')}" + (
        f" and {found.ood_common} out of distribution" if found.ood_common else ""), "   ")  # fmt: skip
    yield ""
    yield from _tables(found)
    for title, lines in (("not measured", found.missing), ("left out, and notes", found.left_out)):
        if lines:
            yield f"{title}:"
            for line in lines:
                yield from _wrapped(f"- {line}", "  ")


def _files(files: Sequence[str]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _tables(found: "Assessment") -> Iterator[str]:
    if not found.changes:
        for each in found.measurements:
            value = "undefined" if each.value is None else f"{each.value:.4f}"
            name = each.metric if each.split == "test" else f"{each.metric} on {each.split}"
            yield f"{name:{_NAME}} {value:>9}  {'' if each.standard_error is None else f'± {each.standard_error:.4f}'}"
        yield ""
        return
    decisive = [each for each in found.changes if each.essential or _is_accuracy(found, each)]
    others = [each for each in found.changes if each not in decisive]
    last = found.checkpoints[-1].number
    if last > 2:
        values = [found.value(found.headline.accuracy, each.number) for each in found.checkpoints]
        yield from _wrapped(f"{found.headline.accuracy}: {', '.join(map(_number, values))}", "   ")
        yield ""
    for title, rows in (("what the headline rests on", decisive), ("also measured", others)):
        if rows:
            yield f"{title:{_NAME}}  t = 1 {f't = {last}':>6}  change (95 %)"
            yield from (_row(found, each) for each in rows)
            yield ""


def _is_accuracy(found: "Assessment", change: "Change") -> bool:
    return change.metric == found.headline.accuracy and change.split == "test"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _row(found: "Assessment", change: "Change") -> str:
    name = change.metric if change.split == "test" else f"{change.metric} {change.split}"
    ends = [found.value(change.metric, at, change.split) for at in (change.first, change.last)]
    mark = {"up": "up", "down": "down", None: ""}[change.shown]
    moved = "not compared"
    if change.estimate is not None:
        moved = f"{change.estimate:+.3f}"
        if change.low is not None and change.high is not None:
            moved += f" ({change.low:+.3f} to {change.high:+.3f})"
    return f"{name:{_NAME}} {_number(ends[0]):>6} {_number(ends[1]):>6}  {moved} {mark}".rstrip()
