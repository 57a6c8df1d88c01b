"""What is to be verified: a run folder in its home, or a bundle."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selfimp_bench.engines.hub.fetched import hub_folder
from selfimp_bench.errors import InputError
from selfimp_bench.plural import plural
from selfimp_bench.runs.folders import find_run, is_of_several
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.verifying.compare import compare_json
from selfimp_bench.runs.verifying.crate import crate_json
from selfimp_bench.runs.verifying.found import Found, Verification
from selfimp_bench.runs.verifying.parts import (
    BUNDLE,
    CRATE,
    SIGNATURE,
    Bundle,
    Part,
    bundle_json,
    is_left_out,
    run_folders,
)
from selfimp_bench.runs.verifying.signing import is_signed_by
from selfimp_bench.runs.verifying.steps import Kept
from selfimp_bench.runs.verifying.unpack import unpack
from selfimp_bench.runs.verifying.verify import readable, verify_run


def verify(run: str, home: Path, key: Path | None = None) -> Verification:
    """Verify a bundle by its path, or a run by its name or folder.

    key: the public key that a bundle is to be signed by. Raises InputError where a run, or the store that it came from,
    is not there, and for a bundle that cannot be read or breaks a rule (``unpack.py``).
    """
    if Path(run).is_file():
        return _verify_bundle(Path(run), home, key)
    if key is not None:
        raise InputError(f"{run}: not a bundle; only bundles are signed, so --key has nothing to check")
    folder = find_run(run, home).resolve()
    own = home_of(folder, home)
    kept = Kept(
        store=own / "store", runs=own / "runs", hub=hub_folder(home), left_out=lambda _plan, _step, _path: False
    )
    return verify_run(folder, kept)


def home_of(folder: Path, home: Path) -> Path:
    """The home of a run folder: the one that it lies in, else the one named. Raises InputError where neither is."""
    for own in (folder.parent.parent.parent, home):
        if (own / "store").is_dir() and folder.parent.parent.name == "runs":
            return own
    raise InputError(
        f"{folder}: the store with what its models wrote is not here; expected a run folder in its home "
        "(HOME/runs/NAME/ID beside HOME/store), or a bundle of the run"
    )


@contextmanager
def whole_bundle(path: Path) -> Iterator[tuple[Path, Path]]:
    """A bundle's run folder and store, unpacked meanwhile.

    Raises InputError for what is no bundle, and for one whose files are not those that it names.
    """
    found = Found()
    with _unpacked(path, found) as (into, bundle):
        if found.mismatches:
            first = found.mismatches[0]
            raise InputError(f"{path}: {first.where} is not what was packed; `selfimp-bench verify {path}` says all")
        yield into / bundle.run, into / "store"


@contextmanager
def _unpacked(path: Path, found: Found) -> Iterator[tuple[Path, Bundle]]:
    """The home that a bundle is, in a folder of its own; ``found`` hears what is not as it was packed."""
    with tempfile.TemporaryDirectory(prefix="selfimp-bench-bundle-") as scratch:
        into = Path(scratch).resolve()
        bundle = unpack(path, into, found)
        if len(Path(bundle.run).parts) != 3 or Path(bundle.run).parts[0] != "runs":
            raise InputError(f"{path}: {BUNDLE}: $.run: expected runs/NAME/ID, found {ascii(bundle.run)[:100]}")
        yield into, bundle


def _verify_bundle(path: Path, home: Path, key: Path | None) -> Verification:
    found = Found()
    with _unpacked(path, found) as (into, bundle):
        signed = _signature(found, into, key)
        kept = Kept(
            store=into / "store",
            runs=into / "runs",
            hub=hub_folder(home),
            left_out=lambda plan, step, name: is_left_out(plan, step, name, with_data=bundle.with_data),
        )
        if bundle.left_out:
            found.taken.append(
                f"{plural(len(bundle.left_out), 'file')} that the bundle leaves out (weights), by their hashes"
            )
        _compare_described(found, into / bundle.run, bundle)
        return verify_run(into / bundle.run, kept, found=found, signed=signed, subject=str(path))


def _compare_described(found: Found, folder: Path, bundle: Bundle) -> None:
    """What a bundle says of itself beside its files: the hashes of those that are left out, and the crate."""
    with readable(found, "bundle", BUNDLE):
        expected = {
            name: Part(sha256=each.sha256, bytes=each.bytes)
            for run in run_folders(folder)
            if not is_of_several(run)
            for step in read_record(run).steps
            for each in step.artifacts
            if (name := f"store/{step.fingerprint}/{each.path}") not in bundle.files
        }
        for name in sorted({*expected, *bundle.left_out}):
            found.compare("bundle", f"left out: {name}", bundle.left_out.get(name), expected.get(name))
    home = folder.parent.parent.parent
    compare_json(found, "bundle", BUNDLE, (home / BUNDLE).read_bytes(), bundle_json(bundle))
    with readable(found, "crate", CRATE):
        others = {name: part for name, part in bundle.files.items() if name != CRATE}
        compare_json(found, "crate", CRATE, (home / CRATE).read_bytes(), crate_json(folder, bundle.run, others))


def _signature(found: Found, into: Path, key: Path | None) -> str | None:
    """By whose key the bundle is signed, where that was asked for and is so."""
    signature = into / SIGNATURE
    if key is None:
        if signature.is_file():
            found.taken.append("the bundle's signature: --key PUB checks it by the signer's public key")
        return None
    if not signature.is_file():
        found.differs("signature", SIGNATURE, "none", f"by {key}")
        return None
    if not is_signed_by((into / BUNDLE).read_bytes(), signature.read_bytes(), key):
        found.differs("signature", SIGNATURE, "one of another key, or of another bundle", f"by {key}")
        return None
    return f"by {key}"
