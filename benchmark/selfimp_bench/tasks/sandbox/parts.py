"""Setup and tests as the statements that are run, one part after the other."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from selfimp_bench.tasks.sandbox.names import names_in

SETUP: Final = "the setup"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Setup or a test, and its name for people."""

    at: str
    tree: ast.Module


class Unreadable(Exception):
    """A part that is no Python: which, and why."""


def parts_of(setup: str, tests: Sequence[str], entry_point: str | None) -> tuple[Part, ...]:
    """Setup and tests; where tests define ``check(candidate)``, its call is one more.

    Raises Unreadable.
    """
    trees = [_parsed(f"test {number} of {len(tests)}", test) for number, test in enumerate(tests, start=1)]
    defined = {node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
    if entry_point is not None and "check" in defined:
        trees.append(_parsed("entry_point", f"check({entry_point},)"))  # with the comma, an empty one is no Python
    named = [Part(at=f"test {number} of {len(trees)}", tree=tree) for number, tree in enumerate(trees, start=1)]
    return (*([Part(at=SETUP, tree=_parsed(SETUP, setup))] if setup.strip() else []), *named)


def ask_nothing(parts: Sequence[Part], entry_point: str | None) -> bool:
    """Whether no statement that is run has a name of the program's in it: then every program would pass.

    A function that is never called, such as ``check`` without an entry point, is no statement that is run.
    """
    loaded = _loaded([part.tree for part in parts])
    trees = [
        ast.Module(
            body=[node for node in part.tree.body if getattr(node, "name", "") in {"", *loaded}], type_ignores=[]
        )
        for part in parts
    ]
    return entry_point not in _loaded(trees) and not names_in(trees, None).program


def _loaded(trees: Sequence[ast.Module]) -> set[str]:
    nodes = (node for tree in trees for node in ast.walk(tree))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _parsed(at: str, source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise Unreadable(f"{at} is no Python ({error.msg}{line})") from None
    except (ValueError, MemoryError, RecursionError) as error:
        raise Unreadable(f"{at} is no Python ({error})") from None
