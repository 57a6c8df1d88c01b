"""The hostile programs of ``attacks/``: each a file, its expected ending as data in its first lines.

    # what: one line about it
    # ends: an ``Ending``
    # together: yes, where the tests are run beside the program (may be missing)
    # first: another attack, examined in the same cell immediately before (may be missing)
    # setup: the setup of its tests (may be missing)
    # test: a test; lines may follow that begin with a number sign and five blanks; there may be several

A program that tries something forbidden returns "through" when it was let, and its test asks for just that: the ending
"passed" means a breach. ``@NAME@`` stands for a place that the self-test prepares (``selftest.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from selfimp_bench.tasks.sandbox.cell import Ending, Order

_FOLDER: Final = Path(__file__).with_name("attacks")
_CONTINUED: Final = "#     "


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A hostile program, or a control: one that must pass."""

    name: str
    what: str
    ends: Ending
    first: str | None
    together: bool
    setup: str
    tests: tuple[str, ...]
    program: str

    def order(self, places: Mapping[str, str]) -> Order:
        """What is examined, with places filled in."""
        setup, program, *tests = (_filled(text, places) for text in (self.setup, self.program, *self.tests))
        return Order(program=program, setup=setup, tests=tests, entry_point=None, rescue=False, together=self.together)


def read_corpus() -> tuple[Attack, ...]:
    """All attacks, by name."""
    return tuple(_read(path) for path in sorted(_FOLDER.glob("*.attack")))


def _read(path: Path) -> Attack:
    head, _, program = path.read_text("utf-8").partition("\n\n")
    fields: dict[str, list[str]] = {"what": [], "ends": [], "together": [], "first": [], "setup": [], "test": []}
    key = ""
    for line in head.splitlines():
        if line.startswith(_CONTINUED):
            fields[key][-1] += f"\n{line.removeprefix(_CONTINUED)}"
        else:
            key, _, value = line.removeprefix("# ").partition(": ")
            fields[key].append(value)
    (what,), (ends,) = fields["what"], fields["ends"]
    return Attack(
        name=path.stem,
        what=what,
        ends=Ending(ends),
        first=fields["first"][0] if fields["first"] else None,
        together=fields["together"] == ["yes"],
        setup="\n".join(fields["setup"]),
        tests=tuple(fields["test"]),
        program=program,
    )


def _filled(text: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(f"@{name}@", value)
    return text
