"""The process that decides whether two formulas are equal: one flat script around math-verify and its parser.

A line of JSON in (``{"gold": ..., "answer": ...}``), a line of JSON out. Questions are answered in a fork of this
process, in which the library is loaded; it serves many questions, with the library's caches emptied between them. A
question that a used fork cannot answer (too much time or memory, an error, a death) is asked again in a new one, where
nothing was computed before: so every verdict but a plain one depends on the question alone. The limit is CPU time, so
that a busy machine changes no verdict; the wall clock only ends what sleeps.

A formula is read whole or not at all. What math-verify finds equal is looked at again: numbers must agree in their
digits and not only in their difference (1/2004! and 1/2006!), equations must be multiples of each other. What it finds
different may be equal wherever both sides are real (``\\sqrt{1/n}`` and ``1/\\sqrt{n}``).
"""

import json
import logging
import os
import re
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from functools import lru_cache
from typing import Any, NoReturn

from latex2sympy2_extended.latex2sympy2 import (  # type: ignore[import-untyped,unused-ignore]
    NormalizationConfig,
    latex2sympy,
    normalize_latex,
)
from math_verify import verify  # type: ignore[import-untyped,unused-ignore]
from sympy import Eq, Expr, Float, Function, I, Integer, Rational, Symbol  # type: ignore[import-untyped,unused-ignore]
from sympy.core.cache import clear_cache  # type: ignore[import-untyped,unused-ignore]

CPU_SECONDS = 5
WALL_SECONDS = 60
MEMORY_BYTES = 2 << 30
QUESTIONS_A_FORK = 500
USED_FORK_SECONDS = 2
READINGS_KEPT = 64

# What a first comparison imports and builds is done once here, and inherited by every fork.
WARM_UP = (("1/2", "0.5"), (r"\sqrt{12}", r"2\sqrt{3}"), ("(1,2]", "[1,2]"), (r"\{1,2\}", "1,2"), ("x=5", "5"))

_NORMALIZATION = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
)
_IMAGINARY = re.compile(r"(?<![a-zA-Z\\])i(?![a-zA-Z])|\\(?:imath|Re|Im|arg)(?![a-zA-Z])|\\mathbb\{C\}")
_POINTS = tuple(
    Rational(top, bottom)
    for top, bottom in ((7, 5), (13, 11), (-17, 13), (29, 7), (-5, 19), (3, 31), (-41, 9), (101, 17), (-2, 37), (53, 3))
)
_FEWEST_POINTS = 3
_MOST_SYMBOLS = 4
_DIGITS = 40
_TOLERANCE = Float("1e-20")
_ROUNDED = Float("2e-6")


def decide(gold: str, answer: str) -> dict[str, Any]:
    """Whether ``answer`` equals ``gold`` (the order matters: math-verify is not symmetric), and what was readable."""
    is_real = not any(_IMAGINARY.search(text) for text in (gold, answer))
    read = [_read(text, is_real=is_real) for text in (gold, answer)]
    unread = [name for name, found in zip(("gold", "answer"), read, strict=True) if found is None]
    if unread:
        return {"verdict": "different", "unread": unread}
    equal = verify(read[0], read[1], timeout_seconds=None, raise_on_error=True)
    equal = not _contradicted(*read) if equal else _equal_where_real(*read)
    return {"verdict": "equal" if equal else "different", "unread": []}


@lru_cache(maxsize=READINGS_KEPT)
def _read(text: str, *, is_real: bool) -> Any:
    """The formula, or None where it cannot be read whole. The answers of a problem are compared with one gold."""
    try:
        normal = normalize_latex(text, config=_NORMALIZATION)
        return latex2sympy(normal, is_real=is_real, convert_degrees=False, normalization_config=None)
    except (MemoryError, RecursionError):
        raise
    except Exception:
        return None


def _contradicted(gold: Any, answer: Any) -> bool:
    """Whether numbers differ in their digits, or equations in more than a factor."""
    if isinstance(gold, Eq) and isinstance(answer, Eq):
        return _are_no_multiples(gold.lhs - gold.rhs, answer.lhs - answer.rhs)
    if not _is_plain(gold, answer) or gold.free_symbols or answer.free_symbols:
        return False
    values = [value.evalf(_DIGITS, maxn=4 * _DIGITS) for value in (gold, answer)]
    if not all(value.is_number and value.is_finite for value in values):
        return False
    tolerance = _ROUNDED if gold.has(Float) or answer.has(Float) else _TOLERANCE
    return bool(abs(values[0] - values[1]) > tolerance * max(abs(values[0]), abs(values[1])))


def _are_no_multiples(gold: Any, answer: Any) -> bool:
    """Whether the quotient of two expressions is no constant, at points that are no roots."""
    if not _is_plain(gold, answer) or gold.free_symbols != answer.free_symbols or not gold.free_symbols:
        return False
    symbols = sorted(gold.free_symbols, key=str)
    quotients = []
    for shift in range(len(_POINTS)):
        at = {symbol: _POINTS[(shift + 3 * place) % len(_POINTS)] for place, symbol in enumerate(symbols)}
        sides = [side.subs(at).evalf(_DIGITS) for side in (gold, answer)]
        if all(side.is_number and side.is_finite and abs(side) > _TOLERANCE for side in sides):
            quotients.append(sides[0] / sides[1])
    return any(abs(quotient - quotients[0]) > _TOLERANCE * abs(quotients[0]) for quotient in quotients)


def _equal_where_real(gold: Any, answer: Any) -> bool:
    """Whether two expressions of the same letters agree at every point, of both signs, where both are real."""
    if not _is_plain(gold, answer) or gold.free_symbols != answer.free_symbols:
        return False
    symbols = sorted(gold.free_symbols, key=str)
    if not 0 < len(symbols) <= _MOST_SYMBOLS or any(side.has(Float) or side.has(I) for side in (gold, answer)):
        return False
    compared = 0
    for shift in range(2 * len(_POINTS)):
        stride = 3 if shift < len(_POINTS) else 2
        at = {symbol: _POINTS[(shift + stride * place) % len(_POINTS)] for place, symbol in enumerate(symbols)}
        sides = [side.subs(at).evalf(_DIGITS) for side in (gold, answer)]
        if not all(side.is_number and side.is_finite and side.is_real for side in sides):
            continue
        if abs(sides[0] - sides[1]) > _TOLERANCE * max(abs(sides[0]), abs(sides[1]), Integer(1)):
            return False
        compared += 1
    return compared >= _FEWEST_POINTS


def _is_plain(*sides: Any) -> bool:
    """Whether all are expressions of numbers and letters, without functions that nobody defined."""
    return all(
        isinstance(side, Expr)
        and not any(type(type(each)).__name__ == "UndefinedFunction" for each in side.atoms(Function))
        and all(isinstance(symbol, Symbol) for symbol in side.free_symbols)
        for side in sides
    )


class Fork:
    """A fork of this process that answers questions one by one."""

    def __init__(self) -> None:
        questions, self._ask = os.pipe()
        self._replies, replies = os.pipe()
        self.asked = 0
        self._status: int | None = None
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._ask)
            os.close(self._replies)
            _serve(questions, replies)
        os.close(questions)
        os.close(replies)

    def answer(self, question: dict[str, str]) -> dict[str, Any]:
        """The reply; any end of the fork is one."""
        self.asked += 1
        try:
            os.write(self._ask, json.dumps(question).encode() + b"\n")
        except BrokenPipeError:
            return self._ended(hung=False)
        payload = b""
        deadline = time.monotonic() + WALL_SECONDS
        while not payload.endswith(b"\n"):
            ready, _, _ = select.select([self._replies], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self._replies, 65536) if ready else b""
            if not piece:
                return self._ended(hung=not ready)
            payload += piece
        reply: dict[str, Any] = json.loads(payload)
        return reply

    def end(self) -> int:
        """End the fork, if it has not ended; its status."""
        if self._status is None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._wait()
        assert self._status is not None
        return self._status

    def _wait(self) -> None:
        _, self._status = os.waitpid(self._pid, 0)
        os.close(self._ask)
        os.close(self._replies)

    def _ended(self, *, hung: bool) -> dict[str, Any]:
        if hung:
            self.end()
            return {"verdict": "timed out", "detail": f"the comparison needed more than {WALL_SECONDS} s"}
        self._wait()
        status = self.end()
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
            return {"verdict": "timed out", "detail": f"the comparison needed more than {CPU_SECONDS} s of CPU time"}
        return {"verdict": "crashed", "detail": f"the comparison's process ended with status {status}"}


def _serve(questions: int, replies: int) -> NoReturn:
    """Answer questions until there are no more, and end, whatever happens."""
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        with os.fdopen(questions, "rb") as lines:
            for number, line in enumerate(lines):
                used = int(time.process_time())
                soft = used + USED_FORK_SECONDS if number else CPU_SECONDS
                resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
                reply = _reply(json.loads(line))
                clear_cache()
                os.write(replies, json.dumps(reply).encode() + b"\n")
    finally:
        os._exit(0)


def _reply(question: dict[str, str]) -> dict[str, Any]:
    try:
        return decide(question["gold"], question["answer"])
    except MemoryError:
        return {"verdict": "timed out", "detail": f"the comparison needed more than {MEMORY_BYTES >> 30} GiB"}
    except BaseException as error:
        return {"verdict": "failed", "detail": f"math-verify raised {type(error).__name__}: {str(error)[:200]}"}


def main() -> None:
    """Answer questions until standard input ends."""
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for gold, answer in WARM_UP:
        decide(gold, answer)
    clear_cache()
    fork: Fork | None = None
    for line in sys.stdin.buffer:
        question = json.loads(line)
        fork = fork or Fork()
        reply = fork.answer(question)
        if reply["verdict"] not in ("equal", "different") and fork.asked > 1:
            fork.end()
            fork = Fork()
            reply = fork.answer(question)
        if reply["verdict"] not in ("equal", "different") or fork.asked >= QUESTIONS_A_FORK:
            fork.end()
            fork = None
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
