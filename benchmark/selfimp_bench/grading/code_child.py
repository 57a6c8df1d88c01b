"""The process that runs a candidate program and its tests: one flat script, started by ``code_run``. NO SANDBOX.

``code_child.py PARTS VERDICT``: PARTS is a JSON file {code, setup, tests, ...limits}; VERDICT is written twice, before
the candidate's first line and at the end. The candidate runs with the rights of whoever started this; the limits stop
accidents, not attacks.
"""

import ast
import json
import os
import resource
import sys
import types
from pathlib import Path
from typing import Any

LONGEST_REMARK = 200
MOST_LINES = 500


def run(parts: dict[str, Any]) -> dict[str, Any]:
    """Run code, setup and tests in one new module; where the first error was, if there was one."""
    module = types.ModuleType("candidate")
    # Not "__main__": what stands under `if __name__ == "__main__"` is a program of its own, not the function asked for.
    sys.modules["candidate"] = module
    steps = [("the code", parts["code"]), ("the setup", parts["setup"])]
    total = len(parts["tests"])
    steps += [(f"test {number} of {total}", test) for number, test in enumerate(parts["tests"], start=1)]
    for name, source in steps:
        try:
            program = compile(source, f"<{name}>", "exec", dont_inherit=True)
        except Exception as error:
            return {"passed": False, "at": name, "error": describe(error), "is_program": name != "the code"}
        try:
            exec(program, module.__dict__)
        except BaseException as error:  # SystemExit too: a candidate that leaves has not passed
            return {"passed": False, "at": name, "error": describe(error), "is_program": True}
    return {"passed": True}


def longest_program(text: str) -> str:
    """The longest run of whole lines from the first that is a program and defines a function; empty if none is."""
    lines = text.splitlines(keepends=True)[:MOST_LINES]
    for end in range(len(lines), 0, -1):
        source = "".join(lines[:end])
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        defines = any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree))
        return source if defines else ""
    return ""


def describe(error: BaseException) -> str:
    """An error in one short line; its own text may fail too."""
    try:
        message = str(error)
    except BaseException:
        message = ""
    return f"{type(error).__name__}: {message}"[:LONGEST_REMARK].rstrip(": \n")


def limit(cpu_seconds: int, memory_bytes: int, file_bytes: int) -> None:
    """Bound this process and its children one by one: CPU time, address space, size of files; no core dump."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Read the parts, run them, leave the verdict."""
    parts, verdict = json.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2])
    sys.argv[:] = ["candidate"]
    write, dump, leave = verdict.write_text, json.dumps, os._exit
    write(dump({"began": True}))
    limit(parts["cpu_seconds"], parts["memory_bytes"], parts["file_bytes"])
    if parts["rescue"]:
        parts["code"] = longest_program(parts["code"])
    if parts["code"]:
        found = run(parts)
    else:
        found = {"passed": False, "at": "the code", "error": "no function in it", "is_program": False}
    write(dump(found | {"characters": len(parts["code"])}))
    leave(0)  # threads that the candidate left running change nothing any more


if __name__ == "__main__":
    main()
