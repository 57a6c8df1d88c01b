"""The setup of tests as the program finds it: what can be run before the program is in force in it."""

import ast
from typing import Any, Final

_DEFINITIONS: Final = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def run_before(setup: str, namespace: dict[str, Any]) -> list[ast.stmt]:
    """Run a setup up to the statement that fails, such as one that needs the program; imports and definitions after it,
    too. What is left, in order."""
    left: list[ast.stmt] = []
    for statement in ast.parse(setup).body:
        if left and not isinstance(statement, _DEFINITIONS):
            left.append(statement)
            continue
        try:
            module = ast.Module(body=[statement], type_ignores=[])
            exec(compile(module, "<the setup>", "exec", dont_inherit=True), namespace)
        except Exception:
            left.append(statement)
    return left
