"""The program in a completion that has several fenced blocks: imports or helpers in the first, the function later."""

import ast
import re
import warnings
from collections.abc import Set
from typing import Final

_FENCE: Final = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL)
_MOST_BLOCKS: Final = 16


def names_used(tests: tuple[str, ...], entry_point: str | None) -> frozenset[str]:
    """The names that tests use, and the entry point: a program has to define one of them."""
    trees = [tree for test in tests if (tree := _tree(test)) is not None]
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return frozenset(used | ({entry_point} if entry_point else set()))


def whole_program(block: str, completion: str, wanted: Set[str]) -> str:
    """A fenced block with the later ones up to the first that defines a wanted name, where it defines none itself.

    The block alone where it defines one, is no program, or no later block defines any; and where the last block that
    is needed was never closed.
    """
    if "```" not in completion or _tree(block) is None or _defined(block) & wanted:
        return block
    found: list[str] = []
    for place, fence in enumerate(_FENCE.finditer(completion)):
        code, is_closed = fence[1], bool(fence[2])
        if place == _MOST_BLOCKS or not is_closed or (found and _tree(code) is None):
            return block
        if found or code == block:
            found.append(code)
        if found and _defined(code) & wanted:
            return "\n".join(found)
    return block


def is_nothing(code: str) -> bool:
    """Whether code does nothing: it is blank, or has only comments and constants that stand alone."""
    tree = _tree(code)
    return tree is not None and all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in tree.body
    )


def _defined(code: str) -> set[str]:
    """The functions, classes and variables that a program defines at its top."""
    tree = _tree(code)
    names: set[str] = set()
    for node in tree.body if tree else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names


def _tree(code: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
