"""`export`: a finished run in another form."""

from pathlib import Path

import click

from selfimp_bench.cli.command import command, home_option, print_json


@command("export")
@click.argument("run", metavar="RUN")
@click.option("--format", "form", type=click.Choice(("bundle",)), default="bundle", show_default=True, help="What.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where.  [default: NAME-ID.bundle.zip]")
@click.option(
    "--sign", "key", metavar="KEY", type=click.Path(path_type=Path), help="An Ed25519 private key to sign by."
)
@click.option("--with-data", is_flag=True, help="Rows of fetched data, too: their licence must let you.")
@home_option
def export_command(
    *, run: str, form: str, out: Path | None, key: Path | None, with_data: bool, home: Path, as_json: bool
) -> None:
    """Write what a reviewer needs of a run into one file: an RO-Crate without weights, which `verify` reads."""
    from selfimp_bench.runs.folders import find_run

    folder = find_run(run, home).resolve()

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
