"""`export`: a finished run in another form."""

from pathlib import Path

import click

from selfimp_bench.cli.command import command, home_option, print_json
from selfimp_bench.errors import InputError


@command("export")
@click.argument("run", metavar="RUN")
@click.option(
    "--format",
    "form",
    type=click.Choice(("bundle", "csv", "lm-eval", "model-card")),
    default="bundle",
    show_default=True,
    help="bundle: all that a reviewer needs. csv: the measurements as a table. lm-eval: results as "
    "lm-evaluation-harness keeps them; model-card: cards of the hub, whose metadata has the numbers: of every "
    "checkpoint.",
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
    """Write a run in another form: a bundle (an RO-Crate without weights, which `verify` reads), or its numbers for
    other tools."""
    from selfimp_bench.runs.folders import find_run

    folder = find_run(run, home).resolve()
    if form != "bundle":
        if key is not None or with_data:
            raise InputError(f"--format {form}: --sign and --with-data are a bundle's; leave them out")
        _write_form(folder, form, Path(f"{folder.parent.name}-{folder.name}.{form}") if out is None else out, as_json)
        return

    from selfimp_bench.runs.verifying.bundle import write_bundle
    from selfimp_bench.runs.verifying.open import home_of

    path = Path(f"{folder.parent.name}-{folder.name}.bundle.zip") if out is None else out
    written = write_bundle(folder, home_of(folder, home), path, key=key, with_data=with_data)
    if as_json:
        print_json(written)
        return
    signed = ", signed" if written.signed else ""
    click.echo(
        f"{form}: {written.path}: {written.files} files, {written.size / 1e6:.1f} MB "
        f"({written.left_out} files of weights and the like left out, by their hashes){signed}"
    )


def _write_form(folder: Path, form: str, into: Path, as_json: bool) -> None:
    from selfimp_bench.durable import write_atomically
    from selfimp_bench.runs.forms import FORMS
    from selfimp_bench.runs.judge import read_run, read_study_run

    written = []
    runs = read_study_run(folder).experiments
    for each in runs:
        below = into if len(runs) == 1 else into / each.parent.name
        for name, text in FORMS[form](read_run(each)).items():
            (below / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(below / name, text.encode())
            written.append(below / name)
    if as_json:
        print_json({"format": form, "files": [str(path) for path in written]})
    else:
        click.echo(f"{form}: {len(written)} file{'s' if len(written) != 1 else ''} in {into}")
