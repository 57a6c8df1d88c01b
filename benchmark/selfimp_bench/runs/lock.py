"""The lock of a released study: what its experiments, its claims, its tables and its priors were, by digest.

It lies beside the study, ``NAME.vVERSION.lock``. A released study does not change: where a digest differs, something
has changed what it says, be it a row of a table that a selection newly reaches.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from selfimp_bench.canonical import digest, pretty_json
from selfimp_bench.durable import write_atomically
from selfimp_bench.errors import Flaw, InputError
from selfimp_bench.manifest.catalog import find_table
from selfimp_bench.manifest.claim_readings import every_reading
from selfimp_bench.manifest.priors import find_priors
from selfimp_bench.places import MANIFESTS
from selfimp_bench.protocols.load import LoadedFile, find_flaws, load_file
from selfimp_bench.runs.study import text_digest
from selfimp_bench.verdict.paper_check import suite_tables


@dataclass(frozen=True, kw_only=True)
class Lock:
    """sha256 of each resolved experiment, of the claims across them (None without), of each reference table and of the
    rows of each setting of priors."""

    schema: int
    experiments: Mapping[str, str]
    across: str | None
    tables: Mapping[str, str]
    priors: Mapping[str, str]


def lock_path(study: Path) -> Path:
    """Where a study's lock lies."""
    return study.with_suffix(".lock")


def lock_of(study: LoadedFile) -> Lock:
    """The lock that a study would have. Raises InputError where a table is not there."""
    across = study.across
    claims = [claim for each in study.experiments for claim in every_reading(each.manifest.claims)]
    tables = {claim.value.table for claim in claims if claim.value is not None}
    tables |= set() if across is None else set(suite_tables(across.across))
    named = {each.manifest.priors for each in study.experiments} | {None if across is None else across.across.priors}
    return Lock(
        schema=1,
        experiments={each.manifest.name: text_digest(each.text) for each in study.experiments},
        across=None if across is None else text_digest(across.text),
        tables={name: hashlib.sha256(find_table(name, study.path).read_bytes()).hexdigest() for name in sorted(tables)},
        priors={name: digest(find_priors(name, study.path).rows) for name in sorted(filter(None, named))},
    )


def write_lock(study: Path) -> Path:
    """Write the lock of a study file beside it. Raises InputError where the file is flawed or no study."""
    if flaws := find_flaws(study):
        raise InputError("\n".join(map(str, flaws)))
    loaded = load_file(study)
    if not loaded.is_study:
        raise InputError(f"{study}: one resolved experiment has no lock; expected a study file (schema: 2)")
    path = lock_path(study)
    write_atomically(path, pretty_json(lock_of(loaded)))
    return path


def lock_flaws(study: LoadedFile) -> Iterator[Flaw]:
    """What a study's lock says otherwise; that there is none, where the study is a released one."""
    path = lock_path(study.path)
    advice = (
        f"a released study does not change, a correction is a new version; `selfimp-bench lock {study.path}` writes it"
    )
    if not study.is_study:
        return
    if not path.is_file():
        if study.path.resolve().is_relative_to(MANIFESTS.resolve()):
            yield _flaw(path, f"not found; {advice}")
        return
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Lock)
    except (ValueError, RecursionError) as error:
        yield _flaw(path, f"not a lock of this version ({error}); {advice}")
        return
    now = lock_of(study)
    flaws = []
    for what, before, after in (
        ("experiment", kept.experiments, now.experiments),
        ("table", kept.tables, now.tables),
        ("priors", kept.priors, now.priors),
        ("claims across experiments", {"": kept.across}, {"": now.across}),
    ):
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                words = f"{what} {name}".strip()
                flaws.append(f"{words}: expected {_short(before.get(name))}, found {_short(after.get(name))}; {advice}")
    if not flaws and path.read_bytes() != pretty_json(now):  # a key twice, another schema, ...
        flaws.append(f"the digests are those of the study, and the rest is not as it was written; {advice}")
    yield from (_flaw(path, words) for words in flaws)


def _short(digest: str | None) -> str:
    return "none" if digest is None else f"sha256 {digest[:12]}"


def _flaw(path: Path, message: str) -> Flaw:
    return Flaw(file=str(path), line=1, column=1, where="$", message=message)
