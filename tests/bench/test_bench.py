"""What the benchmark says of its rows, and how it ends. The rows are those of ``some_rows.py``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import PYTHON

from bench.row import Bar
from bench.rows import ROWS
from bench.turns import Command, all_processors, functions, processor, run, times_as_fast

ROOT = Path(__file__).parents[2]


def bench(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """``python -m bench`` with these rows."""
    paths = os.pathsep.join((str(ROOT / "benchmark"), str(Path(__file__).parent)))
    return subprocess.run(
        [PYTHON, "-m", "bench", "--peers", str(folder), "--rows", "some_rows", *words],
        env={**os.environ, "PYTHONPATH": paths, "BENCH_TRIES": str(folder / "tries")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("met", 0, ["met: speed 1 x (0.9 x to 1.25 x), bar at least 0.8 x: met", "1 measured", "0 missed"]),
        (
            "missed",
            1,
            ["missed: speed 1 x (0.9 x to 1.25 x), bar at least 1.6 x: missed", "once more", "1 missed: missed"],
        ),
        ("limited", 0, ["bar at most 0.625 x: limit: light is no faster", "0 missed"]),
        ("second", 0, ["second: speed 1 x, bar at least 1.6 x: missed", "once more", "second: speed 2 x", "0 missed"]),
        ("wrong", 1, ["wrong: not measured", "AssertionError: the two sides differ", "1 missed: wrong"]),
        ("size", 0, ["size: work 1 rows (0 rows to 2,000 rows), bar none\n"]),
    ],
)
def test_a_row_says_its_figures_and_decides_the_exit_code(
    tmp_path: Path, name: str, code: int, said: list[str]
) -> None:
    ended = bench(tmp_path, "--only", name)
    assert [each for each in said if each not in ended.stdout] == []
    assert ended.returncode == code, ended.stderr


def test_small_work_is_held_to_bars_a_fifth_lower_and_all_of_it_to_the_bars() -> None:
    bar = Bar(unit="x", at_least=1, at_most=4)
    assert (bar.eased().at_least, bar.eased().at_most) == (0.8, 5)
    (row, *_) = ROWS
    assert row.held("full") == row
    assert row.held("quick").bars == {name: each.eased() for name, each in row.bars.items()}


def test_a_missed_row_is_measured_twice_and_no_more(tmp_path: Path) -> None:
    assert bench(tmp_path, "--only", "met", "--only", "second").returncode == 0
    assert (tmp_path / "tries").read_text() == "try\ntry\n"


def test_rows_are_listed_by_tier_and_others_refused(tmp_path: Path) -> None:
    quick, full = bench(tmp_path, "--list"), bench(tmp_path, "--list", "--full")
    assert "met: this, against that\n" in quick.stdout and "long: " not in quick.stdout
    assert "long: more work, against nothing\n" in full.stdout
    unknown = bench(tmp_path, "--only", "long")
    assert unknown.returncode == 2
    assert "no row long in the quick tier; rows: met, missed, limited, second, wrong, size" in unknown.stderr


def test_the_page_and_the_record_keep_the_rows_that_are_not_measured_again(tmp_path: Path) -> None:
    assert bench(tmp_path, "--full", "--only", "size", "--only", "wrong", "--out", str(tmp_path)).returncode == 1
    assert bench(tmp_path, "--full", "--only", "limited", "--out", str(tmp_path)).returncode == 0
    lines = (tmp_path / "BENCHMARKS.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("| ")][1:] == [
        "| sums | arithmetic | - | not measured | - | missed |",
        "| work | nothing | work | 1,234 rows (0 rows to 2,000 rows) | none |  |",
        "| this | that | speed | 1 x (0.9 x to 1.25 x) | at most 0.5 x | limit: light is no faster |",
    ]
    assert any("ci/bench --full" in line and "numpy " in line for line in lines)
    assert not any("small work" in line for line in lines if "ci/bench --full" in line)
    record = json.loads((tmp_path / "benchmarks.json").read_text())
    assert [(row["name"], sorted(row["figures"])) for row in record["rows"]] == [
        ("wrong", []),
        ("size", ["work"]),
        ("limited", ["speed"]),
    ]
    assert record["versions"].keys() >= {"numpy", "torch"} and record["machine"]["cores"] >= 1
    # another tier's figures are not kept beside these
    assert bench(tmp_path, "--only", "met", "--out", str(tmp_path)).returncode == 0
    assert [row["name"] for row in json.loads((tmp_path / "benchmarks.json").read_text())["rows"]] == ["met"]


def test_turns_go_there_and_back_and_the_first_are_not_counted() -> None:
    order: list[str] = []
    spent = functions({"one": lambda: order.append("one"), "two": lambda: order.append("two")}, turns=2, unheeded=1)
    assert order == ["one", "two", "two", "one", "one", "two"]
    assert {name: len(each) for name, each in spent.items()} == {"one": 2, "two": 2}


def test_a_command_s_processor_time_and_memory_are_its_own() -> None:
    measured = """
import json, sys
from dataclasses import asdict
from bench.turns import Command, commands
busy = "x = bytearray(200_000_000)\\nfor _ in range(3_000_000): pass"
idle = "import time; time.sleep(0.3)"
wanted = {name: Command(argv=[sys.executable, "-c", code]) for name, code in (("busy", busy), ("idle", idle))}
print(json.dumps({name: asdict(each[0]) for name, each in commands(wanted, turns=1, unheeded=0).items()}))
"""
    # By a small process, as the rows are: Linux counts for a command what its parent held when it was begun.
    ended = subprocess.run(
        [sys.executable, "-c", measured],
        env={**os.environ, "PYTHONPATH": str(ROOT / "benchmark")},
        capture_output=True,
        text=True,
        check=True,
    )
    spent = json.loads(ended.stdout)
    assert spent["idle"]["wall"] >= 0.3 and spent["idle"]["processor"] < 0.3
    assert spent["busy"]["peak_bytes"] > 200_000_000 > spent["idle"]["peak_bytes"]
    assert spent["busy"]["processor"] > spent["idle"]["processor"]


def test_a_command_that_ends_otherwise_is_an_error_with_what_it_printed() -> None:
    with pytest.raises(RuntimeError, match=r"exit code 3\nno luck"):
        run(Command(argv=[sys.executable, "-c", "print('no luck'); raise SystemExit(3)"]))
    assert run(Command(argv=[sys.executable, "-c", "raise SystemExit(3)"], code=3)).processor > 0


def test_clocks_count_children() -> None:
    began, all_began = processor(), all_processors()
    run(Command(argv=[sys.executable, "-c", "for _ in range(20_000_000): pass"]))
    assert processor() - began > 0.1
    assert all_processors() - all_began > 0.1


def test_figures_are_the_median_of_the_turns_ratios() -> None:
    found = times_as_fast([1.0, 2.0, 1.0], [2.0, 2.0, 4.0])
    assert (found.low, found.value, found.high) == (1.0, 2.0, 4.0)


def test_rows_have_names_of_their_own_and_a_bar_and_run_in_the_full_tier() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row.bars and "full" in row.tiers, row.name
        assert all(isinstance(bar, Bar) for bar in row.bars.values())
