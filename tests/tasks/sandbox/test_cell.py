"""One cell: a start that fails, and examinations at the edge of what it takes."""

import textwrap
from pathlib import Path

import pytest
from mechanisms import every_mechanism

from selfimp_bench.tasks.sandbox import mechanism as mechanisms
from selfimp_bench.tasks.sandbox.cell import Cell, Ending, Order
from selfimp_bench.tasks.sandbox.mechanism import Mechanism, MechanismMissing
from selfimp_bench.tasks.sandbox.policy import LONGEST_MESSAGE, LONGEST_PROGRAM, Limits

LIMITS = Limits(cpu_seconds=20, wall_seconds=60)


def order(program="def f(): return 1", test="assert f() == 1"):
    return Order(program=program, setup="", tests=[textwrap.dedent(test)], entry_point=None, rescue=False)


@pytest.fixture
def cell(mechanism):
    started = Cell(mechanism)
    yield started
    started.end()


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_start_without_the_means_leaves_no_connection_open(monkeypatch):
    monkeypatch.setattr(mechanisms.shutil, "which", lambda *_, **__: None)
    before = open_descriptors()
    with pytest.raises(MechanismMissing, match="bwrap is not installed"):
        Cell(Mechanism.BUBBLEWRAP)
    assert open_descriptors() == before


@every_mechanism
def test_a_cell_that_ends_leaves_no_connection_open(mechanism):
    before = open_descriptors()
    cell = Cell(mechanism)
    assert cell.examine(order(), LIMITS).ending is Ending.PASSED
    cell.end()
    assert open_descriptors() == before


@every_mechanism
def test_there_is_a_verdict_where_values_have_used_up_all_memory(cell):
    test = """
        kept = []
        for size in (1 << 20, 1 << 12, 256, 64):
            try:
                while True: kept.append(bytearray(size))
            except MemoryError: pass
        while True: kept = [kept]
    """
    found = cell.examine(order(test=test), LIMITS)
    assert (found.ending, found.remark) == (Ending.MEMORY, "the tests: MemoryError")
    assert cell.examine(order(), LIMITS).ending is Ending.PASSED


@every_mechanism
def test_what_a_program_says_is_one_printable_line(cell):
    found = cell.examine(order("def f(): raise ValueError('\\ud800\\x1b[2J\\n\\u202e ä')"), LIMITS)
    assert found.remark == r"test 1 of 1: ValueError: \ud800\x1b[2J\n\u202e ä"


@every_mechanism
def test_the_longest_program_fits_however_it_is_written_and_a_longer_one_is_none(cell):
    longest = "def f(): return 1\n#".ljust(LONGEST_PROGRAM, "\U0001f600")
    assert cell.examine(order(longest), LIMITS).ending is Ending.PASSED
    found = cell.examine(order(f"{longest}x"), LIMITS)
    assert (found.ending, found.characters) == (Ending.NO_PROGRAM, LONGEST_PROGRAM + 1)
    assert cell.examine(order(), LIMITS).ending is Ending.PASSED


@every_mechanism
def test_tests_that_are_too_long_for_a_message_are_refused(cell):
    with pytest.raises(OverflowError, match=f"more than {LONGEST_MESSAGE} bytes"):
        cell.examine(order(test="#".ljust(LONGEST_MESSAGE)), LIMITS)
