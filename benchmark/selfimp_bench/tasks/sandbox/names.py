"""Which names in tests mean the program's things: decided from the text of the tests alone."""

import ast
import builtins
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Names:
    """Names to fetch from the program, and standard library modules that the tests use without importing them."""

    program: tuple[str, ...]
    modules: tuple[str, ...]

    @property
    def builtin(self) -> tuple[str, ...]:
        """Those of the program's that a built-in has, too."""
        return tuple(name for name in self.program if hasattr(builtins, name))


def names_in(trees: Sequence[ast.Module], entry_point: str | None, own: Sequence[str] = ()) -> Names:
    """The free names of setup and tests.

    own: names of built-ins that mean the program's things here, because the reference solution defines them.

    Built-in names keep their meaning whatever the program defines, or it could redefine ``all`` or ``abs`` under a
    test; but where nothing else is free, the function under test has a built-in's name (``assert sum(1, 2) == 3``).
    ``sys.getsizeof`` means the standard library.
    """
    nodes = [node for tree in trees for node in ast.walk(tree)]
    loaded = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    free = loaded - bound(nodes)
    modules = {name for name in free & set(sys.stdlib_module_names) if _only_as_module(name, nodes)} - {entry_point}
    program = {name for name in free - modules if not hasattr(builtins, name) or name in own}
    if entry_point is not None:
        program.add(entry_point)
    return Names(program=tuple(sorted(program or set(_asserted(nodes)))), modules=tuple(sorted(modules)))


def bound(nodes: Sequence[ast.AST]) -> set[str]:
    """The names that these nodes give a meaning themselves."""
    return set(_bound(nodes))


def _bound(nodes: Sequence[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name


def _only_as_module(name: str, nodes: Sequence[ast.AST]) -> bool:
    used = sum(isinstance(node, ast.Name) and node.id == name for node in nodes)
    dotted = [node.value for node in nodes if isinstance(node, ast.Attribute)]
    return used == sum(isinstance(value, ast.Name) and value.id == name for value in dotted)


def _asserted(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """The function that stands outermost on the left of each assert."""
    for node in nodes:
        if isinstance(node, ast.Assert):
            left = node.test.left if isinstance(node.test, ast.Compare) else node.test
            if isinstance(left, ast.Call) and isinstance(left.func, ast.Name):
                yield left.func.id
