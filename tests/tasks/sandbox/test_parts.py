"""Setup and tests as parts, and which of them ask a program anything."""

import ast

import pytest

from selfimp_bench.tasks.sandbox.parts import Unreadable, ask_nothing, parts_of

CHECK = "def check(candidate):\n    assert candidate(1) == 1"


def test_setup_comes_first_and_the_call_of_check_last():
    parts = parts_of("import math", ["x = 1", CHECK], "f")
    assert [(part.at, ast.unparse(part.tree)) for part in parts] == [
        ("the setup", "import math"),
        ("test 1 of 3", "x = 1"),
        ("test 2 of 3", CHECK),
        ("test 3 of 3", "check(f)"),
    ]
    assert [part.at for part in parts_of("", [CHECK], None)] == ["test 1 of 1"]


@pytest.mark.parametrize(
    ("setup", "tests", "entry_point", "reason"),
    [
        ("import", ["assert f()"], None, "the setup is no Python (invalid syntax, line 1)"),
        ("", ["assert f()", "assert f(\n"], None, "test 2 of 2 is no Python ('(' was never closed, line 1)"),
        ("", ["assert f()\0"], None, "test 1 of 1 is no Python (source code string cannot contain null bytes)"),
        ("", [CHECK], "", "entry_point is no Python (invalid syntax, line 1)"),
        ("", [CHECK], "f g", "entry_point is no Python (invalid syntax. Perhaps you forgot a comma?, line 1)"),
    ],
)
def test_what_is_no_python_is_named(setup, tests, entry_point, reason):
    with pytest.raises(Unreadable) as raised:
        parts_of(setup, tests, entry_point)
    assert str(raised.value) == reason


@pytest.mark.parametrize(
    ("setup", "tests", "entry_point", "expected"),
    [
        ("", ["assert f(1) == 1"], None, False),
        ("", ["assert sum(1, 2) == 4"], None, False),
        ("", [CHECK], "f", False),
        ("", [CHECK], "sum", False),
        ("", [CHECK], "Solution().run", False),
        ("", [CHECK, "check(f)"], None, False),
        ("root = Node(1)", ["assert root.value == 1"], None, False),
        ("", [CHECK], None, True),
        ("", ["def check(candidate):\n    assert candidate(1) == g(1)"], None, True),
        ("", ["class Case:\n    def test(self):\n        assert f(1) == 1"], None, True),
        ("", ["x = 1"], "f", True),
        ("import math", ["assert math.pi > 3"], None, True),
    ],
)
def test_tests_without_a_name_of_the_program_where_it_is_run_ask_nothing(setup, tests, entry_point, expected):
    assert ask_nothing(parts_of(setup, tests, entry_point), entry_point) is expected
