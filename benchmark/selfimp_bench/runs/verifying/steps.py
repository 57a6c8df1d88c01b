"""The steps of a run: their records and hashes against the plan, and every one that can be done again done again."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from selfimp_bench.canonical import digest, file_sha256, pretty_json
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.installed import Brought, entry_point
from selfimp_bench.plural import plural
from selfimp_bench.runs.record import RecordedStep, is_fingerprint
from selfimp_bench.runs.verifying.compare import compare_files, compare_json
from selfimp_bench.runs.verifying.found import Found
from selfimp_bench.runs.verifying.parts import is_left_out
from selfimp_bench.seals import seal_faults
from selfimp_bench.steps.inputs import StepInputs
from selfimp_bench.steps.plan import Places, Plan, Step, fingerprint
from selfimp_bench.steps.rows import SAMPLES
from selfimp_bench.steps.runner import FinishedStep
from selfimp_bench.steps.sample import SampleBlock
from selfimp_bench.steps.store import STEP_FILE, TAKEN_OUT, StepRecord, Store, read_table
from selfimp_bench.steps.train import TrainBlock, trained_on
from selfimp_bench.steps.work import Work

_SEED: Final = re.compile(r"/seed(\d+)/")

Records = dict[str, StepRecord]
"""By step id."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Where the evidence lies: the folders of finished steps, of runs, and of what was fetched.

    left_out: whether a file of a step of the plan, by its path in the step's folder, need not be there.
    """

    store: Path
    runs: Path
    hub: Path
    left_out: Callable[[Plan, Step, str], bool]


def step_records(found: Found, plan: Plan, recorded: Sequence[RecordedStep], kept: Kept) -> Records | None:
    """The records of the plan's steps, checked: the same steps as planned, each of the fingerprint that follows from
    its block and inputs, each file of the hash that is recorded. None where they are not the plan's steps.
    """
    planned = [step.id for step in plan.steps]
    named = [step.id for step in recorded]
    if planned != named:
        lacking = sorted({*planned} ^ {*named})
        found.differs("steps", "record.json", len(named), len(planned), f"{len(lacking)} others: {lacking[:3]}")
        return None
    records: Records = {}
    versions = 0
    for step, row in zip(plan.steps, recorded, strict=True):
        record = _step_record(found, step, row, kept)
        if record is None:
            return None
        records[step.id] = record
        versions += record.version != step.version
        _check_chain(found, step, record, records)
        _check_files(found, plan, step, record, kept)
    if versions:
        found.taken.append(
            f"{versions:,} of {plural(len(planned), 'step')} done by other versions of code or libraries than are "
            "installed here; what they did is done again by those installed here"
        )
    return records


def _step_record(found: Found, step: Step, row: RecordedStep, kept: Kept) -> StepRecord | None:
    """A step's own record, compared with its row in the run's."""
    path = kept.store / row.fingerprint / STEP_FILE
    if not is_fingerprint(row.fingerprint) or not path.is_file():
        found.differs("step", step.id, row.fingerprint, f"no {path}")
        return None
    try:
        raw = path.read_bytes()
        record = msgspec.json.decode(raw, type=StepRecord)
    except (ValueError, RecursionError) as error:
        found.differs("step", f"{step.id}: {STEP_FILE}", "a step's record", error)
        return None
    for fault in seal_faults(raw, record.seal, pretty_json(record)):
        found.differs("step", f"{step.id}: {STEP_FILE}", "as its step left it", fault)
    for name in ("stage", "fingerprint", "version", "inputs", "artifacts", "counts", "seconds"):
        found.compare("step", f"{step.id}: {STEP_FILE}: {name}", getattr(row, name), getattr(record, name))
    return replace(record, fingerprint=row.fingerprint)  # it names a folder, and a stranger may have written it


def _check_chain(found: Found, step: Step, record: StepRecord, records: Mapping[str, StepRecord]) -> None:
    inputs = {name: records[source].content_digest() for name, source in step.inputs.items()}
    found.compare("inputs", step.id, dict(record.inputs), inputs)
    found.compare("stage", step.id, record.stage, step.stage)
    compare_json(found, "block", step.id, msgspec.json.encode(record.block), msgspec.json.encode(step.block))
    found.compare(
        "fingerprint", step.id, record.fingerprint, fingerprint(replace(step, version=record.version), inputs)
    )


def _check_files(found: Found, plan: Plan, step: Step, record: StepRecord, kept: Kept) -> None:
    folder, taken_out = kept.store / record.fingerprint, frozenset[str]()
    try:
        taken_out = Store(kept.store).taken_out(record.fingerprint)
    except InputError as error:
        found.differs("file", f"{step.id}: {TAKEN_OUT}", "a list of what was removed", error)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    there -= {STEP_FILE, TAKEN_OUT}
    for artifact in record.artifacts:
        where = f"{step.id}: {artifact.path}"
        if artifact.path not in there:
            if artifact.path in taken_out and is_left_out(plan, step, artifact.path, with_data=True):
                found.taken.append("weights that were taken out (`gc`, `--keep last`), by their hashes")
            elif not kept.left_out(plan, step, artifact.path):
                found.differs("file", where, plural(artifact.bytes, "byte"), "not there")
            continue
        path = folder / artifact.path
        found.compare("digest", where, artifact.sha256, file_sha256(path))
        found.compare("size", where, artifact.bytes, path.stat().st_size)
        if artifact.rows is not None:
            found.compare("rows", where, artifact.rows, _rows(path))
    for extra in sorted(there - {artifact.path for artifact in record.artifacts}):
        found.differs("file", f"{step.id}: {extra}", "not there", "there")


def _rows(path: Path) -> int | None:
    """How many rows a table has; None for what is none."""
    try:
        rows: int = pq.read_metadata(path).num_rows
    except (OSError, ValueError, pa.ArrowException):
        return None
    return rows


def check_replicates(found: Found, plan: Plan, records: Mapping[str, StepRecord], store: Path) -> None:
    """No two seeds of one model may have equal completions where these are drawn at random."""
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    for step in plan.steps:
        seed = _SEED.search(step.id)
        if seed is None or not isinstance(step.block, SampleBlock) or step.block.decoding.temperature == 0:
            continue
        try:
            rows = read_table(store / records[step.id].fingerprint / SAMPLES, ("problem_id", "token_ids"))
        except (OSError, ValueError):
            continue  # said of its digest
        if len({tuple(row["token_ids"]) for row in rows}) < 2:
            continue  # a model that says one thing says it under every seed
        key = (_SEED.sub("/seed*/", step.id), digest(rows))
        first, _ = seen.setdefault(key, (step.id, seed[1]))
        if first != step.id:
            found.differs("seeds", step.id, f"completions of seed {seed[1]}", f"those of {first}", f"{len(rows)} equal")


@dataclass(frozen=True, kw_only=True)
class DoneAgain:
    """Every step as it is now known: done again where that was possible, else as recorded."""

    finished: tuple[FinishedStep, ...]
    store: Store


def do_again(found: Found, plan: Plan, records: Records, kept: Kept, scratch: Path) -> DoneAgain:
    """Do again every step that needs no engine, each from what the steps before it gave this time; compare all files.

    ``scratch``: an empty folder.
    """
    again = _Again(found=found, plan=plan, recorded=records, kept=kept, store=Store(scratch), now={})
    for step in plan.steps:
        again.step(step)
    done = tuple(FinishedStep(step=step, record=again.now[step.id], reused=True) for step in plan.steps)
    return DoneAgain(finished=done, store=again.store)


@dataclass(frozen=True, kw_only=True)
class _Again:
    found: Found
    plan: Plan
    recorded: Records
    kept: Kept
    store: Store
    now: Records

    def step(self, step: Step) -> None:
        """Do one step again, or take it as it was recorded."""
        record, stage = self.recorded[step.id], self.plan.stage(step)
        source = self.kept.store / record.fingerprint
        self.now[step.id] = record
        self.store.root.mkdir(exist_ok=True)
        if not self.store.folder(record.fingerprint).exists():
            self.store.folder(record.fingerprint).symlink_to(source.resolve())
        if stage.again is None and stage.engine(step.block) is not None:
            if isinstance(step.block, TrainBlock):
                self._recount(step, step.block, record)
            return
        if (lacking := _lacking(stage.brings(step.block))) is not None:
            self.found.taken.append(
                f"{stage.name}: steps of the {lacking}, which is not installed here; their files by their hashes alone"
            )
            return
        try:
            self.now[step.id] = self._do(step, record, source)
        except Exception as error:  # of a stranger's data nothing is known
            words = str(error) if isinstance(error, InputError | StepFailed) else f"{type(error).__name__}: {error}"
            self.found.differs(stage.name, step.id, "done", f"cannot be done again: {words}")

    def _do(self, step: Step, record: StepRecord, source: Path) -> StepRecord:
        stage, key = self.plan.stage(step), digest(["again", step.id])
        with self.store.step_folder(key) as folder:
            work = Work(
                inputs=self._inputs(step),
                folder=folder,
                engines=NO_ENGINES,
                key=key,
                on_progress=lambda _done, _of: None,
            )
            counts = stage.do(step.block, work) if stage.again is None else stage.again(step.block, work, source)
            found = replace(record, fingerprint=key, artifacts=folder.artifacts(), counts=counts)
            found = self.store.finish(folder, found)
        self._compare(step, record, found, source)
        return found

    def _recount(self, step: Step, block: TrainBlock, record: StepRecord) -> None:
        """Hold what a step of training counted against its training set."""
        counted = {name: count for name, count in record.counts.items() if name != "processes"}
        try:
            self.found.compare("train", f"{step.id}: counts", counted, dict(trained_on(block, self._inputs(step))))
        except Exception as error:  # of a stranger's data nothing is known
            self.found.differs("train", f"{step.id}: counts", counted, f"cannot be counted again: {error}")

    def _inputs(self, step: Step) -> StepInputs:
        return StepInputs(
            step=step,
            plan=self.plan,
            records=self.now,
            store=self.store,
            places=Places(base=Path("/nowhere"), hub=self.kept.hub),
            without_weights=True,
        )

    def _compare(self, step: Step, record: StepRecord, now: StepRecord, source: Path) -> None:
        words, hashes = self.plan.stage(step).name, {each.path: each.sha256 for each in now.artifacts}
        self.found.compare(words, f"{step.id}: counts", dict(record.counts), dict(now.counts))
        for artifact in record.artifacts:
            where, path = f"{step.id}: {artifact.path}", source / artifact.path
            if artifact.path not in hashes:
                self.found.differs(words, where, "there", "not made")
            elif path.is_file() and hashes[artifact.path] != file_sha256(path):
                compare_files(self.found, words, where, path, self.store.folder(now.fingerprint) / artifact.path)


def _lacking(brought: Iterable[Brought]) -> Brought | None:
    """The first function of another package that is not here; None where all are."""
    for wanted in brought:
        try:
            entry_point(wanted)
        except InputError:
            return wanted
    return None


class _NoEngines:
    """See ``OpenEngines``: none is there."""

    trainer: Any = None

    def sampler(self, engine: str, settings: object) -> Any:  # noqa: ARG002
        raise InputError(f"engine {engine} is not asked again when a run is verified")

    def embedder(self, engine: str, folder: Path, settings: object) -> Any:  # noqa: ARG002
        raise InputError(f"engine {engine} is not asked again when a run is verified")

    def close(self) -> None:
        pass


NO_ENGINES: Final = _NoEngines()


def done_words(plan: Plan) -> Iterator[str]:
    """What was done again, and how often, by stage."""
    counted: dict[str, int] = {}
    for step in plan.steps:
        stage = plan.stage(step)
        engineless = stage.again is not None or stage.engine(step.block) is None
        if engineless and _lacking(stage.brings(step.block)) is None:
            counted[stage.name] = counted.get(stage.name, 0) + 1
    yield from (f"{name}: {count}" for name, count in counted.items())
