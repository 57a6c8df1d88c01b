"""Whether tests can leave anything behind in the process that runs them: read from their text.

An examiner is used again only after tests that cannot, so that no verdict depends on what was examined before.
"""

import ast
import builtins
from collections.abc import Sequence
from typing import Final

_NODES: Final = (
    *(ast.Module, ast.Expr, ast.Assert, ast.Assign, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Pass),
    *(ast.If, ast.For, ast.Name, ast.expr_context, ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Starred),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Subscript, ast.Slice),
    *(ast.Call, ast.keyword, ast.Lambda, ast.IfExp, ast.Compare, ast.cmpop, ast.BoolOp, ast.boolop),
    *(ast.UnaryOp, ast.unaryop, ast.BinOp, ast.operator),
)
_NAMES: Final = """
abs all any bool bytes chr complex dict divmod enumerate filter float frozenset int isinstance len list map max min ord
pow range repr reversed round set sorted str sum tuple zip
"""
_BUILTINS: Final = frozenset(_NAMES.split())


def leave_nothing(tests: Sequence[ast.Module]) -> bool:
    """No attribute, import, class or global, and of the built-in functions only those without effects.

    What such tests can reach is a namespace of their own, values, and the program.
    """
    return all(_is_harmless(node) for tree in tests for node in ast.walk(tree))


def _is_harmless(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return not node.id.startswith("__") and (node.id in _BUILTINS or not hasattr(builtins, node.id))
    return isinstance(node, _NODES)
