"""Answer checking by running: a completion's program must pass the problem's asserts. THIS IS NO SANDBOX.

The program runs in a plain child process with the rights of whoever grades: it can read and write files, open sockets
and forge its verdict. Limits (CPU time, memory, file size) and a process group that is killed stop accidents only.
Use it on trusted completions, or inside a container made for the purpose; every grade it gives says so. The sandbox
replaces it.

strict: the program is the first fenced block marked as Python, else the whole text up to the first stop (``[DONE]``, a
    closing fence, an end-of-text token, or a line that begins an assert: tests of the model's own are not the answer).
flexible: the same; but where that is no program at all (it does not compile), the first fenced block of any kind, or
    the longest run of whole lines from the beginning that is one and defines a function.

Program, setup and asserts run in this order in one module (two setups of MBPP build on classes of the program). What
the program raises, at import or in an assert, or its leaving early, is WRONG with the reason in the detail. More than
5 s of CPU time, or 30 s in all, is TIMED_OUT. CRASHED is kept for failures of this machinery.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from selfimp_bench.grading.outcome import BothGrades, Grade, Outcome
from selfimp_bench.tasks.mbpp import asserts_of
from selfimp_bench.tasks.problem import Problem

CPU_SECONDS: Final = 5
WALL_SECONDS: Final = 30.0
MEMORY_BYTES: Final = 1 << 30
FILE_BYTES: Final = 1 << 20
NO_SANDBOX: Final = "run without a sandbox"

_CHILD: Final = Path(__file__).with_name("code_child.py")
_PYTHON_FENCE: Final = re.compile(r"```[ \t]{0,5}(?:python3?|py3?)[ \t]*\r?\n", re.IGNORECASE)
_ANY_FENCE: Final = re.compile(r"^[ \t]*```[^\n`]*\n", re.MULTILINE)
_FENCE_END: Final = re.compile(r"^[ \t]*```", re.MULTILINE)
_STOP: Final = re.compile(
    r"\[DONE\]|^[ \t]*```|^assert\b|</s>|<\|(?:endoftext|end_of_text|eot_id|im_end)\|>", re.MULTILINE
)
_BEGIN: Final = re.compile(r"\s*\[BEGIN\][ \t]*\r?\n?")


@dataclass(frozen=True, kw_only=True)
class _Program:
    """Code taken out of a completion; ``complete`` tells that a fence or a stop ended it."""

    code: str
    complete: bool


@dataclass(frozen=True, kw_only=True)
class _Run:
    """How a program ended; ``is_program`` is False where its text does not compile."""

    grade: Grade
    is_program: bool


def grade_code(completion: str, problem: Problem, *, truncated: bool) -> BothGrades:
    """Run a completion's program against the problem's tests, without a sandbox, and judge by both rules.

    truncated: generation stopped at the token limit. Then only a program that a fence or a stop ended is run.
    Raises InputError for a problem without tests; never for any completion.
    """
    tests = asserts_of(problem)
    program = _strict_program(completion)
    if truncated and not program.complete:
        cut = Grade(outcome=Outcome.TRUNCATED, extracted=None, detail="cut before the end of the program")
        return BothGrades(strict=cut, flexible=cut)
    if not program.code.strip():
        none = Grade(outcome=Outcome.UNPARSED, extracted=None, detail="no program in the text")
        return BothGrades(strict=none, flexible=none)
    strict = _run(program.code, problem, tests, rescue=False)
    if strict.is_program:
        return BothGrades(strict=strict.grade, flexible=strict.grade)
    fenced = _first_fenced(completion)
    rescued = _run(fenced or program.code, problem, tests, rescue=True)
    return BothGrades(strict=strict.grade, flexible=rescued.grade if rescued.is_program else strict.grade)


def _strict_program(completion: str) -> _Program:
    fence = _PYTHON_FENCE.search(completion)
    if fence is not None:
        return _up_to(_FENCE_END, completion[fence.end() :])
    begin = _BEGIN.match(completion)
    return _up_to(_STOP, completion[begin.end() if begin else 0 :])


def _up_to(end: re.Pattern[str], text: str) -> _Program:
    found = end.search(text)
    return _Program(code=text[: found.start()] if found else text, complete=found is not None)


def _first_fenced(completion: str) -> str | None:
    fence = _ANY_FENCE.search(completion)
    return _up_to(_FENCE_END, completion[fence.end() :]).code if fence else None


def _run(code: str, problem: Problem, tests: tuple[str, ...], *, rescue: bool) -> _Run:
    """Run one program; ``rescue`` lets the child cut the code back to what compiles."""
    parts = {
        "code": code,
        "setup": problem.setup or "",
        "tests": tests,
        "rescue": rescue,
        "cpu_seconds": CPU_SECONDS,
        "memory_bytes": MEMORY_BYTES,
        "file_bytes": FILE_BYTES,
    }
    try:
        with tempfile.TemporaryDirectory(prefix="selfimp-bench-", ignore_cleanup_errors=True) as folder:
            return _run_in(Path(folder), json.dumps(parts), code)
    except OSError as error:
        return _crashed(code, f"no process could be started: {error}")


def _run_in(folder: Path, parts: str, code: str) -> _Run:
    (folder / "parts.json").write_text(parts)
    work = folder / "work"
    work.mkdir()
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-P", "-s", "-B", str(_CHILD), str(folder / "parts.json"), str(folder / "verdict.json")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=work,
        start_new_session=True,
        # Nothing of ours. The hash seed is fixed because the order of sets would make verdicts change from run to run.
        env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    _wait(process)
    return _judge(folder / "verdict.json", process.returncode, code, seconds=time.monotonic() - began)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Until the child ends or its time is up; then its whole group is killed."""
    try:
        process.wait(WALL_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):  # nothing may be left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _judge(verdict: Path, exit_code: int, code: str, *, seconds: float) -> _Run:
    try:
        with verdict.open("rb") as stream:
            said = json.loads(stream.read(FILE_BYTES))
    except (OSError, ValueError):
        return _crashed(code, f"the child left no verdict and ended with exit code {exit_code}")
    if "passed" in said:
        return _judged(said, code)
    # A kill after this long is a limit's, ours or the hard one on CPU time; before, it came from outside.
    if exit_code == -signal.SIGXCPU or (exit_code == -signal.SIGKILL and seconds >= CPU_SECONDS):
        limit = f"{WALL_SECONDS:.0f} s" if seconds >= WALL_SECONDS else f"{CPU_SECONDS} s of CPU time"
        return _ended(code, Outcome.TIMED_OUT, f"more than {limit}")
    if exit_code == -signal.SIGKILL:
        return _crashed(code, "the child was killed from outside (often: out of memory)")
    return _ended(code, Outcome.WRONG, f"the program ended itself, exit code {exit_code}, before the tests were done")


def _judged(said: dict[str, Any], code: str) -> _Run:
    """The child's own verdict, which a program that sets out to can forge."""
    kept = code[: said["characters"]]
    if said["passed"]:
        return _ended(kept, Outcome.CORRECT, None)
    run = _ended(kept, Outcome.WRONG, f"{said['at']}: {said['error']}")
    return replace(run, is_program=said["is_program"])


def _crashed(code: str, detail: str) -> _Run:
    return _ended(code, Outcome.CRASHED, detail)


def _ended(code: str, outcome: Outcome, detail: str | None) -> _Run:
    remark = NO_SANDBOX if detail is None else f"{NO_SANDBOX}; {detail}"
    return _Run(grade=Grade(outcome=outcome, extracted=code, detail=remark), is_program=True)
