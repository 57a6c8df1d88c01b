"""Running programs against their tests: the cases of code_cases.jsonl, limits, and real gold programs."""

import ast
import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_rows import real_rows

from selfimp_bench.errors import InputError
from selfimp_bench.grading import code_run
from selfimp_bench.grading.code_run import NO_SANDBOX, grade_code
from selfimp_bench.grading.outcome import Outcome
from selfimp_bench.tasks.mbpp import problem_from_row
from selfimp_bench.tasks.problem import Problem

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


def test_every_grade_of_a_run_says_that_there_was_no_sandbox():
    assert "NO SANDBOX" in code_run.__doc__
    assert grade_code(GOOD, problem(), truncated=False).strict.detail == NO_SANDBOX
    wrong = grade_code(GOOD.replace("2", "3"), problem(), truncated=False).strict
    assert wrong.detail == f"{NO_SANDBOX}; test 1 of 3: AssertionError"


def test_setup_runs_after_the_program_that_it_builds_on():
    node = "class Node:\n    def __init__(self, value): self.value = value\n"
    both = grade_code(node, problem(setup="root = Node(1)", tests=("assert root.value == 1",)), truncated=False)
    assert both.strict.outcome is Outcome.CORRECT


@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
    ],
)
def test_a_program_without_end_is_timed_out_by_its_cpu_time(program, monkeypatch):
    monkeypatch.setattr(code_run, "CPU_SECONDS", 1)
    strict = grade_code(program, problem(), truncated=False).strict
    assert (strict.outcome, strict.detail) == (Outcome.TIMED_OUT, f"{NO_SANDBOX}; more than 1 s of CPU time")


def test_a_program_that_only_sleeps_is_timed_out_by_the_clock_and_leaves_no_process(monkeypatch, tmp_path):
    monkeypatch.setattr(code_run, "WALL_SECONDS", 2.0)
    monkeypatch.setattr(code_run, "CPU_SECONDS", 1)
    late = tmp_path / "late"
    program = f"import os, time\nif os.fork() == 0:\n    time.sleep(4)\n    open({str(late)!r}, 'w')\ntime.sleep(60)\n"
    strict = grade_code(program, problem(), truncated=False).strict
    assert (strict.outcome, strict.detail) == (Outcome.TIMED_OUT, f"{NO_SANDBOX}; more than 2 s")
    time.sleep(3)
    assert not late.exists()


def test_a_failure_of_the_machinery_is_crashed_and_not_wrong(monkeypatch, tmp_path):
    monkeypatch.setattr(code_run, "_CHILD", tmp_path / "nosuch.py")
    strict = grade_code(GOOD, problem(), truncated=False).strict
    assert strict.outcome is Outcome.CRASHED
    assert strict.detail == f"{NO_SANDBOX}; the child left no verdict and ended with exit code 2"


def test_a_python_that_cannot_be_started_is_crashed(monkeypatch):
    monkeypatch.setattr(code_run.sys, "executable", "/nosuch/python")
    assert grade_code(GOOD, problem(), truncated=False).strict.outcome is Outcome.CRASHED


def test_sets_of_texts_have_one_order():
    program = "def double(x):\n    return 2 * x\nassert_order = ' '.join({'a', 'b', 'c', 'd', 'e'})\n"
    tests = ("raise ValueError(assert_order)",)
    details = {grade_code(program, problem(tests=tests), truncated=False).strict.detail for _ in range(3)}
    assert len(details) == 1


@pytest.mark.parametrize("tests", [None, ()])
def test_a_problem_without_tests_is_an_input_error_that_names_it(tests):
    with pytest.raises(InputError, match="problem mbpp-1: it has no tests"):
        grade_code(GOOD, problem(tests=tests), truncated=False)


@settings(deadline=None, max_examples=15)
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
