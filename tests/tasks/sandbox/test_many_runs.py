"""After a thousand hostile runs: the same endings whoever runs beside whom, no process and no file left."""

import os
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from selfimp_bench.tasks.sandbox import cells, policy
from selfimp_bench.tasks.sandbox.cell import Cell, Ending, Order
from selfimp_bench.tasks.sandbox.corpus import read_corpus
from selfimp_bench.tasks.sandbox.outside import outside
from selfimp_bench.tasks.sandbox.policy import Limits

WAITING = {Ending.CPU, Ending.WALL}


def processes():
    """The numbers of all processes on the machine that are ours or descend from us."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(path.parent.name)] = int(fields[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


@pytest.mark.slow
def test_endings_are_the_same_in_any_order_beside_any_other():
    limits = Limits(cpu_seconds=0.3, wall_seconds=10)
    mechanism = cells.sandbox_status().mechanism

    def run(order):
        return cells._examine(order, limits, mechanism)

    chosen = [attack for attack in read_corpus() if attack.ends not in {Ending.WALL, Ending.MEMORY}][::4]
    chosen = [attack for attack in chosen if attack.name != "timer_signals"]  # runs a race with itself
    with outside() as prepared:
        orders = {attack.name: attack.order(prepared.places) for attack in chosen}
        expected = {attack.name: attack.ends for attack in chosen}
        for workers, seed in ((1, 1), (4, 2)):
            names = sorted(orders)
            random.Random(seed).shuffle(names)
            with ThreadPoolExecutor(workers) as pool:
                found = dict(zip(names, pool.map(run, [orders[name] for name in names]), strict=True))
            assert {name: each.ending for name, each in found.items()} == expected
        assert prepared.traces() == ()


def judged_every_way(attacks):
    with outside() as prepared:
        for attack in attacks:
            found = cells.examine(attack.order(prepared.places), None)
            yield attack.name, found.ending
        assert prepared.traces() == ()


HOSTILE = [attack for attack in read_corpus() if attack.ends is not Ending.PASSED]


@pytest.mark.parametrize("attacks", [HOSTILE[::7], pytest.param(HOSTILE, marks=pytest.mark.slow)])
def test_no_hostile_program_passes_where_tests_are_run_both_ways(attacks, monkeypatch):
    for name in ("FULL", "SIEVE"):
        monkeypatch.setattr(policy, name, Limits(cpu_seconds=0.3, wall_seconds=10, idle_seconds=0.3))
    endings = dict(judged_every_way(attacks))
    assert len(endings) == len(attacks)
    assert Ending.PASSED not in endings.values()


@pytest.mark.slow
def test_a_thousand_hostile_runs_leave_no_process_and_no_file(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # others write into the common one
    quick = [attack for attack in read_corpus() if attack.ends not in {*WAITING, Ending.MEMORY}]
    before = processes()
    with outside() as prepared:
        cell = Cell(cells.sandbox_status().mechanism)
        try:
            for run in range(1000):
                attack = quick[run % len(quick)]
                found = cell.examine(attack.order(prepared.places), Limits(cpu_seconds=2, wall_seconds=30))
                assert found.ending is attack.ends, attack.name
        finally:
            cell.end()
        assert prepared.traces() == ()
    assert processes() - before == set()
    assert list(tmp_path.iterdir()) == []
    assert not [path for place in ("/tmp", "/var/tmp", "/dev/shm") for path in Path(place).glob("selfimp-attack*")]


def test_ending_a_cell_ends_a_program_that_is_running():
    before = processes()
    cell = Cell(cells.sandbox_status().mechanism)
    order = Order(program="while True: pass", setup="", tests=["assert f() == 1"], entry_point=None, rescue=False)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(cell.examine, order, Limits(cpu_seconds=60, wall_seconds=60))
        while len(processes() - before) < 3:
            time.sleep(0.01)
        cell._kill()
        with pytest.raises(Exception, match="zygote"):
            running.result()
    cell.end()
    assert processes() - before == set()
