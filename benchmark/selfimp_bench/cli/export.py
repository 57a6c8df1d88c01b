"""`export`: a finished run in another form."""

from collections.abc import Iterator
from pathlib import Path

import click

from selfimp_bench.cli.command import command, home_option, print_json
from selfimp_bench.errors import InputError
from selfimp_bench.plural import plural

_CRATES = ("bundle", "ro-crate")
_TEXTS = ("csv", "lm-eval", "model-card")
_TRACKERS = ("mlflow", "tensorboard", "wandb")


@command("export")
@click.argument("run", metavar="RUN")
@click.option(
    "--format",
    "form",
    type=click.Choice((*_CRATES, *_TEXTS, "inspect", *_TRACKERS)),
    default="bundle",
    show_default=True,
    help="bundle: all that a reviewer needs, in one file; ro-crate: the same as a folder. csv: the measurements as a "
    "table. lm-eval: results as lm-evaluation-harness keeps them; model-card: cards of the hub, whose metadata has the "
    "numbers: of every checkpoint. inspect: logs of inspect_ai with every sample. mlflow, tensorboard, wandb: "
    "measurements by iteration and verdicts, by that package.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="A bundle's file, or the folder of the other forms' files.  [default: NAME-ID.bundle.zip, NAME-ID.FORMAT]",
)
@click.option(
    "--sign", "key", metavar="KEY", type=click.Path(path_type=Path), help="An Ed25519 private key to sign by."
)
@click.option("--with-data", is_flag=True, help="Rows of fetched data, too: their licence must let you.")
@home_option
def export_command(
    *, run: str, form: str, out: Path | None, key: Path | None, with_data: bool, home: Path, as_json: bool
) -> None:
    """Write a run in another form: a bundle (an RO-Crate without weights, which `verify` reads), or what it measured
    and found for other tools."""
    from selfimp_bench.runs.folders import find_run

    folder = find_run(run, home).resolve()
    ending = "bundle.zip" if form == "bundle" else form
    into = Path(f"{folder.parent.name}-{folder.name}.{ending}") if out is None else out
    if form in _CRATES:
        _write_crate(folder, home, form, into, key=key, with_data=with_data, as_json=as_json)
        return
    if key is not None or with_data:
        raise InputError(f"--format {form}: --sign and --with-data are a bundle's; leave them out")
    if form in _TRACKERS:
        written = _track(folder, form, into)
    else:
        written = list(_logs(folder, home, into) if form == "inspect" else _texts(folder, form, into))
    if as_json:
        print_json({"format": form, "files": [str(path) for path in written]})
    else:
        click.echo(f"{form}: {len(written)} file{'s' if len(written) != 1 else ''} in {into}")


def _write_crate(
    folder: Path, home: Path, form: str, into: Path, *, key: Path | None, with_data: bool, as_json: bool
) -> None:
    from selfimp_bench.runs.verifying.bundle import write_bundle, write_crate
    from selfimp_bench.runs.verifying.open import home_of

    write = write_bundle if form == "bundle" else write_crate
    written = write(folder, home_of(folder, home), into, key=key, with_data=with_data)
    if as_json:
        print_json(written)
        return
    signed = ", signed" if written.signed else ""
    click.echo(
        f"{form}: {written.path}: {plural(written.files, 'file')}, {written.size / 1e6:.1f} MB "
        f"({plural(written.left_out, 'file')} of weights and the like left out, by their hashes){signed}"
    )


def _texts(folder: Path, form: str, into: Path) -> Iterator[Path]:
    from selfimp_bench.durable import write_atomically
    from selfimp_bench.runs.forms import FORMS
    from selfimp_bench.runs.judge import read_run

    for each, below in _experiments(folder, into):
        for name, text in FORMS[form](read_run(each)).items():
            (below / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(below / name, text.encode())
            yield below / name


def _logs(folder: Path, home: Path, into: Path) -> Iterator[Path]:
    from selfimp_bench.runs.inspect_form import write_inspect_logs
    from selfimp_bench.runs.judge import read_run
    from selfimp_bench.runs.verifying.open import home_of

    store = home_of(folder, home) / "store"
    for each, below in _experiments(folder, into):
        yield from write_inspect_logs(read_run(each), store, below)


def _experiments(folder: Path, into: Path) -> Iterator[tuple[Path, Path]]:
    """The run of each experiment, and where what is written of it goes."""
    from selfimp_bench.runs.judge import read_study_run

    runs = read_study_run(folder).experiments
    for each in runs:
        yield each, into if len(runs) == 1 else into / each.parent.name


def _track(folder: Path, form: str, into: Path) -> list[Path]:
    from selfimp_bench.runs.trackers.tracked import REPORT, refuse_missing

    refuse_missing(form, "--format")

    from selfimp_bench.report.texts import markdown
    from selfimp_bench.report.write_study import write_study_report
    from selfimp_bench.runs.judge import judge_study
    from selfimp_bench.runs.trackers.write import write_tracked

    judgement = judge_study(folder)
    if form == "mlflow" and not all((Path(each.run) / REPORT).is_file() for each in judgement.experiments):
        write_study_report(judgement)
    return write_tracked(form, folder, into, judgement, markdown(judgement))
