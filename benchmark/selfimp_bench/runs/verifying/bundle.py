"""Writing a bundle: one zip file with what a reviewer of a run needs, laid out as a home."""

import hashlib
import io
import shutil
import tempfile
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from selfimp_bench.canonical import file_sha256
from selfimp_bench.errors import InputError
from selfimp_bench.runs.evidence import run_faults, study_faults
from selfimp_bench.runs.folders import FINDINGS, RECORD, STUDY_RECORD, is_of_several
from selfimp_bench.runs.judge import judge_study
from selfimp_bench.runs.record import read_record, read_study_record
from selfimp_bench.runs.verifying.crate import crate_json
from selfimp_bench.runs.verifying.parts import (
    BUNDLE,
    CRATE,
    README,
    SIGNATURE,
    Bundle,
    Part,
    bundle_json,
    is_left_out,
    run_folders,
)
from selfimp_bench.runs.verifying.plans import plan_of
from selfimp_bench.runs.verifying.signing import private_key, sign
from selfimp_bench.steps.store import STEP_FILE

_LOGS: Final = (".jsonl", ".log", ".txt", ".json", ".csv")
_LARGEST_LOG: Final = 8 * 2**20

_README: Final = """# The evidence of `{run}`

`selfimp-bench verify` on this file computes every grade, measurement and verdict again from what the models wrote, and
checks every hash. It needs no GPU, no PyTorch and no network.

- `runs/`: manifest, record, reference tables, measurements and findings
- `store/`: what every step wrote, by its fingerprint: problems, completions, grades, training sets, embeddings, logs;
  of checkpoints `step.json` has the hashes, not the weights
- `bundle.json`: the sha256 of every file; `bundle.sig`, if it is there, is an Ed25519 signature of that
- `ro-crate-metadata.json`: the same for machines, a Workflow Run RO-Crate
"""


@dataclass(frozen=True, kw_only=True)
class Written:
    """A bundle that was written: its files, their bytes together, and the bytes of the zip file; what it leaves out."""

    path: str
    files: int
    bytes: int
    size: int
    left_out: int
    signed: bool


def write_bundle(folder: Path, home: Path, out: Path, *, key: Path | None, with_data: bool) -> Written:
    """Write the bundle of a run folder in its home; equal runs give equal bytes.

    key: the private key to sign with. with_data: rows of fetched data go in, too, which their licence must allow.
    Raises InputError where something is missing or was changed since.
    """
    signer = None if key is None else private_key(key)
    _refuse_changed(folder)
    if any(not (each / FINDINGS).is_file() for each in run_folders(folder)):
        judge_study(folder)
    sources: dict[str, Path] = {}
    left_out: dict[str, Part] = {}
    for each in run_folders(folder):
        sources |= _run_files(each, home)
        if not is_of_several(each):
            for name, path, part in _step_files(each, home, with_data=with_data):
                if path is None:
                    left_out[name] = part
                else:
                    sources[name] = path
    files = {name: Part(sha256=file_sha256(path), bytes=path.stat().st_size) for name, path in sources.items()}
    run = folder.relative_to(home).as_posix()
    readme = _README.format(run=run).encode()
    files[README] = Part(sha256=_digest(readme), bytes=len(readme))
    crate = crate_json(folder, run, files)
    files[CRATE] = Part(sha256=_digest(crate), bytes=len(crate))
    described = bundle_json(
        Bundle(schema=1, run=run, with_data=with_data, files=dict(sorted(files.items())), left_out=left_out)
    )
    extra = {BUNDLE: described, CRATE: crate, README: readme} | (
        {} if signer is None else {SIGNATURE: sign(described, signer)}
    )
    _zip(sources, extra, out)
    return Written(
        path=str(out),
        files=len(files),
        bytes=sum(part.bytes for part in files.values()),
        size=out.stat().st_size,
        left_out=len(left_out),
        signed=key is not None,
    )


def write_crate(folder: Path, home: Path, out: Path, *, key: Path | None, with_data: bool) -> Written:
    """The same as a folder, which is an RO-Crate as it lies there. Raises InputError for a folder that holds files."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already; expected a new or an empty folder: a crate lists all of its files")
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch) / "bundle.zip"
        written = write_bundle(folder, home, packed, key=key, with_data=with_data)
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(out)
    return replace(written, path=str(out), size=written.bytes)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _run_files(folder: Path, home: Path) -> dict[str, Path]:
    """What a run folder's record names, and the record and findings themselves; pages and figures are made anew."""
    record = read_study_record(folder) if is_of_several(folder) else read_record(folder)
    names = [STUDY_RECORD if is_of_several(folder) else RECORD, FINDINGS, *record.files]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{folder / missing[0]}: not found; the run is incomplete, run it again")
    return {(folder / name).relative_to(home).as_posix(): folder / name for name in names}


def _refuse_changed(folder: Path) -> None:
    if is_of_several(folder):
        faults = study_faults(folder, read_study_record(folder))
    else:
        faults = run_faults(folder, read_record(folder))
    if faults:
        raise InputError("\n".join(faults))


def _step_files(folder: Path, home: Path, *, with_data: bool) -> Iterator[tuple[str, Path | None, Part]]:
    """The files of a run's steps, by their names in the bundle; without a path those that are left out."""
    plan, record = plan_of(folder), read_record(folder)
    steps = plan.by_id()
    for row in record.steps:
        if row.id not in steps:
            words = f"its record has step {row.id}, which the installed version does not plan"
            raise InputError(f"{folder}: {words}; install the version that did the run, or run it again")
        own = home / "store" / row.fingerprint
        for artifact in row.artifacts:
            name = f"store/{row.fingerprint}/{artifact.path}"
            part = Part(sha256=artifact.sha256, bytes=artifact.bytes)
            path = own / artifact.path
            if is_left_out(plan, steps[row.id], artifact.path, with_data=with_data):
                yield name, None, part
            elif not path.is_file() or file_sha256(path) != artifact.sha256:
                raise InputError(f"{path}: missing, or changed since its step finished; run again")
            else:
                yield name, path, part
        yield f"store/{row.fingerprint}/{STEP_FILE}", own / STEP_FILE, Part(sha256="", bytes=0)
        for log in sorted((home / "store" / "logs" / row.fingerprint).glob("*")):
            if log.is_file() and log.suffix in _LOGS and log.stat().st_size <= _LARGEST_LOG:
                yield f"store/logs/{row.fingerprint}/{log.name}", log, Part(sha256="", bytes=0)


def _zip(sources: dict[str, Path], extra: dict[str, bytes], out: Path) -> None:
    """A zip file whose bytes its content decides. Parquet is compressed already."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    try:
        with zipfile.ZipFile(partial, "w", allowZip64=True) as archive:
            for name in sorted({*sources, *extra}):
                info = zipfile.ZipInfo(name)
                info.compress_type = zipfile.ZIP_STORED if name.endswith(".parquet") else zipfile.ZIP_DEFLATED
                info.external_attr = 0o100644 << 16
                source = io.BytesIO(extra[name]) if name in extra else sources[name].open("rb")
                with source, archive.open(info, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
