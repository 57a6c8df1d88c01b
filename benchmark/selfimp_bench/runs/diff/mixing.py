"""Measuring mixed runs: the generations of one, judged by the problems, the grader and the metrics of either.

What needs no engine is done again by the run's own stages, as ``verify`` does it; a grader or a metric of other code
than is installed here stands in only where it gives again what that run recorded.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import fsum
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from selfimp_bench.canonical import digest
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.plural import plural
from selfimp_bench.protocols.post_training.embed import VECTORS
from selfimp_bench.runs.diff.causes import same_work
from selfimp_bench.runs.diff.sides import Side
from selfimp_bench.runs.verifying.compare import same
from selfimp_bench.runs.verifying.steps import NO_ENGINES
from selfimp_bench.steps.inputs import StepInputs
from selfimp_bench.steps.measured import MEASUREMENTS
from selfimp_bench.steps.plan import Places, Step
from selfimp_bench.steps.rows import GRADES, PROBLEMS
from selfimp_bench.steps.store import StepRecord, Store, read_columns, read_table
from selfimp_bench.steps.work import Work

COMPONENTS: Final = ("data", "generations", "grader", "metrics")
"""What can be swapped without an engine: the problems' rows, what models wrote, how it is judged, what is measured."""

_GRADING: Final = frozenset({"grade", "score"})
_MEASURING: Final = "measure"
_EMBEDDING: Final = "embed"
_EMBEDDED: Final = "sbert-diversity"
"""The metric that rests on vectors of texts."""
_OF_GRADER: Final = ("extraction", "ood_extraction")
"""Fields of a block that measures which say how its grades were made."""
_OF_STEP: Final = ("model", "replicate", "iterations")
_ID: Final = "problem_id"
_REPLICATE: Final = re.compile(r"/replicate\d+/")
_JUDGED: Final = {"grade": (GRADES, ("outcome", "other_outcome"))}


class Cell(NamedTuple):
    """What is measured, over all replicates. ``model``: empty where both runs have one model."""

    model: str
    metric: str
    split: Split
    iteration: int


class CannotSwapError(Exception):
    """Why a component cannot be swapped, in words."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Whose data, generations, grader and metrics: A's (0) or B's (1). ``common``: on the common problems alone."""

    data: int
    generations: int
    grader: int
    metrics: int
    common: bool = False

    def of(self, component: str, side: int) -> "Mix":
        """With this component of a run."""
        return replace(self, **{component: side})  # type: ignore[arg-type]

    def swapped(self, component: str) -> "Mix":
        """With this component of the other run."""
        return self.of(component, 1 - getattr(self, component))


def means(side: Side, measurements: Iterable[Measurement]) -> dict[Cell, float | None]:
    """The mean of every cell over the replicates; None where one of them has no value."""
    found: dict[Cell, list[float | None]] = {}
    for each in measurements:
        model = "" if side.alone else each.model
        found.setdefault(Cell(model, each.metric, each.split, each.iteration), []).append(each.value)
    return {cell: _mean(values) for cell, values in found.items()}


def _mean(values: list[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return fsum(defined) / len(defined) if len(defined) == len(values) else None


class Mixer:
    """Both runs, and the mixtures of them that were measured."""

    def __init__(self, a: Side, b: Side, scratch: Path) -> None:
        self._sides = (a, b)
        self._store = Store(scratch)
        scratch.mkdir(parents=True, exist_ok=True)
        self._known: dict[Mix, dict[Cell, float | None]] = {}
        self._stale: set[str] = set()
        self._stands_in: dict[tuple[int, str], None] = {}
        self._links: dict[tuple[int, str, bool], StepRecord] = {}

    @cached_property
    def equal(self) -> frozenset[str]:
        """The components in which the runs do not differ."""
        a, b = self._sides
        pairs = [(a.steps[name], b.steps[name]) for name in a.steps if name in b.steps]
        needed = [self._needed(side) for side in self._sides]
        both = [(one, other) for one, other in pairs if one.id in needed[0] and other.id in needed[1]]
        wrote = {
            name: all(
                a.records[one.id].content_digest() == b.records[other.id].content_digest()
                for one, other in both
                if _component(one) == name
            )
            for name in ("data", "generations")
        }
        written = [
            {step for step in own if _component(side.plan.by_id()[step]) == "generations"}
            for side, own in zip(self._sides, needed, strict=True)
        ]
        paired = sum(one.id in written[0] for one, _ in both)
        wrote["generations"] &= len(written[0]) == len(written[1]) == paired
        done = {
            name: all(self._same_work(one, other) for one, other in both if _component(one) == name)
            for name in ("grader", "metrics")
        }
        done["metrics"] &= any(_component(one) == "metrics" for one, _ in both)
        return frozenset(name for name, is_equal in (wrote | done).items() if is_equal)

    def _same_work(self, one: Step, other: Step) -> bool:
        a, b = self._sides
        if one.stage == _MEASURING:
            other = replace(other, block=_renamed(other.block, one.block, (*_OF_STEP, *_OF_GRADER)))
        return same_work(a, b, one, replace(other, id=other.id))

    def generations_behind(self) -> frozenset[str]:
        """The common ids of the steps of A that wrote what is judged."""
        a = self._sides[0]
        steps = a.plan.by_id()
        return frozenset(a.common_id(name) for name in self._needed(a) if _component(steps[name]) == "generations")

    @cached_property
    def uncommon(self) -> frozenset[str]:
        """The ids of problems that are among the answered ones of one run only. Raises CannotSwapError."""
        found = set[str]()
        for name in self._data():
            own = [set(self._problem_ids(side, name)) for side in (0, 1)]
            if not own[0] & own[1]:
                raise CannotSwapError(f"the runs have no problem of {name} in common")
            found |= own[0] ^ own[1]
        return frozenset(found)

    def _data(self) -> Iterator[str]:
        a, b = self._sides
        for name in sorted(self._needed(a)):
            step = a.plan.by_id()[name]
            if _component(step) == "data" and a.common_id(name) in b.steps:
                yield a.common_id(name)

    def _problem_ids(self, side: int, common_id: str) -> list[str]:
        own = self._sides[side]
        record = self._linked(side, own.steps[common_id], common=False)
        (ids,) = read_columns(self._store.proved(record, PROBLEMS), (_ID,))
        return ids

    def values(self, mix: Mix) -> Mapping[Cell, float | None]:
        """What such a mixture measures, without the metrics that need what no run kept. Raises CannotSwapError."""
        for name in self.equal:
            mix = mix.of(name, 0)
        owners = {getattr(mix, name) for name in COMPONENTS if name not in self.equal} or {0}
        if mix.common and not self.uncommon:
            mix = replace(mix, common=False)
        if not mix.common and len(owners) == 1:
            side = self._sides[owners.pop()]
            return means(side, side.run.measurements)
        if mix not in self._known:
            for side in self._sides:
                _refuse_missing(side)
            try:
                self._known[mix] = self._measured(mix)
            except (InputError, StepFailed, LookupError, ValueError, TypeError) as error:
                raise CannotSwapError(str(error)) from None
        return self._known[mix]

    def _measured(self, mix: Mix) -> dict[Cell, float | None]:
        self._stale.clear()
        side = self._sides[mix.generations]
        records: dict[str, StepRecord] = {}
        measured: list[Measurement] = []
        needed = self._needed(side)
        for step in (each for each in side.plan.steps if each.id in needed):
            records[step.id] = self._mixed(mix, step, records)
            if step.stage == _MEASURING:
                rows = read_table(self._store.proved(records[step.id], MEASUREMENTS))
                measured += msgspec.convert(rows, list[Measurement])
        found = means(side, measured)
        return {cell: each for cell, each in found.items() if not cell.metric.startswith(tuple(self._stale))}

    def _mixed(self, mix: Mix, step: Step, records: Mapping[str, StepRecord]) -> StepRecord:
        """One step of the run whose generations these are, done as the mixture has it."""
        own, component = mix.generations, _component(step)
        if component == "generations":
            return self._linked(own, step, common=mix.common)
        if component == "data":
            other = self._sides[mix.data].steps.get(self._sides[own].common_id(step.id))
            if other is None:
                raise CannotSwapError(f"the other run has no step {step.id}")
            return self._linked(mix.data, other, common=mix.common)
        as_recorded = mix.grader == own and (mix.data == own or "data" in self.equal)
        if component == "grader":
            if as_recorded:
                return self._linked(own, step, common=mix.common)
            self._refuse_other_code(mix.grader, "grader")
            return self._do(own, replace(step, block=self._aligned(mix.grader, own, step).block), records)
        if step.stage == _EMBEDDING:
            return self._embedded(mix, step, records, as_recorded=as_recorded)
        self._refuse_other_code(mix.metrics, "metrics")
        block = _renamed(self._aligned(mix.metrics, own, step).block, step.block, _OF_STEP)
        block = _renamed(block, self._aligned(mix.grader, own, step).block, _OF_GRADER)
        return self._do(own, replace(step, block=block), records)

    def _embedded(self, mix: Mix, step: Step, records: Mapping[str, StepRecord], *, as_recorded: bool) -> StepRecord:
        """The diversity by the vectors that were kept; as recorded, and then not measured, where some are lacking or
        the encoder is another."""
        own = mix.generations
        name = self._sides[own].common_id(step.id)
        pair = [side.steps.get(name) for side in self._sides]
        alike = pair[0] is not None and pair[1] is not None and self._same_work(pair[0], pair[1])
        if mix.metrics != own and not alike:
            self._stale.add(_EMBEDDED)
        elif not as_recorded or mix.common:
            try:
                kept = self._vectors(step.id, [(side, each) for side, each in enumerate(pair) if alike or side == own])
                return self._do(own, step, records, kept=kept)
            except (InputError, StepFailed):
                self._stale.add(_EMBEDDED)
        return self._linked(own, step, common=mix.common)

    def _vectors(self, name: str, steps: Iterable[tuple[int, Step | None]]) -> Path:
        """A folder with the vectors that these steps kept, each text's once."""
        folder = self._store.root / "vectors" / digest(name)
        folder.mkdir(parents=True, exist_ok=True)
        found = [self._place(side, self._sides[side].records[step.id]) / VECTORS for side, step in steps if step]
        whole = pa.concat_tables([pq.read_table(path) for path in found])
        seen, rows = set[str](), list[int]()
        for row, text in enumerate(whole["text_sha256"].to_pylist()):
            if text not in seen:
                seen.add(text)
                rows.append(row)
        pq.write_table(whole.take(pa.array(rows, pa.int64())), folder / VECTORS)
        return folder

    def _aligned(self, side: int, own: int, step: Step) -> Step:
        """The step of a run that does what this step of ``own`` does; of its first replicate where it has no such."""
        name = self._sides[own].common_id(step.id)
        steps = self._sides[side].steps
        found = steps.get(name) or steps.get(_REPLICATE.sub("/replicate0/", name))
        if found is None:
            raise CannotSwapError(f"the other run has no step {step.id}")
        return found

    def _do(
        self,
        side: int,
        step: Step,
        records: Mapping[str, StepRecord],
        kept: Path | None = None,
    ) -> StepRecord:
        """Do a step in the scratch store; by what its engine or its machine gave, where that is ``kept``."""
        own = self._sides[side]
        stage = own.plan.stage(step)
        key = digest(
            ["mixed", step.id, fingerprint_of(step), [records[each].fingerprint for each in step.inputs.values()]]
        )
        if (found := self._store.find(key)) is not None:
            return found
        with self._store.step_folder(key) as folder:
            work = Work(
                inputs=StepInputs(
                    step=step,
                    plan=own.plan,
                    records=records,
                    store=self._store,
                    places=Places(base=Path("/nowhere"), hub=own.hub),
                    without_weights=True,
                ),
                folder=folder,
                engines=NO_ENGINES,
                key=key,
                on_progress=lambda _done, _of: None,
            )
            if kept is None or stage.again is None:
                counts = stage.do(step.block, work)
            else:
                counts = stage.again(step.block, work, kept)
            made = replace(own.records[step.id], fingerprint=key, artifacts=folder.artifacts(), counts=dict(counts))
            return self._store.finish(folder, made)

    def _place(self, side: int, record: StepRecord) -> Path:
        store = self._sides[side].store
        if store is None:
            raise CannotSwapError(_nothing_kept(self._sides[side]))
        return store / record.fingerprint

    def _linked(self, side: int, step: Step, *, common: bool) -> StepRecord:
        """A step as it was recorded, in the scratch store; on the common problems alone where that is wanted."""
        key = (side, step.id, common)
        if key not in self._links:
            record = self._sides[side].records[step.id]
            linked = replace(record, fingerprint=digest([*key]))
            place = self._place(side, record)
            if not place.is_dir():
                raise CannotSwapError(f"{self._sides[side].label}: what step {step.id} wrote is not there")
            if _component(step) == "data" and not (place / PROBLEMS).is_file():
                linked = self._do(side, step, {}, kept=place)
            else:
                self._store.folder(linked.fingerprint).symlink_to(place.resolve())
            self._links[key] = self._restricted(linked) if common else linked
        return self._links[key]

    def _restricted(self, record: StepRecord) -> StepRecord:
        """A step's tables without the rows of problems that one run lacks."""
        key = digest(["common", record.fingerprint])
        with self._store.step_folder(key) as folder:
            for artifact in record.artifacts:
                path = self._store.folder(record.fingerprint) / artifact.path
                if path.suffix == ".parquet" and path.is_file():
                    table = pq.read_table(self._store.proved(record, artifact.path))
                    if _ID in table.schema.names:
                        dropped = pc.is_in(table[_ID], value_set=pa.array(sorted(self.uncommon), pa.string()))
                        folder.write_columns(artifact.path, table.filter(pc.invert(dropped)))
            kept = {artifact.path: artifact for artifact in folder.artifacts()}
            if not kept:
                return record
            for artifact in record.artifacts:
                if (
                    artifact.path not in kept
                    and (path := self._store.folder(record.fingerprint) / artifact.path).is_file()
                ):
                    target = folder.path / artifact.path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.symlink_to(path.resolve())
            return self._store.finish(folder, replace(record, fingerprint=key, artifacts=folder.artifacts()))

    def _refuse_other_code(self, side: int, component: str) -> None:
        """Raises CannotSwapError where the installed code does not give again what this run recorded."""
        own = self._sides[side]
        if (side, component) in self._stands_in:
            return
        records: dict[str, StepRecord] = {}
        for step in own.plan.steps:
            if step.id in self._needed(own):
                records[step.id] = self._linked(side, step, common=False)
                if (
                    _component(step) == component
                    and step.stage != _EMBEDDING
                    and own.records[step.id].version != step.version
                ):
                    self._compare_again(own, side, step, records)
        self._stands_in[side, component] = None

    def _compare_again(self, own: Side, side: int, step: Step, records: Mapping[str, StepRecord]) -> None:
        again, words = (
            self._do(side, step, records),
            f"{own.label}'s {_component(step)} is of other code than is installed here",
        )
        names = [each.path for each in records[step.id].artifacts]
        for name in names:
            before, after = (read_table(self._store.proved(each, name)) for each in (records[step.id], again))
            columns = _JUDGED.get(step.stage, (name, tuple(before[0]) if before else ()))[1]
            differing = sum(
                not same(_plain(one, columns), _plain(other, columns))
                for one, other in zip(before, after, strict=False)
            )
            if differing or len(before) != len(after):
                raise CannotSwapError(
                    f"{words}, which gives {differing} of {plural(len(before), 'row')} of {step.id} otherwise"
                )

    def _needed(self, side: Side) -> frozenset[str]:
        """The steps that measure, those that they rest on without an engine, and what those read."""
        needed = set[str]()
        for step in reversed(side.plan.steps):
            if step.stage == _MEASURING:
                needed.add(step.id)
            if step.id in needed and _component(step) in ("grader", "metrics"):
                needed |= {*step.inputs.values()}
        return frozenset(needed)


def fingerprint_of(step: Step) -> str:
    """The work of a step, whatever it reads."""
    return digest([step.stage, msgspec.to_builtins(step.block, str_keys=True)])


def _component(step: Step) -> str:
    if step.stage in _GRADING:
        return "grader"
    if step.stage in (_MEASURING, _EMBEDDING):
        return "metrics"
    return "data" if step.stage == "problems" else "generations"


def _renamed(block: Any, of: Any, names: Iterable[str]) -> Any:
    """A block with these fields, as far as it has them, of another."""
    known = {each.name for each in fields(block)} & {each.name for each in fields(of)}
    return replace(block, **{name: getattr(of, name) for name in names if name in known})


def _plain(row: Mapping[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] for name in columns}


def _refuse_missing(side: Side) -> None:
    if side.store is None:
        raise CannotSwapError(_nothing_kept(side))


def _nothing_kept(side: Side) -> str:
    return f"{side.label}: the store with what its models wrote is not here (compare homes, or bundles)"
