"""How long the commands take that a person waits for, and how many starts of Python that is."""

import sys
from pathlib import Path

from bench.row import Bar, Figure, Row, Setting
from bench.turns import Command, commands, figure

KIT = str(Path(sys.executable).with_name("selfimp-bench"))
STARTS = {
    "--help": (("--help",), 0, 0.3),
    "list": (("list",), 0, 0.7),
    "validate": (("validate",), 0, 3.0),
    "a mistyped name": (("reproduce", "gsm8k-iter-stf"), 2, 0.7),
    "plan of a paper": (("plan", "progress-or-regress"), 0, 2.0),
}


def starts(setting: Setting) -> dict[str, Figure]:
    """Processor seconds of each command."""
    wanted = {name: Command(argv=(KIT, *words), code=code) for name, (words, code, _) in STARTS.items()}
    spent = commands(wanted, turns=3 if setting.quick else 9)
    return {name: figure([one.processor for one in each]) for name, each in spent.items()}


ROWS = (
    Row(
        name="starts",
        what="commands that run nothing",
        against="processor seconds",
        bars={name: Bar(unit="s", at_most=most) for name, (_, _, most) in STARTS.items()},
        measure=starts,
    ),
)
