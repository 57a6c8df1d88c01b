"""How long the commands take that a person waits for, in processor seconds of one machine.

Seconds depend on the machine, and processor seconds rise by a third where its cores share their parts with another
program. So a yardstick runs in the same turns: a start of Python, some of its own modules, a loop. What is told is a
command's seconds over the yardstick's, times what the yardstick takes on the machine that the bars are for.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.row import Bar, Figure, Row, Setting
from bench.turns import Command, commands, figure, run
from selfimp_bench.manifest.catalog import find
from selfimp_bench.protocols.load import load_experiment

KIT: Final = str(Path(sys.executable).with_name("selfimp-bench"))
YARDSTICK: Final = """
import argparse, asyncio, decimal, email.message, http.client, inspect, json, logging.config, unittest, xml.dom.minidom
sum(len(f"{number:x}") for number in range(700_000))
"""
YARDSTICK_SECONDS: Final = 0.167
"""On an AMD EPYC with two cores that are both at work, Python 3.11.7: the least of 40."""

START: Final = "Python's own start"
STARTS: Final = {
    "--help": (("--help",), 0, 0.3),
    "list": (("list",), 0, 0.7),
    "validate": (("validate",), 0, 3.0),
    "a mistyped name": (("reproduce", "gsm8k-iter-stf"), 2, 0.7),
    "plan of a paper": (("plan", "progress-or-regress"), 0, 2.0),
}
RUN: Final = "tiny-iter-sft"
FINISHED: Final = {"check": (("check", RUN), 1.5), "reproduce": (("reproduce", f"{RUN}.v1.yaml"), 1.5)}
FINISHED_LIMIT: Final = (
    "by the profile 0.6 s are imports of the kit's 300 modules and their libraries, 0.4 s the page, made anew because "
    "none found is believed, 0.15 s scipy's import for Student's t, 0.15 s the digests of the code that steps can reach"
)


def starts(setting: Setting) -> dict[str, Figure]:
    """Commands that run nothing, and Python's own start."""
    wanted = {name: Command(argv=(KIT, *words), code=code) for name, (words, code, _) in STARTS.items()}
    return seconds({**wanted, START: Command(argv=(sys.executable, "-I", "-c", "pass"))}, setting)


def finished(setting: Setting) -> dict[str, Figure]:
    """Commands on a finished run of 59 steps, made with engines that need no weights; its claims do not all hold."""
    text = load_experiment(find(RUN)).text
    fake = text.replace("sampler: hf\n", "sampler: fake\n").replace("trainer: trl\n", "trainer: fake\n")
    (setting.folder / f"{RUN}.v1.yaml").write_text(fake)
    wanted = {
        name: Command(argv=(KIT, *words, "--home", str(setting.folder / "home")), code=1, folder=setting.folder)
        for name, (words, _) in FINISHED.items()
    }
    run(wanted["reproduce"])
    return seconds(wanted, setting)


def seconds(wanted: Mapping[str, Command], setting: Setting) -> dict[str, Figure]:
    """Processor seconds of each, by the yardstick of the same turn."""
    yardstick = Command(argv=(sys.executable, "-I", "-c", YARDSTICK))
    spent = commands({**wanted, YARDSTICK: yardstick}, turns=3 if setting.quick else 15)
    scale = [YARDSTICK_SECONDS / one.processor for one in spent[YARDSTICK]]
    return {name: figure([one.processor * by for one, by in zip(spent[name], scale, strict=True)]) for name in wanted}


ROWS = (
    Row(
        name="starts",
        what="commands that run nothing",
        against="processor seconds, by a yardstick",
        bars={START: Bar(unit="s"), **{name: Bar(unit="s", at_most=most) for name, (_, _, most) in STARTS.items()}},
        measure=starts,
    ),
    Row(
        name="finished",
        what="commands on a finished run",
        against="processor seconds, by a yardstick",
        bars={
            name: Bar(unit="s", at_most=most, limit=FINISHED_LIMIT if name == "reproduce" else "")
            for name, (_, most) in FINISHED.items()
        },
        measure=finished,
    ),
)
