"""Opening a stranger's bundle: plain files only, inside their folder, of known kinds and bounded sizes.

Nothing in it is ever run: Parquet, JSON, YAML (safe), CSV and text. What breaks a rule is refused before anything is
written; what is merely damaged is found when the run is verified.
"""

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from selfimp_bench.canonical import file_sha256
from selfimp_bench.errors import InputError
from selfimp_bench.plain_json import plain_json
from selfimp_bench.runs.folders import A_FILE, is_inside
from selfimp_bench.runs.verifying.found import Found
from selfimp_bench.runs.verifying.parts import BUNDLE, SIGNATURE, Bundle
from selfimp_bench.steps.spelled_out import bytes_at_least

MOST_FILES: Final = 1_000_000
LARGEST_FILE: Final = 4 * 2**30
LARGEST_BUNDLE: Final = 64 * 2**30
"""Bytes of one file, and of all together, uncompressed."""

LARGEST_RATIO: Final = 200
"""A file of more than a MiB is at most so many times as large as it is compressed."""

MOST_ROWS: Final = 200_000_000
LARGEST_TABLE: Final = 16 * 2**30
"""Rows of one table, and its bytes, uncompressed."""

_KINDS: Final = frozenset((".json", ".jsonl", ".parquet", ".yaml", ".csv", ".txt", ".md", ".log", ".sig", ".jinja"))
_AT_ONCE: Final = 2**20


def unpack(path: Path, into: Path, found: Found) -> Bundle:
    """Unpack a bundle into an empty folder, and compare every file with what ``bundle.json`` says of it.

    Raises InputError for what is no bundle, and for one that breaks a rule.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            everything = archive.infolist()
            _refuse(path, everything)
            members = [member for member in everything if not member.is_dir()]
            for member in members:
                _extract(path, archive, member, into)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise InputError(f"{path}: not a bundle that can be read ({error}); fetch it anew") from None
    bundle = _described(path, into)
    _compare(bundle, {member.filename for member in members}, into, found)
    for table in sorted(into.rglob("*.parquet")):
        _refuse_large_table(path, table, into)
    return bundle


def _refuse(path: Path, members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    if len(names) > MOST_FILES:
        raise InputError(f"{path}: {len(names)} files; at most {MOST_FILES} are read")
    if len({name.casefold() for name in names}) != len(names):
        raise InputError(f"{path}: a file stands in it twice (capitals do not count); expected every file once")
    for member in members:
        if (words := _forbidden(member)) is not None:
            raise InputError(f"{path}: {ascii(member.filename)[:100]}: {words}")
    total = sum(member.file_size for member in members)
    if total > LARGEST_BUNDLE:
        raise InputError(f"{path}: {total:,} bytes in all; at most {LARGEST_BUNDLE:,} are read")


def _forbidden(member: zipfile.ZipInfo) -> str | None:
    """Which rule a file breaks; None for none."""
    name = member.filename.removesuffix("/")
    if not is_inside(name) or str(PurePosixPath(name)) != name:
        return f"expected {A_FILE}"
    kind = stat.S_IFMT(member.external_attr >> 16)
    if member.is_dir() and kind in (0, stat.S_IFDIR) and member.file_size == 0:
        return None  # other programs that make zip files name folders, too
    if member.is_dir() or kind not in (0, stat.S_IFREG):
        return "no plain file; a bundle has no links or devices"
    if PurePosixPath(name).suffix not in _KINDS:
        return f"a bundle holds only {', '.join(sorted(_KINDS))}"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
        return "compressed or encrypted in a way that no bundle is"
    if member.file_size > LARGEST_FILE:
        return f"{member.file_size:,} bytes; at most {LARGEST_FILE:,} are read"
    if member.file_size > max(_AT_ONCE, LARGEST_RATIO * member.compress_size):
        return f"over {LARGEST_RATIO} times as large as it is compressed"
    return None


def _extract(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: Path) -> None:
    """One file, and never more bytes than its header said and ``_refuse`` allowed."""
    target = into / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with archive.open(member) as source, target.open("xb") as sink:
        while piece := source.read(_AT_ONCE):
            left -= len(piece)
            if left < 0:
                raise InputError(f"{path}: {member.filename} is larger than it says")
            sink.write(piece)


def _described(path: Path, into: Path) -> Bundle:
    try:
        raw = (into / BUNDLE).read_bytes()
        plain_json(raw)  # no key twice
        bundle = msgspec.json.decode(raw, type=Bundle)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: no bundle: {BUNDLE} cannot be read ({error})") from None
    if bundle.schema != 1 or not is_inside(bundle.run):
        raise InputError(f"{path}: {BUNDLE}: expected schema 1, and of `run` {A_FILE}")
    return bundle


def _compare(bundle: Bundle, there: set[str], into: Path, found: Found) -> None:
    for name in sorted(there ^ {*bundle.files, BUNDLE} - {SIGNATURE}):
        if name != SIGNATURE:
            found.differs(
                "bundle", name, "not named" if name in there else "named", "there" if name in there else "not there"
            )
    for name, part in bundle.files.items():
        if name in there:
            found.compare("bundle", name, part.sha256, file_sha256(into / name))
            found.compare("bundle", f"{name}: bytes", part.bytes, (into / name).stat().st_size)


def _refuse_large_table(path: Path, table: Path, into: Path) -> None:
    """A small file can be a huge table, so its own account of itself is asked before it is read."""
    try:
        about = pq.read_metadata(table)
        size = bytes_at_least(table, LARGEST_TABLE)
    except (OSError, ValueError, pa.ArrowException):
        return  # damaged: found when it is compared
    name = table.relative_to(into)
    if about.num_rows > MOST_ROWS or size > LARGEST_TABLE or about.num_rows < 0 or size < 0:
        raise InputError(f"{path}: {name}: {about.num_rows:,} rows in {size:,} bytes are more than are read")
