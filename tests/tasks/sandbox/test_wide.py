"""A wide cell has the packages of the list, under every mechanism; a narrow one has not."""

import pytest
from mechanisms import every_mechanism

from selfimp_bench.tasks.sandbox.cell import Cell, Ending, Order
from selfimp_bench.tasks.sandbox.policy import FULL
from selfimp_bench.tasks.sandbox.preload import are_wide

PROGRAM = "import numpy as np\ndef f():\n    return float(np.linalg.det(np.eye(3)))\n"
TESTS = ("import numpy\nassert numpy.isclose(f(), 1) and not numpy.isclose(f(), 2)",)


@every_mechanism
@pytest.mark.parametrize(
    ("wide", "ending", "remark"),
    [(True, Ending.PASSED, None), (False, Ending.FAILED, "the code: ModuleNotFoundError: No module named 'numpy'")],
)
def test_numpy_is_there_in_a_wide_cell_only(mechanism, wide, ending, remark):
    cell = Cell(mechanism, wide=wide)
    try:
        for together in (False, True):
            order = Order(program=PROGRAM, setup="", tests=TESTS, entry_point=None, rescue=False, together=together)
            found = cell.examine(order, FULL)
            assert (found.ending, found.remark) == (ending, remark)
    finally:
        cell.end()


@pytest.mark.parametrize(
    ("text", "wide"),
    [
        ("import numpy as np", True),
        ("import os, numpy", True),
        ("    from numpy.linalg import det", True),
        ("import asyncio", True),
        ("import xml.etree.ElementTree as ET", True),
        ("numpy = 3", False),
        ("import numbers", False),
        ("from math import sqrt\nx = 'numpy'", False),
    ],
)
def test_what_imports_a_module_of_the_longer_list_needs_a_wide_cell(text, wide):
    assert are_wide([text]) is wide
