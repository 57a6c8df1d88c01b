"""Where files are found: experiments and suites by name and version."""

from pathlib import Path

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import entries, find_member, find_suite, is_suite, suites
from selfimp_bench.protocols.load_suite import load_suite


def test_suites_are_no_experiments_and_experiments_no_suites(tmp_path: Path) -> None:
    folder = tmp_path / "paper"
    folder.mkdir()
    for name in ("one.v1.yaml", "all.suite.v1.yaml", "source.yaml"):
        (folder / name).touch()
    assert [entry.name for entry in entries(tmp_path)] == ["one"]
    assert [(entry.name, entry.version) for entry in suites(tmp_path)] == [("all", 1)]
    assert not is_suite(folder / "one.v1.yaml")


def test_a_suite_is_found_by_name_version_and_path() -> None:
    (shipped,) = (entry for entry in suites() if entry.name == "progress-or-regress")
    assert find_suite("progress-or-regress") == find_suite("progress-or-regress@1") == shipped.path
    assert find_suite(str(shipped.path)) == shipped.path
    assert find_suite("progress-or-regress@9") is None
    assert find_suite("tiny-iter-sft") is None and find_suite("tiny-iter-sft.v1.yaml") is None


def test_a_member_is_looked_for_beside_its_suite_first(tmp_path: Path) -> None:
    beside = tmp_path / "tiny-iter-sft.v1.yaml"
    suite = tmp_path / "all.suite.v1.yaml"
    assert find_member("tiny-iter-sft", 1, suite) != beside
    beside.touch()
    assert find_member("tiny-iter-sft", 1, suite) == beside
    with pytest.raises(InputError, match="no experiment of this name"):
        find_member("nothing-like-it", 1, suite)


def test_the_paper_of_post_training_has_thirteen_experiments_and_its_suite_leaves_none_out() -> None:
    names = {entry.name for entry in entries() if entry.path.parent.name == "progress-or-regress"}
    path = find_suite("progress-or-regress")
    assert path is not None
    members = load_suite(path).experiments
    assert len(names) == 13
    assert {member.name for member in members if member.pending is None} == names
