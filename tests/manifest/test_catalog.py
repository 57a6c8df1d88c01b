"""Where files are found: studies and experiments by name and version."""

import shutil
from pathlib import Path

import pytest
from support import shipped_suite

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import Place, entries, find, find_member, find_path, studies
from selfimp_bench.places import MANIFESTS

TINY = MANIFESTS / "tiny" / "tiny.v1.yaml"


def test_a_file_of_several_experiments_is_a_study_and_each_of_them_an_entry(tmp_path: Path) -> None:
    folder = tmp_path / "paper"
    folder.mkdir()
    shutil.copyfile(TINY, folder / "tiny.v1.yaml")
    for name in ("one.v1.yaml", "source.yaml"):
        (folder / name).touch()
    assert [entry.name for entry in studies(tmp_path)] == ["tiny"]
    names = ["one", "tiny-iter-sft", "tiny-iter-dpo", "tiny-iter-sft-dpo", "tiny-iter-sft-vllm"]
    assert [entry.name for entry in entries(tmp_path)] == names


def test_a_study_and_an_experiment_are_found_by_name_and_version() -> None:
    assert find("tiny") == find("tiny@1") == Place(path=TINY)
    assert find("tiny-iter-sft") == find("tiny-iter-sft@1") == Place(path=TINY, experiment="tiny-iter-sft")


def test_a_file_of_ones_own_is_found_by_its_path_and_an_experiment_in_it_after_a_hash() -> None:
    assert find(str(TINY)) == Place(path=TINY)
    assert find(f"{TINY}#tiny-iter-dpo") == Place(path=TINY, experiment="tiny-iter-dpo")
    assert find_path(f"{TINY}#tiny-iter-dpo") == find_path(str(TINY)) == find_path("tiny-iter-dpo") == TINY


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tiny-iter-sft@9", "tiny-iter-sft has no version 9; it has 1"),
        ("tiny-iter-stf", "no experiment of this name; did you mean tiny-iter-sft"),
        ("progres-or-regress", "did you mean progress-or-regress"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_what_is(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        find(name)


def test_a_member_is_looked_for_in_the_file_then_beside_it_then_in_the_catalogue(tmp_path: Path) -> None:
    assert find_member("tiny-iter-sft", 1, TINY) == Place(path=TINY, experiment="tiny-iter-sft")
    beside = tmp_path / "tiny-iter-sft.v1.yaml"
    several = tmp_path / "all.suite.v1.yaml"
    assert find_member("tiny-iter-sft", 1, several).path == TINY
    beside.touch()
    assert find_member("tiny-iter-sft", 1, several) == Place(path=beside)
    with pytest.raises(InputError, match="no experiment of this name"):
        find_member("nothing-like-it", 1, several)


def test_the_paper_of_post_training_has_thirteen_experiments_and_its_claims_across_leave_none_out() -> None:
    names = {entry.name for entry in entries() if entry.path.parent.name == "progress-or-regress"}
    assert len(names) == 13
    assert {member.name for member in shipped_suite("progress-or-regress").experiments} == names
