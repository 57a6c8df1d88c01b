"""The command line, assembled: each command's module is imported when it is asked for."""

import gc
import sys
from importlib import import_module
from typing import Any

import click

_MODULES = {"run": "reproduce"}
"""Where a command does not lie in the module of its own name."""

COMMANDS = (
    "assess",
    "calibrate",
    "check",
    "diff",
    "doctor",
    "explain",
    "export",
    "fetch",
    "gc",
    "grade",
    "init",
    "list",
    "lock",
    "plan",
    "report",
    "reproduce",
    "run",
    "runs",
    "sandbox",
    "show",
    "status",
    "validate",
    "verify",
)
"""The commands; ``NAME`` is ``NAME_command`` of ``cli/NAME.py``."""


class _Commands(click.Group):
    """A group whose commands are looked up by name."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = import_module(f"selfimp_bench.cli.{_MODULES.get(name, name)}")
        found = getattr(module, f"{name}_command")
        assert isinstance(found, click.Command)
        return found

    def invoke(self, context: click.Context) -> Any:
        """Ctrl-C before a command has begun is none of click's, which would exit with 1: a claim is contradicted."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("selfimp-bench: stopped", err=True)
            sys.exit(130)


def main() -> None:
    """The entry point ``selfimp-bench``."""
    # A manifest and its plan are many small things that stay: looking for rubbish among them took a tenth to a fifth
    # of a short command.
    gc.set_threshold(100_000, 20, 50)
    cli(prog_name="selfimp-bench")


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"selfimp-bench {version('selfimp-bench')}")
        context.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Version.")
def cli() -> None:
    """Reproduce published LLM self-improvement experiments and get an honest verdict.

    Start with `selfimp-bench list`, then `selfimp-bench reproduce tiny-iter-sft`.

    Exit codes: 0 done and nothing contradicted; 1 a claim is contradicted; 2 the input is wrong; 3 nothing
    contradicted but something inconclusive or unmeasured; 4 a step failed.
    """
