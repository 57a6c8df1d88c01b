"""The tables of tasks are what the manifests' schema offers."""

import json
from pathlib import Path

from selfimp_bench.places import PACKAGE
from selfimp_bench.tasks.grading.graders import GRADERS
from selfimp_bench.tasks.tables import GENERATORS, PROBLEM_READERS, RATIONALES

BLOCKS = json.loads(Path(PACKAGE / "manifest" / "schema" / "manifest.v1.json").read_text())["$defs"]


def test_every_task_that_a_manifest_can_name_has_a_grader_and_a_reader() -> None:
    assert set(BLOCKS["Grading"]["properties"]["task"]["enum"]) == set(GRADERS) == set(PROBLEM_READERS) - {RATIONALES}


def test_every_generator_that_a_manifest_can_name_is_there() -> None:
    assert set(BLOCKS["Generator"]["properties"]["task"]["enum"]) == set(GENERATORS)
