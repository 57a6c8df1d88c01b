"""The process that runs the tests. No line of the program runs here; its functions are stubs (``peer.py``).

All that a program can do to its examiner is answer a call with a value, raise, or be gone. The tests passed when this
process, which the program cannot reach, came to the end of the last one.
"""

import ast
import importlib
from collections.abc import Sequence
from typing import Any, Final

from selfimp_bench.grading.sandbox.candidate import MODULE
from selfimp_bench.grading.sandbox.channel import Channel, ChannelClosed
from selfimp_bench.grading.sandbox.foresight import foreseen_calls
from selfimp_bench.grading.sandbox.names import Names, names_in
from selfimp_bench.grading.sandbox.peer import Peer, Remote, describe, error_from

_MAY_ASK: Final = {"call": lambda target, *arguments, **named: target(*arguments, **named)}


def run_examiner(grader: Channel, candidate: Channel) -> int:
    """Take an order from the grader, examine, and send the verdict. Returns 1 if the candidate was gone, else 0."""
    order = grader.receive()
    try:
        verdict = _examine(order, candidate)
    except ChannelClosed as error:
        verdict = _verdict("gone", error=str(error))
    except BaseException as error:
        verdict = _failed("the tests", error)
    grader.send(verdict)
    return int(verdict["kind"] == "gone")


def _examine(order: dict[str, Any], candidate: Channel) -> dict[str, Any]:
    setup, tests = order["setup"], _tests(order["tests"], order["entry_point"])
    parts = [("the setup", setup)] if setup.strip() else []
    parts += [(f"test {number} of {len(tests)}", test) for number, test in enumerate(tests, start=1)]
    candidate.send({"program": order["program"], "rescue": order["rescue"], "imports": _imports(setup)})
    loaded = candidate.receive()
    if not (isinstance(loaded, dict) and type(loaded.get("characters")) is int):
        raise ChannelClosed("no message of ours")
    if loaded.get("raised") is not None:
        error = error_from(loaded["raised"])
        failed = _failed("the code", error) | {"characters": loaded["characters"]}
        return failed if loaded.get("is_program") is True else failed | {"kind": "no program"}
    return _run(parts, order["entry_point"], candidate) | {"characters": loaded["characters"]}


def _run(parts: Sequence[tuple[str, str]], entry_point: str | None, candidate: Channel) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "tests"}
    peer = Peer(candidate, "examiner", _MAY_ASK)
    at = "the tests"
    try:
        trees = [ast.parse(source) for _, source in parts]
        names = names_in(trees, entry_point)
        namespace |= {name: importlib.import_module(name) for name in names.modules}
        _bind(namespace, names, peer)
        if parts[0][0] != "the setup":
            _foresee(trees, namespace, names, peer)
        for at, source in parts:
            _bind(namespace, names, peer)
            exec(compile(source, f"<{at}>", "exec", dont_inherit=True), namespace)
    except BaseException as error:
        if peer.lost:
            raise ChannelClosed(at) from None
        return _failed(at, error)
    if peer.lost:
        raise ChannelClosed("at the end")
    return _verdict("passed")


def _foresee(trees: Sequence[ast.Module], namespace: dict[str, Any], names: Names, peer: Peer) -> None:
    functions = {name: namespace[name] for name in names.program if isinstance(namespace.get(name), Remote)}
    if len(functions) == len(names.program):  # else asking for a name comes between
        calls = foreseen_calls(trees, names.program)
        peer.foresee([(functions[call.name], call.arguments) for call in calls])


def _bind(namespace: dict[str, Any], names: Names, peer: Peer) -> None:
    """Give the program's names their meaning of this moment; what it does not define stays undefined.

    A function or class is fetched once: a program has no business to replace it between tests.
    """
    for name in names.program:
        if isinstance(namespace.get(name), Remote):
            continue
        try:
            namespace[name] = peer.ask("attribute", MODULE, name)
        except AttributeError:
            namespace.pop(name, None)


def _tests(tests: list[str], entry_point: str | None) -> list[str]:
    """The tests, and where they define ``check(candidate)`` the call of it."""
    if entry_point is None:
        return tests
    defined = (node for test in tests for node in _parsed(test).body if isinstance(node, ast.FunctionDef))
    return [*tests, f"check({entry_point})"] if any(node.name == "check" for node in defined) else tests


def _imports(setup: str) -> str:
    found = [node for node in _parsed(setup).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(ast.unparse(node) for node in found)


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def _failed(at: str, error: BaseException) -> dict[str, Any]:
    kind = "memory" if isinstance(error, MemoryError) else "failed"
    return _verdict(kind, at=at, error=describe(error))


def _verdict(kind: str, *, at: str = "", error: str = "") -> dict[str, Any]:
    return {"kind": kind, "at": at, "error": error, "characters": 0}
