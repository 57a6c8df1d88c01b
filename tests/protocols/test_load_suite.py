"""Suites as files: what is read, and what is refused in which words.

``broken_suites.yaml`` has a case for every way in which a suite is refused, with the exact lines.
"""

import re
from pathlib import Path

import pytest
from broken_cases import Case, read_cases, write_case

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.suite_model import Axis
from selfimp_bench.protocols.load import InvalidManifest
from selfimp_bench.protocols.load_suite import find_suite_flaws, load_suite

HERE = Path(__file__).parents[1] / "manifest"
VALID = HERE / "valid" / "example.suite.v1.yaml"
BROKEN = read_cases(HERE / "broken_suites.yaml", VALID.name)


def test_a_valid_suite_becomes_the_dataclasses() -> None:
    assert find_suite_flaws(VALID) == ()
    suite = load_suite(VALID)
    assert [member.method for member in suite.experiments] == ["sft", "dpo"]
    best = suite.claims[0].best
    assert best is not None and best.axis is Axis.METHOD and best.winners == ("dpo",)
    assert suite.claims[1].over is not None and suite.claims[1].over.iteration == (2, 3)


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
def test_a_broken_suite_is_refused_in_these_words(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = Path(write_case(case, tmp_path).name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidManifest) as refused:
        load_suite(suite)
    assert str(refused.value).split("\n") == [f"{suite}:{line}" for line in case.refused]
    assert not re.search(r"Traceback|NoneType|\b(None|True|False|dict|tuple)\b", str(refused.value))


def test_a_missing_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; check the path"):
        load_suite(tmp_path / "nowhere.suite.v1.yaml")
