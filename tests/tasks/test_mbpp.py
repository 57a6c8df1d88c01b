"""MBPP as a task: the layouts of its rows, prompt fields, and the real rows' digests."""

import pytest
from real_rows import real_rows

from selfimp_bench.errors import InputError
from selfimp_bench.steps.dataset import problems_digest
from selfimp_bench.tasks.mbpp import problem_from_row
from selfimp_bench.tasks.problem import Problem

TESTS = ["assert f(1) == 2", "assert f(2) == 3", "assert f(3) == 4"]
FULL = {
    "task_id": 11,
    "text": "Write f.",
    "code": "def f(x):\r\n\treturn x + 1",
    "test_list": TESTS,
    "test_setup_code": "",
    "challenge_test_list": ["assert f(-1) == 0"],
}
SANITIZED = {
    "source_file": "b.ipynb",
    "task_id": 11,
    "prompt": "Write f.",
    "code": "def f(x):\r\n\treturn x + 1",
    "test_imports": [],
    "test_list": TESTS,
}
EXPECTED = Problem(
    problem_id="11", question="Write f.", answer="def f(x):\r\n\treturn x + 1", tests=tuple(TESTS), setup=None
)


@pytest.mark.parametrize("row", [FULL, SANITIZED], ids=["full", "sanitized"])
def test_every_layout_gives_the_same_problem_under_its_task_id(row):
    assert problem_from_row(row, "test-0") == EXPECTED


def test_setup_code_and_imports_become_the_setup():
    assert problem_from_row(FULL | {"test_setup_code": "root = Node(1)\r\n"}, "r").setup == "root = Node(1)\r\n"
    assert problem_from_row(SANITIZED | {"test_imports": ["import math", "import re"]}, "r").setup == (
        "import math\nimport re"
    )


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"text": 5}, "text"),
        ({"code": ""}, "code"),
        ({"test_list": "assert"}, "test_list"),
        ({"task_id": ""}, "task_id"),
    ],
)
def test_what_cannot_be_read_is_told_by_row_and_column(change, column):
    with pytest.raises(InputError, match=f"row test-3, column '{column}'"):
        problem_from_row(FULL | change, "test-3")


@pytest.mark.parametrize(
    ("first", "last", "rows", "digest"),
    [
        (11, 510, 500, "8a5e2dba1d8b73befba760ac104558de3d8394e4a9325aab8961482d2f39dae3"),
        (601, 974, 374, "6ac99aaf26bc858973ad18e051da6084d03ef608c2eb65a37759b21e215160df"),
    ],
    ids=["test", "train"],
)
def test_the_real_rows_of_a_split_have_the_pinned_digest(first, last, rows, digest):
    split = [row for row in real_rows("mbpp/mbpp.jsonl") if first <= row["task_id"] <= last]
    assert len(split) == rows
    assert problems_digest([problem_from_row(row, f"{index}") for index, row in enumerate(split)]) == digest
