"""How a program is judged by its tests: apart from them, beside them, or not at all.

Apart (``examiner.py``) no program can forge a verdict, but objects of its own are known by stub only, and values by
copy. Beside (``together.py``) tests see what plain Python shows them, and could be lied to. So what is plain, values in
and values out, is judged apart; what is not, must pass both ways; and where the reference solution passes beside only,
that way decides. A problem whose reference solution passes neither way cannot be judged here, nor can a program of
which the two ways say different things.
"""

import ast
import builtins
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from selfimp_bench.tasks.sandbox.cell import Ending, Examination, Order
from selfimp_bench.tasks.sandbox.foresight import all_plain
from selfimp_bench.tasks.sandbox.names import names_in
from selfimp_bench.tasks.sandbox.parts import Unreadable, parts_of
from selfimp_bench.tasks.sandbox.purity import leave_nothing

Run = Callable[[Order], Examination]

_CONSTANTS: Final = (None, True, False, Ellipsis)


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known about tests before a program is judged by them.

    ``plain``: apart is enough. ``beside``: apart tells nothing. ``own``: names of built-ins that mean the program's.
    ``refused``: why nothing can be judged by them. ``lasting``: no fault of the sandbox's had a part in that.
    Seconds are those of the reference solution, if there is one.
    """

    plain: bool
    beside: bool = False
    own: tuple[str, ...] = ()
    refused: str | None = None
    lasting: bool = True
    cpu_seconds: float | None = None
    idle_seconds: float = 0.0


def known_of(order: Order, reference: Order | None, run: Run) -> Known:
    """What tests allow, with the reference solution run in every way that is needed to know; ``run`` does one way."""
    if reference is None:
        return Known(plain=are_plain(order))
    own = _own(reference)
    reference = replace(reference, own=own)
    known = Known(plain=are_plain(reference), own=own)
    taken: list[Examination] = []

    def timed(order: Order) -> Examination:
        taken.append(run(order))
        return taken[-1]

    found = judge(reference, known, timed)
    if found.ending is not Ending.PASSED:
        known = replace(known, beside=True)
        found = judge(reference, known, timed)
    if found.ending is Ending.PASSED:
        return replace(
            known,
            cpu_seconds=max(each.cpu_seconds for each in taken),
            idle_seconds=max(each.idle_seconds for each in taken),
        )
    said = "; ".join(dict.fromkeys(f"{each.ending}: {each.remark}" for each in taken))
    return replace(
        known,
        refused=f"its reference solution does not pass its tests here ({said})",
        lasting=all(each.ending is not Ending.BROKEN for each in taken),
    )


def judge(order: Order, known: Known, run: Run) -> Examination:
    """Judge a program in the ways that its tests need."""
    if known.refused is not None:
        return _unjudged(order, known.refused)
    apart, beside = replace(order, together=False, own=known.own), replace(order, together=True, own=known.own)
    if known.beside:
        return run(beside)
    found = run(apart)
    if found.ending not in (Ending.PASSED, Ending.FAILED) or (known.plain and not found.objects):
        return found
    again = run(beside)
    if found.ending is Ending.PASSED:
        return again
    if again.ending is not Ending.PASSED:
        return found
    return replace(
        again,
        ending=Ending.UNJUDGED,
        remark=f"it passes its tests in one process with them, but not apart from them ({found.remark})",
    )


def are_plain(order: Order) -> bool:
    """Whether tests are told the same by values as by the objects themselves: one call with literals in every assert,
    whose result meets nothing but what looks at values."""
    try:
        parts = parts_of("", order.tests, order.entry_point)
        setup = parts_of(order.setup, (), None)
    except Unreadable:
        return False
    trees = [part.tree for part in parts]
    names = names_in([part.tree for part in (*setup, *parts)], order.entry_point, order.own)
    identities = any(_asks_identity(node) for tree in trees for node in ast.walk(tree))
    return not setup and not identities and leave_nothing(trees) and all_plain(trees, names.program)


def _asks_identity(node: ast.AST) -> bool:
    if not isinstance(node, ast.Compare) or not any(isinstance(each, ast.Is | ast.IsNot) for each in node.ops):
        return False
    constants = [each for each in (node.left, *node.comparators) if isinstance(each, ast.Constant)]
    return not any(any(each.value is constant for constant in _CONSTANTS) for each in constants)


def _own(reference: Order) -> tuple[str, ...]:
    """Names of built-ins that the reference solution defines and the tests ask for."""
    try:
        tree = ast.parse(reference.program)
        parts = parts_of("", reference.tests, reference.entry_point)
    except (Unreadable, SyntaxError, ValueError, MemoryError, RecursionError):
        return ()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined = {node.name for node in tree.body if isinstance(node, kinds) and hasattr(builtins, node.name)}
    nodes = (node for part in parts for node in ast.walk(part.tree))
    asked = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return tuple(sorted(defined & asked))


def _unjudged(order: Order, remark: str) -> Examination:
    return Examination(ending=Ending.UNJUDGED, remark=remark, characters=len(order.program), cpu_seconds=0.0)
