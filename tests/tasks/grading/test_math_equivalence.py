"""Comparing answers in worker processes: from threads, from other processes, after the worst questions."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from selfimp_bench.tasks.grading import math_equivalence
from selfimp_bench.tasks.grading.math_equivalence import Comparison, Verdict, _compare, compare

EQUAL = Comparison(verdict=Verdict.EQUAL, detail=None)


def test_the_order_of_gold_and_answer_matters():
    assert compare("1<x<2", "(1,2)").verdict is Verdict.EQUAL
    assert compare("(1,2)", "1<x<2").verdict is Verdict.DIFFERENT


def test_a_text_that_is_no_mathematics_is_compared_as_text_and_says_so():
    assert compare("5", "}{") == Comparison(
        verdict=Verdict.DIFFERENT, detail="the answer could not be read and was compared as text"
    )


@pytest.mark.slow
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
    # What is remembered needs no process.
    assert _compare("1/2", "0.5") == EQUAL
    with get_context(method).Pool(1) as pool:
        assert pool.apply(_compare, ("1/2", "0.5")) == EQUAL
    assert _compare("1/2", "0.5") == EQUAL


@pytest.mark.slow
def test_a_worker_that_dies_is_a_crash_and_is_replaced():
    assert _compare("1/2", "0.5") == EQUAL
    for worker in math_equivalence._WORKERS._idle:
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait()
    comparisons = [_compare("1/2", "0.5") for _ in range(len(math_equivalence._WORKERS._idle) + 1)]
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


def test_a_pair_is_compared_once_and_the_order_of_a_pair_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    known = math_equivalence._compare

    def ask(gold: str, answer: str) -> Comparison:
        asked.append((gold, answer))
        return known(gold, answer)

    monkeypatch.setattr(math_equivalence, "_compare", ask)
    one, other = ("17<x<29", "(17,29)"), ("(17,29)", "17<x<29")
    found = [compare(*pair).verdict for pair in (one, other, one, other, one)]
    assert found == [Verdict.EQUAL, Verdict.DIFFERENT] * 2 + [Verdict.EQUAL]
    assert asked == [one, other]


def test_a_crash_and_what_is_long_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = Comparison(verdict=Verdict.CRASHED, detail="killed")
    answers = [crash, Comparison(verdict=Verdict.EQUAL, detail=None)]
    monkeypatch.setattr(math_equivalence, "_compare", lambda _gold, _answer: answers.pop(0))
    assert compare("941/941", "1") == crash and compare("941/941", "1").verdict is Verdict.EQUAL
    answers += [crash, crash]
    assert compare("1" * 2000, "1") == compare("1" * 2000, "1") == crash and not answers
