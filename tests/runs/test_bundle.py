"""Bundles: what goes in, signatures, what a reader refuses, and that tampering is found."""

import json
import random
import shutil
import stat
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from runs.tampering import EDITS, Target, remake
from runs.test_fetch import Make, bench, hub
from runs.test_verify import finished

from selfimp_bench.canonical import file_sha256
from selfimp_bench.cli.app import cli
from selfimp_bench.errors import InputError
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.verifying import unpack
from selfimp_bench.runs.verifying.bundle import write_bundle
from selfimp_bench.runs.verifying.found import Verification
from selfimp_bench.runs.verifying.open import verify
from selfimp_bench.runs.verifying.parts import Bundle, Part, bundle_json
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.spelled_out import text_bytes

__all__ = ["bench", "finished", "hub"]

NO_HOME = Path("/nowhere")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two key pairs, ``one`` and ``other``."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("one", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    return folder


@pytest.fixture(scope="module")
def bundle(finished: Target, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed bundle of a run of two replicates."""
    path = tmp_path_factory.mktemp("bundle") / "small.bundle.zip"
    write_bundle(finished.folder, finished.store.parent, path, key=keys / "one", with_data=False)
    return path


@pytest.fixture
def open_bundle(bundle: Path, tmp_path: Path) -> Iterator[Path]:
    """Its files in a folder, to be changed and packed again."""
    folder = tmp_path / "opened"
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    yield folder
    shutil.rmtree(folder)


def _packed(folder: Path, path: Path, *, described: bool) -> Path:
    """A bundle of a folder's files. described: with hashes in ``bundle.json`` as they are now."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    if described:
        about = msgspec.json.decode((folder / "bundle.json").read_bytes(), type=Bundle)
        named = {
            str(file.relative_to(folder)): Part(sha256=file_sha256(file), bytes=file.stat().st_size)
            for file in files
            if file.name not in ("bundle.json", "bundle.sig")
        }
        run = next(str(file.parent.relative_to(folder)) for file in files if file.name == "record.json")
        (folder / "bundle.json").write_bytes(bundle_json(replace(about, files=named, run=run)))
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            archive.write(file, str(file.relative_to(folder)))
    return path


@pytest.mark.parametrize("command", ["assess", "diff"])
def test_whoever_reads_a_bundle_refuses_what_was_not_packed_so(command: str, open_bundle: Path, tmp_path: Path) -> None:
    def said() -> str:
        path = str(_packed(open_bundle, tmp_path / "changed.zip", described=False))
        result = CliRunner().invoke(cli, [command, path] if command == "assess" else [command, path, path])
        assert result.exit_code == 2 and "Traceback" not in result.output
        return result.stderr

    findings, described = next(open_bundle.glob("runs/*/*/findings.json")), open_bundle / "bundle.json"
    before = findings.read_bytes()
    findings.write_bytes(before + b" ")
    assert "findings.json is not what was packed" in said()
    findings.write_bytes(before)
    about = msgspec.json.decode(described.read_bytes(), type=Bundle)
    described.write_bytes(bundle_json(replace(about, run="store")))
    assert "expected runs/NAME/ID, found 'store'" in said()


def _target(folder: Path) -> Target:
    return Target(folder=next(folder.glob("runs/*/*")), store=folder / "store")


def _kinds(verification: Verification) -> set[str]:
    return {each.what for each in verification.mismatches}


def test_a_bundle_holds_no_weights_and_verifies_by_itself(bundle: Path, keys: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        names = {Path(name).name for name in archive.namelist()}
    assert {"record.json", "findings.json", "samples.parquet", "vectors.parquet", "tokenizer.json"} <= names
    assert {"ro-crate-metadata.json", "README.md", "bundle.sig", "small.v1.yaml"} <= names
    assert (
        not {name for name in names if name.endswith((".safetensors", ".bin", ".pt", ".pkl"))}
        and "fake.json" not in names
    )
    verification = verify(str(bundle), NO_HOME, keys / "one.pub")
    assert verification.mismatches == () and verification.signed is not None


def test_equal_runs_give_equal_bundles_and_a_bundle_says_what_it_left_out(
    bundle: Path, finished: Target, keys: Path, tmp_path: Path
) -> None:
    written = write_bundle(
        finished.folder, finished.store.parent, tmp_path / "again.zip", key=keys / "one", with_data=False
    )
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()
    assert written.signed and written.left_out > 0


def test_a_signature_is_of_this_bundle_and_this_key(
    bundle: Path, keys: Path, tmp_path: Path, open_bundle: Path
) -> None:
    assert _kinds(verify(str(bundle), NO_HOME, keys / "other.pub")) == {"signature"}
    assert any("--key PUB" in words for words in verify(str(bundle), NO_HOME).taken)
    (open_bundle / "README.md").write_text("another")
    edited = _packed(open_bundle, tmp_path / "edited.zip", described=True)
    assert _kinds(verify(str(edited), NO_HOME, keys / "one.pub")) == {"crate", "signature"}
    (open_bundle / "bundle.sig").unlink()
    unsigned = _packed(open_bundle, tmp_path / "unsigned.zip", described=True)
    assert _kinds(verify(str(unsigned), NO_HOME, keys / "one.pub")) == {"crate", "signature"}
    with pytest.raises(InputError, match="no public key"):
        verify(str(bundle), NO_HOME, bundle)
    with pytest.raises(InputError, match="no private key that can be used"):
        write_bundle(NO_HOME, NO_HOME, tmp_path / "x.zip", key=keys / "one.pub", with_data=False)


def test_the_commands_write_and_verify_a_bundle(finished: Target, tmp_path: Path) -> None:
    out, home = tmp_path / "out.zip", str(finished.store.parent)
    made = CliRunner().invoke(cli, ["export", "small", "--home", home, "--format", "bundle", "--out", str(out)])
    assert made.exit_code == 0 and str(out) in made.output
    shown = CliRunner().invoke(cli, ["verify", str(out)])
    assert shown.exit_code == 0 and "everything matches" in shown.output


@pytest.mark.slow
def test_a_bundle_is_verified_where_nothing_heavy_is_installed(bundle: Path, tmp_path: Path) -> None:
    heavy = ("torch", "transformers", "trl", "accelerate", "datasets", "deepspeed", "peft", "sentence_transformers")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({heavy}));"
        "from selfimp_bench.cli.app import cli; cli(['verify', sys.argv[1]])"
    )
    shown = subprocess.run([sys.executable, "-c", code, str(bundle)], capture_output=True, text=True, cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "") and "everything matches" in shown.stdout


def _member(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


@pytest.mark.parametrize(
    ("member", "content", "words"),
    [
        (_member("../evil.json"), b"{}", "a path inside the folder"),
        (_member("/tmp/evil.json"), b"{}", "a path inside the folder"),
        (_member("runs/../../evil.json"), b"{}", "a path inside the folder"),
        (_member("runs\\..\\evil.json"), b"{}", "a path inside the folder"),
        (_member("./runs/x.json"), b"{}", "a path inside the folder"),
        (_member("runs/link.json", stat.S_IFLNK | 0o777), b"/etc/passwd", "no plain file"),
        (_member("runs/pipe.json", stat.S_IFIFO | 0o666), b"", "no plain file"),
        (_member("runs/../folder/"), b"", "a path inside the folder"),
        (_member("runs/folder/", stat.S_IFLNK | 0o777), b"", "no plain file"),
        (_member(f"runs/{'x' * 300}.json"), b"{}", "at most 255 bytes a name"),
        (_member("store/weights.pkl"), b"", "a bundle holds only"),
        (_member("store/model.safetensors"), b"", "a bundle holds only"),
        (_member("BUNDLE.json"), b"{}", "stands in it twice"),
        (_member("store/bomb.json"), b"0" * 50_000_000, "times as large as it is compressed"),
    ],
)
def test_a_bundle_that_breaks_a_rule_is_refused_and_nothing_is_written(
    bundle: Path, tmp_path: Path, member: zipfile.ZipInfo, content: bytes, words: str
) -> None:
    evil = tmp_path / "evil.zip"
    shutil.copyfile(bundle, evil)
    with zipfile.ZipFile(evil, "a") as archive:
        archive.writestr(member, content)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=words):
        verify(str(evil), NO_HOME)
    assert set(tmp_path.rglob("*")) == before


def test_sizes_are_bounded_whatever_the_headers_say(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("LARGEST_FILE", "LARGEST_BUNDLE", "MOST_FILES"):
        with monkeypatch.context() as patch:
            patch.setattr(unpack, limit, 3)
            with pytest.raises(InputError, match=r"at most 3 are read"):
                verify(str(bundle), NO_HOME)
    raw = bytearray(bundle.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 24] ^= 0xFF  # the size in the directory
    (tmp_path / "lies.zip").write_bytes(raw)
    with pytest.raises(InputError):
        verify(str(tmp_path / "lies.zip"), NO_HOME)


def test_a_small_file_that_is_a_huge_table_is_refused_before_it_is_read(tmp_path: Path, open_bundle: Path) -> None:
    rows = unpack.MOST_ROWS // 40
    batch = pa.table({"value": pa.array([None], pa.null()).take(pa.array([0] * 1000)).cast(pa.int8())})
    table = pa.concat_tables([batch] * (rows // 1000))
    with pq.ParquetWriter(open_bundle / "store" / "huge.parquet", table.schema) as writer:
        for _ in range(41):
            writer.write_table(table)
    huge = _packed(open_bundle, tmp_path / "huge.zip", described=True)
    assert huge.stat().st_size < 2**24
    with pytest.raises(InputError, match="more than are read"):
        verify(str(huge), NO_HOME)


@pytest.mark.parametrize("nested", [False, True])
def test_a_small_file_that_spells_out_to_terabytes_is_refused_before_it_is_read(
    tmp_path: Path, open_bundle: Path, nested: bool
) -> None:
    rows = 20_000_000
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["a" * 100_000]))
    column = pa.ListArray.from_arrays(pa.array([0, rows], pa.int32()), texts) if nested else texts
    path = open_bundle / "store" / "texts.parquet"
    pq.write_table(pa.table({"text": column}), path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 2**20
    with pytest.raises(InputError, match="more than are read"):
        verify(str(_packed(open_bundle, tmp_path / "texts.zip", described=True)), NO_HOME)


def test_tables_of_many_equal_and_many_other_texts_are_counted_as_they_are(
    tmp_path: Path,
) -> None:
    texts = [*("same" for _ in range(1000)), *(f"other {number}" for number in range(1000)), None]
    pq.write_table(pa.table({"text": texts, "lists": [[text] for text in texts]}), tmp_path / "texts.parquet")
    spelled = 2 * sum(len(text) for text in texts if text)
    for limit, refused in ((spelled + 1, False), (spelled - 1, True)):
        about = pq.read_metadata(tmp_path / "texts.parquet")
        chunks = [about.row_group(0).column(number) for number in range(about.num_columns)]
        assert (text_bytes(tmp_path / "texts.parquet", chunks, limit) > limit) is refused


@pytest.mark.parametrize("content", [b"", b"PK", b"{}", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "none.zip").write_bytes(content)
    shown = CliRunner().invoke(cli, ["verify", str(tmp_path / "none.zip")])
    assert shown.exit_code == 2 and "bundle" in shown.output and "Traceback" not in shown.output


def test_a_damaged_compressed_file_is_no_bundle_that_can_be_read(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        info = next(each for each in archive.infolist() if each.compress_type == zipfile.ZIP_DEFLATED)
    raw = bytearray(bundle.read_bytes())
    begin = info.header_offset + 30 + len(info.filename) + 20
    for place in range(begin, begin + info.compress_size, 7):
        raw[place] ^= 0xFF
    (tmp_path / "damaged.zip").write_bytes(raw)
    with pytest.raises(InputError, match="not a bundle that can be read"):
        verify(str(tmp_path / "damaged.zip"), NO_HOME)


def test_a_bundle_that_another_program_packed_verifies(open_bundle: Path, keys: Path, tmp_path: Path) -> None:
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", open_bundle)  # with entries for the folders
    verification = verify(packed, NO_HOME, keys / "one.pub")
    assert verification.mismatches == () and verification.signed is not None


def test_what_a_bundle_says_of_itself_is_compared(open_bundle: Path, tmp_path: Path) -> None:
    about, crate = open_bundle / "bundle.json", open_bundle / "ro-crate-metadata.json"
    crate.write_text(crate.read_text().replace("cpu", "tpu").replace("version 1", "version 9"))
    _packed(open_bundle, tmp_path / "first.zip", described=True)
    described = json.loads(about.read_bytes())
    weights = next(iter(described["left_out"]))
    described["left_out"][weights]["sha256"] = "0" * 64
    described["files"]["README.md"]["bytes"] += 1
    about.write_text(json.dumps(described))
    found = verify(str(_packed(open_bundle, tmp_path / "said.zip", described=False)), NO_HOME).mismatches
    assert {each.what for each in found} == {"bundle", "crate"}
    assert {each.where for each in found if each.what == "bundle"} == {f"left out: {weights}", "README.md: bytes"}
    for other, words in (
        (described | {"run": f"runs/small/{'x' * 5000}"}, "of `run` a path inside"),
        (described | {"schema": 2}, "expected schema 1"),
    ):
        about.write_text(json.dumps(other))
        with pytest.raises(InputError, match=words):
            verify(str(_packed(open_bundle, tmp_path / "other.zip", described=False)), NO_HOME)
    about.write_text(json.dumps(described).replace("{", '{"with_data": true, ', 1))
    with pytest.raises(InputError, match="stands twice"):
        verify(str(_packed(open_bundle, tmp_path / "twice.zip", described=False)), NO_HOME)


def test_files_more_and_less_are_found(open_bundle: Path, tmp_path: Path) -> None:
    (open_bundle / "runs" / "more.txt").write_text("more")
    (open_bundle / "ro-crate-metadata.json").unlink()
    verification = verify(str(_packed(open_bundle, tmp_path / "changed.zip", described=False)), NO_HOME)
    assert {(each.where, each.recomputed) for each in verification.mismatches if each.what == "bundle"} == {
        ("runs/more.txt", "there"),
        ("ro-crate-metadata.json", "not there"),
    }


@pytest.mark.slow
def test_rows_of_fetched_data_are_left_out_unless_wanted_and_then_taken_from_where_they_were_fetched_to(
    bench: Make, tmp_path: Path
) -> None:
    found = bench()
    found.fetch()
    folder = execute(found.experiment, found.home, Silent())
    for with_data in (False, True):
        path = tmp_path / f"{with_data}.zip"
        write_bundle(folder, found.home, path, key=None, with_data=with_data)
        with zipfile.ZipFile(path) as archive:
            names = {Path(name).name for name in archive.namelist()}
        assert ({"problems.parquet", "training_set.parquet"} <= names) is with_data
        assert verify(str(path), found.home).mismatches == ()
    assert verify(str(tmp_path / "True.zip"), NO_HOME).mismatches == ()
    with pytest.raises(InputError, match="are not in the bundle, and not here"):
        verify(str(tmp_path / "False.zip"), NO_HOME)


def _content(path: Path) -> dict[str, int] | None:
    """Names and checksums; None where it is no zip file that can be read. What else a zip file says is no evidence."""
    try:
        with zipfile.ZipFile(path) as archive:
            return None if archive.testzip() else {each.filename: each.CRC for each in archive.infolist()}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        return None


def _tampered(bundle: Path, folder: Path, kind: str, draw: random.Random, hidden: bool) -> Path:
    """A bundle tampered with. hidden: with every hash made anew, from the manifest's to those of ``bundle.json``."""
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    if kind == "byte":
        path = bundle.with_name(f"{folder.name}.zip")
        while not path.is_file() or _content(path) == _content(bundle):
            raw = bytearray(bundle.read_bytes())
            raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
            path.write_bytes(raw)
        return path
    made = EDITS[kind](_target(folder), draw)
    if hidden:
        remake(_target(folder), swap=made)
    return _packed(folder, bundle.with_name(f"{folder.name}.zip"), described=hidden)


@pytest.mark.slow
def test_a_hundred_tampered_bundles_are_found(bundle: Path, keys: Path, tmp_path: Path) -> None:
    """Half with all hashes made anew. Of a checkpoint's hash only a signature can then tell: no weights are there."""
    missed, seen = [], 0
    for number in range(100):
        kind, hidden = list(EDITS)[number % len(EDITS)], number % (2 * len(EDITS)) >= len(EDITS)
        draw, folder = random.Random(f"{kind} {number}"), tmp_path / str(number)
        path = _tampered(bundle, folder, kind, draw, hidden)
        signed_only = hidden and kind == "checkpoint"
        result = CliRunner().invoke(
            cli, ["verify", str(path), *(["--key", str(keys / "one.pub")] if signed_only else [])]
        )
        seen += 1
        if result.exit_code not in (1, 2) or result.exception.__class__ is not SystemExit:
            missed.append((number, kind, hidden, result.output[-300:], result.exception))
        shutil.rmtree(folder)
        path.unlink()
    assert seen == 100 and missed == []
