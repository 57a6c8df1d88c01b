"""Right programs are right and wrong ones wrong, as plain Python says; what is not told apart is said to be so."""

import subprocess
import sys
from dataclasses import replace

import pytest
from judged_programs import CASES

from selfimp_bench.tasks.sandbox import cells
from selfimp_bench.tasks.sandbox.cell import CellBroken, Ending, Order
from selfimp_bench.tasks.sandbox.cells import examine
from selfimp_bench.tasks.sandbox.ways import are_plain

WRONG = [(case, program) for case in CASES for program in case.wrong]
NEED_A_REFERENCE = {  # to know which of two meanings is meant, and that so long a value is no flood
    "a built-in's name beside another name",
    "a value too long to travel",
}
FORGED = {  # plain Python believes these; the sandbox must not
    "a class in the setup with a comparison of its own",
    "a built-in redefined under a test",
    "an entry point with a built-in's name",
    "a built-in's name beside another name",
    "an object that agrees with everything",
    "a class that has to answer for a comparison, and one that agrees with everything",
    "comparisons, arithmetic and hashing of a class",
    "an object compared with a plain value",
}


def order(case, program):
    return Order(program=program, setup=case.setup, tests=case.tests, entry_point=case.entry_point, rescue=False)


def judged(case, program):
    return examine(order(case, program), order(case, case.right))


def plain_python(case, program):
    call = [f"check({case.entry_point})"] if case.entry_point else []
    before, after = (case.setup, "") if "builds on" not in case.about else ("", case.setup)
    source = "\n".join([before, program, after, *case.tests, *call])
    return subprocess.run([sys.executable, "-c", source], capture_output=True).returncode == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
def test_a_right_program_is_right(case):
    found = judged(case, case.right)
    assert (found.ending, found.remark) == (Ending.PASSED, None)


@pytest.mark.parametrize(("case", "program"), WRONG, ids=lambda each: getattr(each, "about", ""))
def test_a_wrong_program_is_wrong(case, program):
    assert judged(case, program).ending is Ending.FAILED


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
def test_without_a_reference_solution_a_right_program_is_not_wrong_and_a_wrong_one_not_right(case):
    if case.about not in NEED_A_REFERENCE:
        assert examine(order(case, case.right), None).ending in (Ending.PASSED, Ending.UNJUDGED)
    for program in case.wrong:
        assert examine(order(case, program), None).ending is Ending.FAILED


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
def test_plain_python_says_the_same(case):
    assert plain_python(case, case.right)
    for program in case.wrong:
        assert case.about in FORGED or not plain_python(case, program)


def test_a_program_that_passes_beside_its_tests_only_cannot_be_judged():
    """Its own class is equal to the right number and to no other: plain Python says yes, and says so of forgers."""
    tests = ("x = square(3)\nassert x == 9",)
    program = "class N:\n    def __init__(self, n): self.n = n\n    def __eq__(self, o): return self.n == o\n"
    reference = Order(program="def square(n): return n * n", setup="", tests=tests, entry_point=None, rescue=False)
    right = Order(
        program=program + "def square(n): return N(n * n)\n", setup="", tests=tests, entry_point=None, rescue=False
    )
    found = examine(right, reference)
    assert found.ending is Ending.UNJUDGED
    assert found.remark == (
        "it passes its tests in one process with them, but not apart from them (test 1 of 1: AssertionError)"
    )


@pytest.mark.parametrize(
    ("tests", "plain"),
    [
        (["assert f(1) == 2", "assert f([1]) is None"], True),
        (["def check(g):\n    assert g(1) == 2\n    assert abs(g(2) - 3) < 1e-6\n"], True),
        (["assert f(1) is f(1)"], False),
        (["a = [1]\nassert f(a) is a"], False),
        (["assert f(1) == f(2)"], False),
        (["assert callable(f(1))"], False),
        (["assert f(1).x == 2"], False),
        (["a = f(1)\nassert a == 2"], False),
        (["assert [f(i) for i in range(3)] == [1, 2, 3]"], False),
        (["assert type(f(1)) == int"], False),
    ],
)
def test_tests_are_plain_where_values_tell_all_that_there_is(tests, plain):
    entry_point = "f" if "check" in tests[0] else None
    each = Order(program="", setup="", tests=tests, entry_point=entry_point, rescue=False)
    assert are_plain(each) is plain


def test_the_reference_solution_is_run_before_the_first_program_and_once(monkeypatch):
    ran = []
    real = cells._examine

    def noted(order, limits, mechanism):
        ran.append(order.program)
        return real(order, limits, mechanism)

    monkeypatch.setattr(cells, "_examine", noted)
    reference = Order(
        program="def f(): return 77", setup="", tests=["assert f() == 77"], entry_point=None, rescue=False
    )
    for number in range(3):
        examine(replace(reference, program=f"def f(): return {number}"), reference)
    assert ran == ["def f(): return 77", *(f"def f(): return {number}" for number in range(3))]


def test_a_fault_of_the_sandbox_is_not_remembered_as_one_of_the_problem(monkeypatch):
    reference = Order(
        program="def f(): return 78", setup="", tests=["assert f() == 78"], entry_point=None, rescue=False
    )

    def broken(*_, **__):
        raise CellBroken("no zygote today")

    with monkeypatch.context() as patched:
        patched.setattr(cells, "Cell", broken)
        patched.setattr(cells._CELLS, "_idle", [])
        found = examine(reference, reference)
    assert found.ending is Ending.UNJUDGED
    assert "broken: no zygote today" in found.remark
    assert examine(reference, reference).ending is Ending.PASSED
