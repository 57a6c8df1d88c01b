"""Run folders by name, of one experiment and of several."""

from pathlib import Path

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.runs.folders import find_run, is_of_several, record_path


def _finished(home: Path, name: str, record: str) -> Path:
    folder = home / "runs" / name
    folder.mkdir(parents=True)
    (folder / record).write_text("{}")
    return folder


@pytest.mark.parametrize(("record", "several"), [("record.json", False), ("study.json", True)])
def test_a_run_is_found_by_its_folder_by_its_id_and_by_its_name_alone(
    tmp_path: Path, record: str, several: bool
) -> None:
    folder = _finished(tmp_path, "mine/abc", record)
    assert [find_run(name, tmp_path) for name in (str(folder), "mine/abc", "mine")] == [folder] * 3
    assert (is_of_several(folder), record_path(folder)) == (several, folder / record)


def test_a_name_with_several_runs_is_refused_with_all_of_them(tmp_path: Path) -> None:
    for name in ("mine/one", "mine/two"):
        _finished(tmp_path, name, "record.json")
    with pytest.raises(InputError, match=r"mine: 2 runs; name one of mine/one, mine/two"):
        find_run("mine", tmp_path)


def test_a_folder_without_a_record_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine" / "broken-off").mkdir(parents=True)
    for place in (str(tmp_path / "runs" / "mine" / "broken-off"), "mine/broken-off", "mine"):
        with pytest.raises(InputError, match=r"a folder without record.json or study.json: .*`selfimp-bench run NAME`"):
            find_run(place, tmp_path)
    with pytest.raises(
        InputError, match=r"other: no finished run there, nor under .*; `selfimp-bench run other` makes"
    ):
        find_run("other", tmp_path)


def test_a_run_of_several_by_an_earlier_version_is_called_that_and_not_missing(tmp_path: Path) -> None:
    folder = _finished(tmp_path, "mine/abc", "suite.json")
    for name in (str(folder), "mine/abc", "mine"):
        with pytest.raises(InputError, match=r"mine/abc: found suite.json, expected .*; judge it with that version"):
            find_run(name, tmp_path)


def test_a_path_that_is_no_run_is_not_offered_as_a_name_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"`selfimp-bench run NAME` makes one"):
        find_run("no/such", tmp_path)
