"""Which calls tests will certainly make."""

import ast

import pytest

from selfimp_bench.tasks.sandbox.foresight import Call, foreseen_calls


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        ("assert f(1) == 2\nassert f([2], 'a') == 3", [(1,), ([2], "a")]),
        ("assert abs(f(1.5) - 2) < 1e-6", [(1.5,)]),
        ("def check(candidate):\n    assert candidate(1) == 2\n    assert candidate(2) == 3\ncheck(f)", [(1,), (2,)]),
        ("M = {}\n\ndef check(c):\n    import math\n    assert True\n    assert c(1)\ncheck(f)", [(1,)]),
        ("x = [1]\nassert f(x) == 2\nassert f(1) == 2", []),
        ("assert f(1) == 2\nfor i in (1, 2):\n    assert f(i) == i\nassert f(3) == 3", [(1,)]),
        ("assert f(1) == 2 or f(2) == 2", []),
        ("assert all(f(2) for i in (1, 2))", []),
        ("assert f(1) == f(2)", []),
        ("assert f(1)(2) == 3", [(1,)]),
        ("assert f(key=1) == 2", []),
        ("f(1)", []),
    ],
)
def test_only_what_is_certain_is_foreseen(source, arguments):
    assert foreseen_calls([ast.parse(source)], ["f"]) == [Call(name="f", arguments=each) for each in arguments]
