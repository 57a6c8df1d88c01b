"""Comparing answers in worker processes: from threads, from other processes, after the worst questions."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from selfimp_bench.tasks.grading import math_equivalence
from selfimp_bench.tasks.grading.math_equivalence import Comparison, Verdict, compare

EQUAL = Comparison(verdict=Verdict.EQUAL, detail=None)


def test_the_order_of_gold_and_answer_matters():
    assert compare("1<x<2", "(1,2)").verdict is Verdict.EQUAL
    assert compare("(1,2)", "1<x<2").verdict is Verdict.DIFFERENT


def test_a_text_that_is_no_mathematics_is_compared_as_text_and_says_so():
    assert compare("5", "}{") == Comparison(
        verdict=Verdict.DIFFERENT, detail="the answer could not be read and was compared as text"
    )


def test_a_runaway_is_timed_out_and_the_next_question_is_answered():
    assert compare("5", r"\sum_{k=1}^{10000000000} k^{k}").verdict is Verdict.TIMED_OUT
    assert compare("1/2", "0.5") == EQUAL


@pytest.mark.slow
def test_many_threads_may_ask_at_once():
    with ThreadPoolExecutor(max_workers=3) as threads:
        verdicts = list(threads.map(lambda n: compare(str(n), rf"\frac{{{2 * n + n % 2}}}{{2}}").verdict, range(12)))
    assert verdicts == [Verdict.DIFFERENT if n % 2 else Verdict.EQUAL for n in range(12)]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_may_ask(method):
    assert compare("1/2", "0.5") == EQUAL
    with get_context(method).Pool(1) as pool:
        assert pool.apply(compare, ("1/2", "0.5")) == EQUAL
    assert compare("1/2", "0.5") == EQUAL


@pytest.mark.slow
def test_a_worker_that_dies_is_a_crash_and_is_replaced():
    assert compare("1/2", "0.5") == EQUAL
    for worker in math_equivalence._WORKERS._idle:
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait()
    comparisons = [compare("1/2", "0.5") for _ in range(len(math_equivalence._WORKERS._idle) + 1)]
    assert comparisons[0].verdict is Verdict.CRASHED
    assert comparisons[-1] == EQUAL


@pytest.mark.slow
def test_a_worker_ends_with_the_process_that_started_it():
    code = (
        "from selfimp_bench.tasks.grading import math_equivalence as m; m.compare('1', '2'); "
        "print(m._WORKERS._idle[0]._process.pid)"
    )
    asked = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(math_equivalence._SOURCE_ROOT)},
    )
    assert asked.stderr == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int(asked.stdout), 0)
