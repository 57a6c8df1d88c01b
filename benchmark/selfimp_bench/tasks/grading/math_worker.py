"""The process that decides whether two mathematical answers are equal: one flat script around math-verify.

A line of JSON in (``{"gold": ..., "answer": ...}``), a line of JSON out. Every question is answered in a fork of this
process, in which the library is loaded and nothing was computed before: the verdict depends on the question alone,
and a question that runs away is killed with its fork. The fork's limit is CPU time, so that a busy machine changes no
verdict; the wall clock only ends what sleeps.

math-verify keeps time by SIGALRM, which works in no thread and counts a timeout as a wrong answer; so both of its
timeouts are off here, and errors are raised, never swallowed.
"""

import json
import logging
import os
import resource
import select
import signal
import sys
import time
from typing import Any

from math_verify import parse, verify  # type: ignore[import-untyped,unused-ignore]

CPU_SECONDS = 5
WALL_SECONDS = 60
MEMORY_BYTES = 2 << 30

# What a first comparison imports and builds is done once here, and inherited by every fork.
WARM_UP = (("1/2", "0.5"), (r"\sqrt{12}", r"2\sqrt{3}"), ("(1,2]", "[1,2]"), (r"\{1,2\}", "1,2"), ("x=5", "5"))


def decide(gold: str, answer: str) -> dict[str, Any]:
    """Whether ``answer`` equals ``gold`` (the order matters: math-verify is not symmetric), and what was readable."""
    read = [parse(f"${text}$", parsing_timeout=None, raise_on_error=True) for text in (gold, answer)]
    equal = verify(read[0], read[1], timeout_seconds=None, raise_on_error=True)
    unread = [
        name
        for name, found in zip(("gold", "answer"), read, strict=True)
        if all(isinstance(item, str) for item in found)
    ]
    return {"verdict": "equal" if equal else "different", "unread": unread}


def answer_in_fork(question: dict[str, str]) -> dict[str, Any]:
    """``decide`` in a process of its own, under limits; any end of that process is an answer."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_the_child(question, writing)
    os.close(writing)
    payload = _read_until(reading, time.monotonic() + WALL_SECONDS)
    os.close(reading)
    if payload is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if payload:
        reply: dict[str, Any] = json.loads(payload)
        return reply
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    if payload is None or ended_by == signal.SIGXCPU:
        limit = f"{CPU_SECONDS} s of CPU time" if payload is not None else f"{WALL_SECONDS} s"
        return {"verdict": "timed out", "detail": f"math-verify needed more than {limit}"}
    return {"verdict": "crashed", "detail": f"math-verify's process ended with status {status}"}


def _be_the_child(question: dict[str, str], writing: int) -> None:
    """Decide, write the reply and end, whatever happens."""
    try:
        # The hard limit lies higher: it kills in a way that tells nothing.
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        try:
            reply = decide(question["gold"], question["answer"])
        except BaseException as error:
            detail = f"math-verify raised {type(error).__name__}: {str(error)[:200]}"
            reply = {"verdict": "crashed", "detail": detail}
        os.write(writing, json.dumps(reply).encode())
    finally:
        os._exit(0)


def _read_until(reading: int, deadline: float) -> bytes | None:
    """What the child wrote before it ended; None if it had not ended by the deadline."""
    payload = b""
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        piece = os.read(reading, 65536)
        if not piece:
            return payload
        payload += piece


def main() -> None:
    """Answer questions until standard input ends."""
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for gold, answer in WARM_UP:
        decide(gold, answer)
    for line in sys.stdin.buffer:
        reply = answer_in_fork(json.loads(line))
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
