"""`verify`: everything that a run says of itself, computed again from what its models wrote."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from selfimp_bench.cli.command import command, home_option, print_json

if TYPE_CHECKING:
    from selfimp_bench.runs.verifying.found import Verification

_ROWS = 40
"""Mismatches that are shown; `--json` has up to a thousand."""


@command("verify")
@click.argument("run", metavar="RUN_OR_BUNDLE")
@click.option("--key", metavar="PUB", type=click.Path(path_type=Path), help="The public key that must have signed it.")
@home_option
def verify_command(*, run: str, key: Path | None, home: Path, as_json: bool) -> int:
    """Verify a finished run (a run folder, NAME or NAME/ID) or a bundle of one from its raw generations.

    Every grade, measurement and verdict is computed again, every hash, seed, prompt and data digest checked, and what
    does not match is listed with how much it moves. No engine runs. Exit codes: 0 all matches; 1 something does not;
    2 it cannot be read.
    """
    from selfimp_bench.runs.verifying.open import verify

    verification = verify(run, home, key)
    if as_json:
        print_json(verification)
    else:
        _show(verification)
    return verification.exit_code


def _show(verification: "Verification") -> None:
    from selfimp_bench.cli.console import show, table

    count = len(verification.mismatches) + verification.more
    if count:
        shown = verification.mismatches[:_ROWS]
        rows = [(each.what, each.where, each.recorded, each.recomputed, each.difference) for each in shown]
        show([table(None, ("what", "where", "recorded", "recomputed", "difference"), rows)])
    lines = [f"and {count - _ROWS} more"] if count > _ROWS else []
    lines += [f"computed again: {words}" for words in verification.recomputed]
    lines += [f"taken as recorded: {words}" for words in verification.taken]
    lines += [] if verification.signed is None else [f"signed: {verification.signed}"]
    result = "everything matches" if not count else f"{count} do not match"
    show([*lines, f"{verification.subject}: {result} ({verification.seconds} s)"])
