"""Which calls of the program tests will certainly make, as long as they pass: read from their text.

The examiner asks for these ahead (``Peer.foresee``), so that the two need not wait for each other at every assert. What
is foreseen is only what follows one after the other with literal arguments. Every call is still made once, in order;
but where a result is an object of the program's own, such as a generator, it is looked into after later calls.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

_PERHAPS: Final = (ast.BoolOp, ast.IfExp, ast.Lambda, ast.comprehension, ast.NamedExpr, ast.Await, ast.Yield)
_PLAIN: Final = (ast.Assert, ast.Assign, ast.Expr, ast.Import, ast.ImportFrom, ast.Pass)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call by name, with values of its arguments."""

    name: str
    arguments: tuple[Any, ...]


def foreseen_calls(tests: Sequence[ast.Module], program: Sequence[str]) -> list[Call]:
    """The calls of the program's names that come first, in order, up to the first statement that is not certain."""
    statements = [statement for tree in tests for statement in tree.body]
    calls: list[Call] = []
    for statement, names in _straight(statements, {name: name for name in program}):
        found = _calls(statement, names)
        if found is None:
            break
        calls += found
    return calls


def all_plain(tests: Sequence[ast.Module], program: Sequence[str]) -> bool:
    """Whether the program is asked in asserts only, in each of them once, for a result of values without names."""
    statements = [statement for tree in tests for statement in tree.body]
    for statement, names in _straight(statements, {name: name for name in program}):
        if _names_of(statement, names):
            asked = ast.Assert(test=statement.test) if isinstance(statement, ast.Assert) else statement
            call = _only_call(asked, names)
            if call is None or any(
                isinstance(node, ast.Name | ast.Call) for each in call.args for node in ast.walk(each)
            ):
                return False
        elif not isinstance(statement, _PLAIN):
            return False
    return True


def _straight(statements: Sequence[ast.stmt], names: dict[str, str]) -> Iterator[tuple[ast.stmt, dict[str, str]]]:
    """The statements as they are run, each with the names that mean the program's things.

    ``check(f)`` of a function ``check(candidate)`` is followed into its body.
    """
    checks = {each.name: each for each in statements if isinstance(each, ast.FunctionDef)}
    for statement in statements:
        called = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(statement, ast.FunctionDef):
            continue
        if isinstance(called, ast.Call) and isinstance(called.func, ast.Name) and called.func.id in checks:
            given, check = called.args, checks[called.func.id]
            if len(given) == len(check.args.args) == 1 and isinstance(given[0], ast.Name) and given[0].id in names:
                inner = names | {check.args.args[0].arg: names[given[0].id]}
                yield from ((each, inner) for each in check.body)
                continue
        yield statement, names


def _calls(statement: ast.stmt, names: dict[str, str]) -> list[Call] | None:
    """What a statement asks of the program; None if that is not certain."""
    used = _names_of(statement, names)
    if not used:
        return [] if isinstance(statement, _PLAIN) else None
    call = _only_call(statement, names)
    if call is None:
        return None
    try:
        return [Call(name=names[used[0].id], arguments=tuple(ast.literal_eval(each) for each in call.args))]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _names_of(statement: ast.stmt, names: dict[str, str]) -> list[ast.Name]:
    return [node for node in ast.walk(statement) if isinstance(node, ast.Name) and node.id in names]


def _only_call(statement: ast.stmt, names: dict[str, str]) -> ast.Call | None:
    """The one call in an assert that is certain to be made there; None if there is no such."""
    used = _names_of(statement, names)
    calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call) and node.func in used]
    uncertain = any(isinstance(node, _PERHAPS) for node in ast.walk(statement))
    if not isinstance(statement, ast.Assert) or uncertain or len(used) != 1 or len(calls) != 1 or calls[0].keywords:
        return None
    return calls[0]
