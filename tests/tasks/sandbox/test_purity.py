"""Which tests leave nothing behind, and what becomes of an examiner after those that may."""

import ast

import pytest
from mechanisms import every_mechanism

from selfimp_bench.tasks.sandbox.cell import Cell, Ending, Order
from selfimp_bench.tasks.sandbox.policy import Limits
from selfimp_bench.tasks.sandbox.purity import leave_nothing


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("assert f([1], 'a') == {1: (2,)}", True),
        ("def check(candidate):\n    for i in range(3):\n        assert abs(candidate(i) - i) < 1e-6", True),
        ("M = {}\nassert sorted(f(x) for x in [1, 2]) == [1, 2]", True),
        ("import math\nassert f(1)", False),
        ("assert math.isclose(f(1), 2)", False),
        ("f.cache = 1", False),
        ("assert f(1) == open('x')", False),
        ("assert f(print) == 1", False),
        ("assert f(__builtins__)", False),
        ("class A: pass", False),
        ("global x\nx = 1", False),
        ("assert getattr(f, 'x')", False),
    ],
)
def test_only_tests_without_a_way_out_leave_nothing(source, expected):
    assert leave_nothing([ast.parse(source)]) is expected


@every_mechanism
def test_what_tests_leave_behind_is_not_there_for_the_next(mechanism):
    cell = Cell(mechanism)

    def ending(test):
        order = Order(program="def f(): return 1", setup="", tests=[test], entry_point=None, rescue=False)
        return cell.examine(order, Limits(cpu_seconds=2, wall_seconds=20)).ending

    try:
        assert ending("import builtins; builtins.sorted = lambda values: 7; assert f() == 1") is Ending.PASSED
        assert ending("assert sorted([f()]) == 7") is Ending.FAILED
        assert ending("assert sorted([f()]) == [1]") is Ending.PASSED
        assert ending("x = 5; assert f() == 1") is Ending.PASSED
        assert ending("assert f() == 1 and x == 5") is Ending.FAILED
    finally:
        cell.end()
