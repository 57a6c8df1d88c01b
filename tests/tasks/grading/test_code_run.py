"""Running programs against their tests: the cases of code_cases.jsonl, limits, and real gold programs."""

import ast
import dataclasses
import json
import time
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_rows import real_rows

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.grading.code_run import grade_code
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.mbpp import problem_from_row
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.sandbox import cells, policy
from selfimp_bench.tasks.sandbox.cell import CellBroken
from selfimp_bench.tasks.sandbox.policy import Limits
from selfimp_bench.tasks.sandbox.selftest import SandboxStatus

CASES = [json.loads(line) for line in Path(__file__).with_name("code_cases.jsonl").read_text("utf-8").splitlines()]
TESTS = ("assert double(2) == 4", "assert double(-1) == -2", "assert double(0.5) == 1")
GOOD = "def double(x):\n    return 2 * x\n"


def problem(**fields):
    return Problem(**{"problem_id": "mbpp-1", "question": "Double a number.", "tests": TESTS} | fields)


@pytest.mark.parametrize("case", CASES, ids=[f"{case['completion'][:40]!r} {case['truncated']}" for case in CASES])
def test_each_case_is_judged_as_listed(case):
    both = grade_code(case["completion"], problem(), truncated=case["truncated"])
    assert (both.strict.outcome, both.flexible.outcome) == (case["strict"], case["flexible"]), case["why"]
    assert (case["remark"] or "") in (both.strict.detail or ""), case["why"]


def test_a_setup_runs_after_the_program_that_it_builds_on():
    node = "class Node:\n    def __init__(self, value): self.value = value\n"
    both = grade_code(node, problem(setup="root = Node(1)", tests=("assert root.value == 1",)), truncated=False)
    assert both.strict.outcome is Outcome.CORRECT


def test_a_program_may_use_what_the_setup_imports():
    program = "def double(x):\n    return int(math.ldexp(x, 1))\n"
    tests = ("assert math.isclose(double(2), 4)",)
    assert grade_code(program, problem(setup="import math", tests=tests), truncated=False).strict.outcome == "correct"
    assert grade_code(program, problem(tests=tests), truncated=False).strict.detail == (
        "test 1 of 1: NameError: name 'math' is not defined"
    )


HUMAN = {
    "question": 'from typing import List\n\n\ndef total(xs: List[int]) -> int:\n    """Add them.\n    """\n',
    "entry_point": "total",
    "tests": (
        "METADATA = {}\n\n\ndef check(candidate):\n    assert candidate([1, 2]) == 3\n    assert candidate([]) == 0\n",
    ),
}


@pytest.mark.parametrize(
    ("completion", "outcome", "extracted"),
    [
        ("    return sum(xs)\n", "correct", "    return sum(xs)\n"),
        ("    return sum(xs) + 1\n", "wrong", "    return sum(xs) + 1\n"),
        ("    return sum(xs) or 1\n", "wrong", "    return sum(xs) or 1\n"),
        (
            "```python\ndef total(xs: List[int]):\n    return sum(xs)\n```",
            "correct",
            "def total(xs: List[int]):\n    return sum(xs)\n",
        ),
        ("    return sum(xs) +\n", "wrong", "    return sum(xs) +\n"),
    ],
)
def test_a_question_that_is_the_beginning_of_a_program_is_completed(completion, outcome, extracted):
    strict = grade_code(completion, problem(**HUMAN), truncated=False).strict
    assert (strict.outcome, strict.extracted) == (outcome, extracted)


def test_a_question_in_words_is_not_put_before_the_program():
    words = problem(question="def: what is it? Write total.", entry_point="double")
    assert grade_code(GOOD, words, truncated=False).strict.outcome == "correct"


@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
    ],
)
def test_a_program_without_end_is_timed_out_by_its_cpu_time(program, monkeypatch):
    monkeypatch.setattr(policy, "FULL", Limits(cpu_seconds=0.3, wall_seconds=20))
    strict = grade_code(program, problem(), truncated=False).strict
    assert (strict.outcome, strict.detail) == (Outcome.TIMED_OUT, "timed out: more than 0.3 s of CPU time")


def test_a_program_that_only_sleeps_is_timed_out_by_the_clock(monkeypatch):
    for name in ("SIEVE", "FULL"):
        monkeypatch.setattr(policy, name, Limits(cpu_seconds=1, wall_seconds=0.6, idle_seconds=60))
    strict = grade_code("import time\ntime.sleep(60)\n", problem(), truncated=False).strict
    assert (strict.outcome, strict.detail) == (Outcome.TIMED_OUT, "timed out waiting: more than 0.6 s")


@pytest.mark.parametrize("sleep", ["time.sleep(60)", "while True: time.sleep(0.01)"])
def test_a_program_that_does_nothing_is_timed_out_soon(sleep):
    began = time.monotonic()
    strict = grade_code(f"import time\n{sleep}\n", problem(), truncated=False).strict
    assert (strict.outcome, strict.detail) == (
        Outcome.TIMED_OUT,
        "timed out waiting: more than 1 s without doing anything",
    )
    assert time.monotonic() - began < 20


def test_a_program_may_wait_where_the_reference_solution_does(monkeypatch):
    for name in ("SIEVE", "SHORTEST"):
        monkeypatch.setattr(policy, name, Limits(cpu_seconds=1, wall_seconds=20, idle_seconds=0.2))
    waits = "import time\ndef double(x):\n    time.sleep({seconds})\n    return 2 * x\n"
    for reference, outcome in ((waits.format(seconds=0.3), "correct"), (GOOD, "timed out")):
        each = problem(tests=TESTS[:1], answer=reference)
        assert grade_code(waits.format(seconds=1.0), each, truncated=False).strict.outcome == outcome


def test_a_program_that_is_slow_only_among_others_is_judged_by_its_time_alone(monkeypatch):
    monkeypatch.setattr(policy, "SIEVE", Limits(cpu_seconds=0.05, wall_seconds=10))
    slow = "import time\ndef double(x):\n    end = time.process_time() + 0.06\n" + (
        "    while time.process_time() < end: pass\n    return 2 * x\n"
    )
    assert grade_code(slow, problem(), truncated=False).strict.outcome is Outcome.CORRECT


def test_where_there_is_a_reference_solution_its_time_decides(monkeypatch):
    monkeypatch.setattr(policy, "SIEVE", Limits(cpu_seconds=0.05, wall_seconds=10))
    monkeypatch.setattr(policy, "SHORTEST", Limits(cpu_seconds=0.1, wall_seconds=10))
    burn = "import time\ndef double(x):\n    end = time.process_time() + {seconds}\n" + (
        "    while time.process_time() < end: pass\n    return 2 * x\n"
    )
    for reference, outcome in ((GOOD, "timed out"), (burn.format(seconds=0.03), "correct")):
        each = problem(tests=TESTS[:1], answer=reference)
        assert grade_code(burn.format(seconds=0.15), each, truncated=False).strict.outcome == outcome


def test_where_the_reference_solution_fails_its_own_tests_nothing_can_be_judged():
    wrong = problem(answer="def double(x): return 0")
    for completion in (GOOD, "def double(x): return 1", "no program ("):
        both = grade_code(completion, wrong, truncated=False)
        assert both.strict == both.flexible
        assert (both.strict.outcome, both.strict.detail) == (
            Outcome.UNJUDGEABLE,
            "cannot be judged here: its reference solution does not pass its tests here "
            "(failed: test 1 of 3: AssertionError)",
        )


def test_a_program_with_a_state_is_called_once_for_every_call_in_the_tests():
    program = "calls = []\ndef double(x):\n    calls.append(x)\n    return iter([len(calls)])\n"
    tests = ("assert list(double(1)) == [1]", "assert list(double(1)) == [2]", "assert list(double(1)) == [3]")
    assert grade_code(program, problem(tests=tests), truncated=False).strict.outcome is Outcome.CORRECT


def test_of_an_iterator_without_end_a_test_takes_what_it_needs():
    program = "def double(x):\n    while True:\n        x *= 2\n        yield x\n"
    tests = (
        "from itertools import islice\nassert list(islice(double(1), 3)) == [2, 4, 8]",
        "for found, expected in zip(double(3), (6, 12)):\n    assert found == expected",
    )
    assert grade_code(program, problem(tests=tests), truncated=False).strict.outcome is Outcome.CORRECT


def test_what_no_sandbox_takes_is_a_wrong_program_or_an_input_error_that_names_the_problem():
    both = grade_code(f"{GOOD}# {'x' * 2**20}\n", problem(), truncated=False)
    assert both.flexible == both.strict
    assert (both.strict.outcome, both.strict.detail) == (
        "wrong",
        "syntax error: the code: more than 1048576 characters",
    )
    tests = (f"assert double('{'x' * 2**24}')",)
    with pytest.raises(InputError, match="problem mbpp-1: its setup and tests are too long"):
        grade_code(GOOD, problem(tests=tests), truncated=False)
    assert grade_code(GOOD, problem(), truncated=False).strict.outcome is Outcome.CORRECT


def test_a_failure_of_the_machinery_is_crashed_and_not_wrong(monkeypatch):
    def broken(*_, **__):
        raise CellBroken("no zygote today")

    monkeypatch.setattr(cells, "Cell", broken)
    monkeypatch.setattr(cells._CELLS, "_idle", [])
    strict = grade_code(GOOD, problem(), truncated=False).strict
    assert (strict.outcome, strict.detail) == (Outcome.CRASHED, "broken: no zygote today")


def test_without_an_isolation_that_passes_nothing_is_run(monkeypatch):
    none = SandboxStatus(mechanism=None, attacks=0, failures=("bubblewrap: not installed", "landlock: switched off"))
    monkeypatch.setattr(cells._CELLS, "_status", none)
    with pytest.raises(InputError, match=r"(?s)nothing is run.*bubblewrap: not installed.*landlock: switched off"):
        grade_code(GOOD, problem(), truncated=False)


def test_sets_of_texts_have_one_order():
    program = "def double(x):\n    return 2 * x\nassert_order = ' '.join({'a', 'b', 'c', 'd', 'e'})\n"
    tests = ("raise ValueError(assert_order)",)
    details = {grade_code(program, problem(tests=tests), truncated=False).strict.detail for _ in range(3)}
    assert len(details) == 1


@pytest.mark.parametrize("tests", [None, ()])
def test_a_problem_without_tests_is_an_input_error_that_names_it(tests):
    with pytest.raises(InputError, match="problem mbpp-1: it has no tests"):
        grade_code(GOOD, problem(tests=tests), truncated=False)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tests": ("assert double(",)}, r"test 1 of 1 is no Python"),
        ({"setup": "def ("}, r"the setup is no Python"),
        ({"tests": HUMAN["tests"]}, r"its tests ask nothing of a program.* needs the field entry_point"),
    ],
)
def test_tests_that_judge_every_program_alike_are_an_input_error_that_names_the_problem(fields, reason):
    with pytest.raises(InputError, match=f"problem mbpp-1: {reason}"):
        grade_code(GOOD, problem(**fields), truncated=False)


def test_an_entry_point_may_be_a_method():
    program = "class Solution:\n    def total(self, xs):\n        return sum(xs)\n"
    method = problem(tests=HUMAN["tests"], entry_point="Solution().total")
    assert grade_code(program, method, truncated=False).strict.outcome is Outcome.CORRECT
    assert grade_code(program.replace("xs)\n", "xs) + 1\n"), method, truncated=False).strict.outcome is Outcome.WRONG


@settings(max_examples=15)
@given(st.text(alphabet=st.characters(exclude_categories=())), st.booleans())
def test_no_text_raises(text, truncated):
    both = grade_code(text, problem(), truncated=truncated)
    assert both.strict.outcome not in (Outcome.CORRECT, Outcome.CRASHED)


def mbpp(step):
    rows = real_rows("mbpp/mbpp.jsonl")
    assert len(rows) == 974
    return [problem_from_row(row, f"row-{index}") for index, row in enumerate(rows)][::step]


def spoiled(test):
    """The assert turned round: what it asserted is now false."""
    assertion = ast.parse(test).body[0]
    assert isinstance(assertion, ast.Assert)
    return ast.unparse(ast.Assert(test=ast.UnaryOp(op=ast.Not(), operand=assertion.test), msg=None))


def assert_gold_passes(problems):
    for each in problems:
        both = grade_code(each.answer, each, truncated=False)
        assert both.strict.outcome is Outcome.CORRECT, (each.problem_id, both.strict.detail)
        assert both.flexible == both.strict


def test_real_gold_programs_pass_a_sample():
    assert_gold_passes(mbpp(step=17))


def test_real_gold_programs_fail_when_any_one_assert_is_turned_round_a_sample():
    for each in mbpp(step=60):
        for index, test in enumerate(each.tests):
            tests = (*each.tests[:index], spoiled(test), *each.tests[index + 1 :])
            changed = Problem(problem_id="p", question="?", tests=tests, setup=each.setup)
            strict = grade_code(each.answer, changed, truncated=False).strict
            assert strict.outcome is Outcome.WRONG, each.problem_id
            assert f"test {index + 1} of 3: AssertionError" in strict.detail


@pytest.mark.slow
def test_every_real_gold_program_passes():
    assert_gold_passes(mbpp(step=1))


# Its own solution needs seconds, and with changed tests there is no reference left to measure the limit by.
UNSOLVED = defaultdict(lambda: {Outcome.WRONG}, {"123": {Outcome.WRONG, Outcome.TIMED_OUT}})


def with_another_value(test):
    """The assert with another value on its right side: one that equals nothing."""
    assertion = ast.parse(test).body[0]
    assert isinstance(assertion, ast.Assert)
    assert isinstance(assertion.test, ast.Compare)
    assertion.test.comparators[-1] = ast.parse("['another value', -1]", mode="eval").body
    return ast.unparse(assertion)


@pytest.mark.slow
def test_every_real_gold_program_fails_when_the_asserted_value_is_changed():
    for each in mbpp(step=1):
        for index, test in enumerate(each.tests):
            tests = (*each.tests[:index], with_another_value(test), *each.tests[index + 1 :])
            strict = grade_code(
                each.answer, dataclasses.replace(each, tests=tests, answer=None), truncated=False
            ).strict
            assert strict.outcome in UNSOLVED[each.problem_id], (each.problem_id, strict.detail)
            assert strict.outcome is Outcome.TIMED_OUT or strict.detail.startswith(f"test {index + 1} of 3: Asse")
