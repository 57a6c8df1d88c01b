"""`sandbox`: the isolation in which programs that a model wrote are graded."""

import click

from selfimp_bench.cli.command import command, print_json


@click.group("sandbox")
def sandbox_command() -> None:
    """The isolation in which programs that a model wrote are graded."""


@command("selftest")
@click.option(
    "--mechanism",
    type=click.Choice(("active", "bubblewrap", "landlock")),
    default="active",
    show_default=True,
    help="active: the strongest that passes here, which grading would use.",
)
def selftest_command(*, mechanism: str, as_json: bool) -> int:
    """Run every hostile program of the corpus against the isolation, and say what happened.

    Exit code 4 if an attack got through or did not end as it should, or if the isolation cannot be had here.
    """
    from selfimp_bench.cli.console import show
    from selfimp_bench.cli.screen import selftest_lines
    from selfimp_bench.tasks.sandbox.mechanism import Mechanism
    from selfimp_bench.tasks.sandbox.selftest import try_mechanisms

    tried = try_mechanisms(tuple(Mechanism) if mechanism == "active" else (Mechanism(mechanism),))
    if as_json:
        print_json([{"mechanism": each.mechanism, "passed": each.passed, "tried": each} for each in tried])
    else:
        for each in tried:
            show(selftest_lines(each))
    return 0 if tried[-1].passed else 4


sandbox_command.add_command(selftest_command)
