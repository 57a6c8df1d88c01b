"""The store keeps finished steps whole, refuses changed ones, and survives killed runs."""

import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from selfimp_bench.canonical import LARGE, file_sha256
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.steps.store import STEP_FILE, Chunks, StepRecord, Store, iterate_columns, read_table

KEY = "ab" * 32


@dataclass(frozen=True, kw_only=True)
class Row:
    name: str
    value: int | None


SCHEMA = pa.schema([("name", pa.string()), ("value", pa.int64())])


def _write(store: Store, rows: tuple[Row, ...], key: str = KEY) -> StepRecord:
    with store.lock(key), store.step_folder(key) as folder:
        folder.write_table("rows.parquet", rows, SCHEMA)
        folder.write_json("remark.json", {"b": 1, "a": "x"})
        record = replace(_record(key), artifacts=folder.artifacts(), counts={"rows": len(rows)})
        return store.finish(folder, record)


def test_a_finished_step_is_found_with_its_artifacts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    written = _write(store, (Row(name="a", value=1), Row(name="b", value=None)))
    assert store.find(KEY) == written
    assert [(artifact.path, artifact.rows) for artifact in written.artifacts] == [
        ("remark.json", None),
        ("rows.parquet", 2),
    ]
    assert read_table(store.folder(KEY) / "rows.parquet") == [{"name": "a", "value": 1}, {"name": "b", "value": None}]


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    rows = tuple(Row(name=str(i), value=i) for i in range(1000))
    first, second = _write(Store(tmp_path / "1"), rows), _write(Store(tmp_path / "2"), rows)
    assert first.content_digest() == second.content_digest()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_rows_are_written_and_read_a_few_at_a_time(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfimp_bench.steps.store._ROWS_AT_ONCE", 2)

    def rows() -> Iterator[Row]:
        for number in range(count):
            yield Row(name=str(number), value=number)

    with Store(tmp_path).step_folder(KEY) as folder:
        folder.write_table("rows.parquet", rows(), SCHEMA)
        path = folder.path / "rows.parquet"
        assert [each.rows for each in folder.artifacts()] == [count]
        assert list(iterate_columns(path, ("value", "name"))) == [(each, str(each)) for each in range(count)]
        assert read_table(path) == [{"name": str(each), "value": each} for each in range(count)]


def test_other_rows_give_another_content_digest(tmp_path: Path) -> None:
    first = _write(Store(tmp_path / "1"), (Row(name="a", value=1),))
    second = _write(Store(tmp_path / "2"), (Row(name="a", value=2),))
    assert first.content_digest() != second.content_digest()


def test_a_step_without_record_is_not_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    _write(store, ())
    (store.folder(KEY) / STEP_FILE).unlink()
    assert store.find(KEY) is None


def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RuntimeError), store.lock(KEY), store.step_folder(KEY) as folder:
        folder.write_json("half.json", {})
        raise RuntimeError
    assert store.find(KEY) is None
    assert list((tmp_path / "partial").iterdir()) == []


def test_what_a_killed_run_left_behind_is_removed_by_the_next(tmp_path: Path) -> None:
    store = Store(tmp_path)
    left = tmp_path / "partial" / f"{KEY}.dead"
    left.mkdir(parents=True)
    (left / "half.parquet").write_bytes(b"half")
    _write(store, (Row(name="a", value=1),))
    assert not left.exists()


@pytest.mark.parametrize("change", ["edit", "delete", "truncate"])
def test_a_changed_artifact_is_refused_with_what_to_do(tmp_path: Path, change: str) -> None:
    store = Store(tmp_path)
    _write(store, (Row(name="a", value=1),))
    artifact = store.folder(KEY) / "rows.parquet"
    if change == "edit":
        content = bytearray(artifact.read_bytes())
        content[-20] ^= 1
        artifact.write_bytes(bytes(content))
    elif change == "delete":
        artifact.unlink()
    else:
        artifact.write_bytes(b"")
    with pytest.raises(InputError, match=r"rows\.parquet: (was changed|is missing) .* delete .* done again"):
        store.find(KEY)


def test_a_broken_step_record_is_refused_with_what_to_do(tmp_path: Path) -> None:
    store = Store(tmp_path)
    _write(store, ())
    (store.folder(KEY) / STEP_FILE).write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        store.find(KEY)


@pytest.mark.parametrize("size", [2**20, LARGE + 1])
def test_one_flipped_byte_is_noticed_where_the_file_is_read_however_large_it_is(tmp_path: Path, size: int) -> None:
    store = Store(tmp_path)
    with store.step_folder(KEY) as folder:
        (folder.path / "model.safetensors").write_bytes(bytes(size))
        record = store.finish(folder, replace(_record(KEY), artifacts=folder.artifacts()))
    path = store.proved(record, "model.safetensors")
    for place in (0, size // 2, size - 1):
        with path.open("r+b") as stream:
            stream.seek(place)
            stream.write(b"\1")
        with pytest.raises(InputError, match=r"model\.safetensors: was changed .* delete"):
            store.proved(record, "model.safetensors")
        with path.open("r+b") as stream:
            stream.seek(place)
            stream.write(b"\0")
        assert store.proved(record, "model.safetensors") == path


def test_a_large_file_is_hashed_once_by_a_process_while_nobody_writes_to_it(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(LARGE + 1))
    first = time.perf_counter()
    found = file_sha256(path)
    second = time.perf_counter()
    assert file_sha256(path) == found
    assert time.perf_counter() - second < (second - first) / 3


def _changes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of a JSON value that hold no object or list, and those that hold one that is empty."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [each for key, part in parts for each in _changes(part, (*path, key))]
    yield from found or [path]


def test_every_change_of_a_step_record_is_noticed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    _write(store, (Row(name="a", value=1),))
    path = store.folder(KEY) / STEP_FILE
    whole = path.read_text()
    places = list(_changes(json.loads(whole)))
    assert len(places) > 15
    for place in places:
        record = json.loads(whole)
        inner = record
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = {"x": "changed"} if isinstance(inner[place[-1]], dict) else "changed"
        path.write_text(json.dumps(record))
        with pytest.raises(InputError, match=r"step\.json: (was edited|cannot be read).* delete"):
            store.find(KEY)
    for text in (whole[:-3], whole[:100], "", "[]", "null", whole.replace("{", '{"stage": "train",', 1), "[" * 10**5):
        path.write_text(text)
        with pytest.raises(InputError, match=r"step\.json"):
            store.find(KEY)
    path.write_text(whole)
    assert store.find(KEY) is not None


def test_the_record_of_another_step_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    _write(store, ())
    store.folder(KEY).rename(store.folder("cd" * 32))
    with pytest.raises(InputError, match="is that of another step"):
        store.find("cd" * 32)


@pytest.mark.parametrize("place", range(0, 100, 7))
def test_a_chunk_with_a_flipped_bit_is_made_anew(tmp_path: Path, place: int) -> None:
    chunks = Chunks(tmp_path)
    chunks.add([Row(name="a" * 50, value=1), Row(name="b" * 50, value=2)])
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert chunks.read(Row) == [] and list(tmp_path.iterdir()) == []


def _record(key: str) -> StepRecord:
    return StepRecord(
        schema=1,
        fingerprint=key,
        stage="grade",
        block={"x": 1},
        version="v",
        inputs={},
        artifacts=(),
        counts={},
        seconds=0.1,
    )


def _race(root: str, log: str) -> None:
    store = Store(Path(root))
    with store.lock(KEY):
        if store.find(KEY) is None:
            with Path(log).open("a") as stream:
                stream.write("did it\n")
            time.sleep(0.2)
            with store.step_folder(KEY) as folder:
                folder.write_table("rows.parquet", (Row(name="a", value=1),), SCHEMA)
                store.finish(folder, replace(_record(KEY), artifacts=folder.artifacts()))


def test_what_a_resume_needs_outlives_a_kill_and_goes_with_the_finished_step_and_logs_stay(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    (store.partial(KEY) / "checkpoint").touch()
    (store.logs(KEY) / "speed.jsonl").touch()
    with suppress(StepFailed), store.step_folder(KEY):
        raise StepFailed("killed")
    assert (store.partial(KEY) / "checkpoint").is_file()
    _race(str(tmp_path / "store"), str(tmp_path / "log"))
    record = store.find(KEY)
    assert record is not None and [artifact.path for artifact in record.artifacts] == ["rows.parquet"]
    assert list((tmp_path / "store" / "partial").iterdir()) == []
    assert (store.logs(KEY) / "speed.jsonl").is_file()


def test_two_runs_at_a_time_do_a_step_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    spawn = multiprocessing.get_context("spawn")
    runs = [spawn.Process(target=_race, args=(str(tmp_path / "store"), str(log))) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0, 0, 0]
    assert log.read_text() == "did it\n"
