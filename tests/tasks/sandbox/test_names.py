"""Which names of a test mean the program's things."""

import ast

import pytest

from selfimp_bench.tasks.sandbox.names import Names, names_in


@pytest.mark.parametrize(
    ("source", "entry_point", "program", "modules"),
    [
        ("assert f(1) == 2", None, ("f",), ()),
        ("assert sum(1, 2) == 3", None, ("sum",), ()),
        ("assert sum(f(1)) == 3", None, ("f",), ()),
        ("assert set(f(1)) == {1}", "f", ("f",), ()),
        ("assert f(1) == sys.getsizeof(1)", None, ("f",), ("sys",)),
        ("import math\nassert math.isclose(f(1), 2)", None, ("f",), ()),
        ("root = Node(1)\nassert depth(root) == 1", None, ("Node", "depth"), ()),
        ("def check(candidate):\n    assert candidate(1) == poly(2)", "f", ("f", "poly"), ()),
        ("assert calendar(2024) == 366", None, ("calendar",), ()),
        ("assert sum(1) == 1", "sum", ("sum",), ()),
    ],
)
def test_free_names_are_the_programs_but_built_ins_keep_their_meaning(source, entry_point, program, modules):
    assert names_in([ast.parse(source)], entry_point) == Names(program=program, modules=modules)
