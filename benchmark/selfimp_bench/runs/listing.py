"""The runs of a home, newest first, each in a line: what it is, and what was found when it was last judged."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from selfimp_bench.errors import InputError
from selfimp_bench.runs.findings_file import read_findings
from selfimp_bench.runs.folders import FINDINGS, RECORD, STUDY_RECORD
from selfimp_bench.runs.record import RunRecord, read_record, read_study_record


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A finished run: ``run`` is what other commands take, NAME/ID.

    started: when the invocation that finished it began, in UTC; of several experiments that of the last of them. seeds:
    how many. verdicts: how many findings have each verdict, as last judged: of a study those across its experiments.
    words: why there are none, or why the run cannot be read.
    """

    run: str
    profile: str
    started: str
    seeds: int
    verdicts: Mapping[str, int]
    words: str


def listed_runs(home: Path) -> tuple[Listed, ...]:
    """Every folder under ``home/runs`` that holds a record; nothing is judged, and no digest is looked at."""
    found = [_listed(folder) for folder in sorted((home / "runs").glob("*/*")) if _records(folder)]
    return tuple(sorted(found, key=lambda each: each.started, reverse=True))


def _records(folder: Path) -> list[str]:
    return [name for name in (STUDY_RECORD, RECORD) if (folder / name).is_file()]


def _listed(folder: Path) -> Listed:
    run = f"{folder.parent.name}/{folder.name}"
    try:
        own = list(_of(folder))
    except InputError as error:
        return Listed(run=run, profile="", started="", seeds=0, verdicts={}, words=str(error))
    verdicts, words = _found(folder, own[0])
    return Listed(
        run=run,
        profile=own[0].profile,
        started=max(each.started for each in own),
        seeds=len(own[0].seeds),
        verdicts=verdicts,
        words=words,
    )


def _of(folder: Path) -> Iterator[RunRecord]:
    if (folder / STUDY_RECORD).is_file():
        for each in read_study_record(folder).runs:
            yield read_record(folder.parent.parent / each.folder)
    else:
        yield read_record(folder)


def _found(folder: Path, record: RunRecord) -> tuple[dict[str, int], str]:
    if record.variant:
        return {}, "a variant: not judged"
    if record.profile == "smoke":
        return {}, "smoke: not judged"
    if not (folder / FINDINGS).is_file():
        return {}, "not judged yet: `selfimp-bench check` does"
    try:
        counts = Counter(str(each.verdict) for each in read_findings(folder).findings)
    except InputError as error:
        return {}, str(error)
    return dict(counts), "" if counts else "measured, nothing claimed"
