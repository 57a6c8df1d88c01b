"""Tests run beside the program, in its process and its namespace, as plain Python would: for what apart cannot be told.

The examiner makes the text (``beside``), the candidate runs it (``run_beside``). Names of built-in functions and
modules mean what they meant before the program ran. A comparison that says yes is tried with other values, too, and an
object that is equal to these as well is equal to nothing. A part's word is sent back when its end was reached; one of
the parts is a control that must fail. What a program that attacks its own process can do nevertheless: decision 32.
"""

import ast
import builtins
import importlib
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any, Final

from selfimp_bench.tasks.sandbox.channel import Channel
from selfimp_bench.tasks.sandbox.names import Names, bound
from selfimp_bench.tasks.sandbox.peer import error_tree

_KEPT: Final = "_kept_"
_SAME: Final = "_kept_same"
_NEVER_KEPT: Final = frozenset({"super", "__build_class__", "__debug__"})
CONTROL: Final = f"assert {_SAME}(0, 1)"
"""A part that fails wherever it is run."""
_SCALARS: Final = (int, str, float, bool, bytes, complex, type(None))

Words = Callable[[str], Any]


def beside(trees: Sequence[ast.Module], names: Names) -> list[str]:
    """The source of each part as it is run beside the program."""
    own = bound([node for tree in trees for node in ast.walk(tree)])
    rewriting = _Rewriting(own=frozenset({*own, *names.program}), modules=frozenset(names.modules))
    return [ast.unparse(ast.fix_missing_locations(rewriting.visit(tree))) for tree in trees]


class _Rewriting(ast.NodeTransformer):
    """Names of built-ins and modules become those that were kept; ``==`` in an assert is asked of ``same``."""

    def __init__(self, *, own: frozenset[str], modules: frozenset[str]) -> None:
        self._own = own
        self._modules = modules
        self._in_assert = False

    def visit_Name(self, node: ast.Name) -> ast.AST:
        kept = node.id in self._modules or (hasattr(builtins, node.id) and node.id not in self._own)
        if not isinstance(node.ctx, ast.Load) or not kept or node.id in _NEVER_KEPT:
            return node
        return ast.copy_location(ast.Name(id=_KEPT + node.id, ctx=ast.Load()), node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        self._in_assert = True
        changed = self.generic_visit(node)
        self._in_assert = False
        return changed

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if not self._in_assert or len(node.ops) != 1 or not isinstance(node.ops[0], ast.Eq):
            return node
        asked = ast.Call(func=ast.Name(id=_SAME, ctx=ast.Load()), args=[node.left, node.comparators[0]], keywords=[])
        return ast.copy_location(asked, node)


def kept() -> dict[str, Any]:
    """What names of built-ins mean now: to be called before the program runs."""
    return {_KEPT + name: value for name, value in vars(builtins).items()} | {_SAME: same}


def run_beside(channel: Channel, module: ModuleType, keep: dict[str, Any], rest: Sequence[ast.stmt]) -> None:
    """Run what comes over the channel in the program's namespace, and say how each part ended. Raises ChannelClosed.

    rest: statements of the setup that wait for the program; a part without a text means them.
    """
    namespace = module.__dict__
    while True:
        part = channel.receive()
        try:
            namespace |= keep | {_KEPT + name: importlib.import_module(name) for name in part["modules"]}
            require(part["own"], namespace)
            tree = ast.Module(body=list(rest), type_ignores=[]) if part["text"] is None else ast.parse(part["text"])
            exec(compile(tree, f"<{part['at']}>", "exec", dont_inherit=True, optimize=0), namespace)
            reply = {"word": part["word"]}
        except BaseException as error:
            reply = {"raised": error_tree(error)}
        channel.send(reply)


def require(own: Iterable[str], namespace: dict[str, Any]) -> None:
    """Raise NameError for a name that the program has to define, or a built-in function would answer for it."""
    for name in own:
        if name not in namespace:
            raise NameError(f"name {name!r} is not defined by the program")


def same(left: Any, right: Any) -> Any:
    """``left == right``; but not where either says yes to something else as well."""
    result = left == right
    if type(result) is not bool or not result or (type(left) in _SCALARS and type(right) in _SCALARS):
        return result
    others = ((left, object()), (left, _another(right)), (object(), right), (_another(left), right))
    return not any(_agree(one, other) for one, other in others)


def _agree(left: Any, right: Any) -> bool:
    try:
        return (left == right) is True
    except Exception:
        return False


def _another(value: Any) -> Any:
    """A value of the same type and shape that is equal nowhere; of other types, an object that nothing knows."""
    kind = type(value)
    if kind is bool:
        return not value
    if kind in (int, float, complex):
        return value * 2 + 1
    if kind in (str, bytes):
        return value + (b"?" if kind is bytes else "?")
    if kind in (list, tuple):
        return kind([_another(each) for each in value] or [object()])
    if kind is dict:
        return {key: _another(each) for key, each in value.items()} or {object(): object()}
    return object()
