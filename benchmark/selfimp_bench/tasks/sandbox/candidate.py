"""The process that runs the program. Nothing in it is secret, and nothing it says is believed but as a value.

It gets the setup and the program, and from then on is asked for values (``peer.py``); it never sees a test. Only where
tests are run beside the program (``together.py``) they come here, after it.
"""

import ast
import os
import sys
import types
from typing import Any, Final

from selfimp_bench.tasks.sandbox.channel import Channel, ChannelClosed
from selfimp_bench.tasks.sandbox.peer import OPERATIONS, Peer, error_tree
from selfimp_bench.tasks.sandbox.setup import run_before
from selfimp_bench.tasks.sandbox.together import kept, run_beside

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
        program = _compiled(channel, order)
        if program is None:
            return
        peer = Peer(channel, "candidate", OPERATIONS)
        peer.hold(module)
        keep = kept() if order["together"] else {}
        rest = run_before(order["setup"], module.__dict__)
        channel.send({"raised": _raised(program, module)})
        if order["together"]:
            run_beside(channel, module, keep, rest)
        peer.serve()
    except ChannelClosed:
        return


def _compiled(channel: Channel, order: dict[str, Any]) -> types.CodeType | None:
    """The program, and a message whether it is one. The message can be believed: no line of the program has run."""
    try:
        source = longest_program(order["program"]) if order["rescue"] else order["program"]
        if not source:
            raise SyntaxError("no function in it")
        program = compile(source, "<the code>", "exec", dont_inherit=True)
    except BaseException as error:
        channel.send({"raised": error_tree(error)})
        return None
    channel.send({"characters": len(source)})
    return program


def _raised(program: types.CodeType, module: types.ModuleType) -> dict[str, Any] | None:
    """Run the program; what was raised."""
    try:
        exec(program, module.__dict__)
    except BaseException as error:  # SystemExit too: a program that leaves has not passed
        return error_tree(error)
    return None


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
    """End the process, without what a program wants to be done at the end."""
    os._exit(0)
