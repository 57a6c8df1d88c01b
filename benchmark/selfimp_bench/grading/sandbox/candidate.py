"""The process that runs the program. Nothing in it is secret, and nothing it says is believed but as a value.

It gets the program, and from then on is asked for values (``peer.py``). It never sees a test.
"""

import ast
import os
import sys
import types
from typing import Any, Final

from selfimp_bench.grading.sandbox.channel import Channel, ChannelClosed
from selfimp_bench.grading.sandbox.peer import OPERATIONS, Peer, error_tree

MODULE: Final = 0
"""The number of the program's module: the object to begin with."""
_MOST_LINES: Final = 500


def run_candidate(channel: Channel) -> None:
    """Load a program and answer questions about it. Returns when nobody asks any more."""
    try:
        order = channel.receive()
        module = types.ModuleType("candidate")
        # Not "__main__": what stands under `if __name__ == "__main__"` is a program of its own.
        sys.modules["candidate"] = module
        sys.argv[:] = ["candidate"]
        channel.send(_load(module, order))
        peer = Peer(channel, "candidate", OPERATIONS)
        peer.hold(module)
        peer.serve()
    except ChannelClosed:
        return


def _load(module: types.ModuleType, order: dict[str, Any]) -> dict[str, Any]:
    """Run program, then the imports of the tests' setup, on which a program may build."""
    try:
        source = longest_program(order["program"]) if order["rescue"] else order["program"]
        if not source:
            raise SyntaxError("no function in it")
        program = compile(source, "<the code>", "exec", dont_inherit=True)
    except BaseException as error:
        return {"is_program": False, "characters": 0, "raised": error_tree(error)}
    loaded: dict[str, Any] = {"is_program": True, "characters": len(source), "raised": None}
    try:
        exec(program, module.__dict__)
        exec(order["imports"], module.__dict__)
    except BaseException as error:  # SystemExit too: a program that leaves has not passed
        loaded["raised"] = error_tree(error)
    return loaded


def longest_program(text: str) -> str:
    """The longest run of whole lines from the first that is a program and defines a function; empty if none is."""
    lines = text.splitlines(keepends=True)[:_MOST_LINES]
    for end in range(len(lines), 0, -1):
        source = "".join(lines[:end])
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        defines = any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree))
        return source if defines else ""
    return ""


def leave() -> None:
    """End the process; threads that the program left running change nothing any more."""
    os._exit(0)
