"""What a plan will cost on this home: what is done already, and how long the rest takes at rates measured here."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any

import msgspec

from selfimp_bench.canonical import digest
from selfimp_bench.errors import InputError
from selfimp_bench.steps.plan import Plan, Stage, Step, fingerprint
from selfimp_bench.steps.store import STEP_FILE, StepRecord, Store

BYTES_PER_SAMPLED_TOKEN = 3
"""Measured on the tiny experiments' samples.parquet (zstd): text, ids, seed and hashes come to 2 to 3 bytes a token."""


class State(StrEnum):
    """Whether a step's result is there."""

    DONE = "done"
    TO_DO = "to do"


@dataclass(frozen=True, kw_only=True)
class StepForecast:
    """A step with its state and upper bounds. ``seconds`` is None where no such step has run in this home: of the same
    stage and method, with the same engine and device, on the same models and problems."""

    step: Step
    state: State
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A plan's steps, and totals over those still to do; ``seconds`` is None where those of any step are not known."""

    steps: tuple[StepForecast, ...]
    to_do: int
    tokens_to_generate_at_most: int
    tokens_to_train_at_most: int
    seconds: float | None

    def done(self) -> frozenset[str]:
        """The ids of the steps whose results are there."""
        return frozenset(made.step.id for made in self.steps if made.state is State.DONE)


def forecast(plan: Plan, store: Store) -> Forecast:
    """Look the plan's steps up in the store. A step whose inputs are still to be made is to do."""
    records = records_of(plan, store)
    steps = []
    rates, kinds = _seconds_per_unit(store), _kinds(plan)
    for step in plan.steps:
        state = State.DONE if step.id in records else State.TO_DO
        steps.append(
            StepForecast(step=step, state=state, seconds=_seconds(step, plan.stage(step), rates.get(kinds[step.id])))
        )
    to_do = [made for made in steps if made.state is State.TO_DO]
    tokens = {
        kind: sum(made.step.tokens_at_most for made in to_do if plan.stage(made.step).tokens == kind)
        for kind in ("generated", "trained on")
    }
    known = [made.seconds for made in to_do if made.seconds is not None]
    return Forecast(
        steps=tuple(steps),
        to_do=len(to_do),
        tokens_to_generate_at_most=tokens["generated"],
        tokens_to_train_at_most=tokens["trained on"],
        seconds=sum(known) if len(known) == len(to_do) else None,
    )


def records_of(plan: Plan, store: Store) -> dict[str, StepRecord]:
    """The records of the steps that are done, by ids; one that cannot be read counts as not done."""
    records: dict[str, StepRecord] = {}
    for step in plan.steps:
        if (record := _find(step, records, store)) is not None:
            records[step.id] = record
    return records


def _find(step: Step, records: Mapping[str, StepRecord], store: Store) -> StepRecord | None:
    if any(source not in records for source in step.inputs.values()):
        return None
    key = fingerprint(step, {name: records[source].content_digest() for name, source in step.inputs.items()})
    try:
        return store.find(key)
    except InputError:
        return None


_Kind = tuple[object, ...]
"""What a step's time depends on besides its rows, all but the machine: a home lies on one, or on equal ones."""


def _kind(stage: str, block: Mapping[str, Any], roots: frozenset[str]) -> _Kind:
    settings = block.get("settings")
    device = settings.get("device") if isinstance(settings, Mapping) else block.get("device")
    return stage, block.get("engine"), device, block.get("method"), roots


def _kinds(plan: Plan) -> Mapping[str, _Kind]:
    """Of every step of a plan, by id. Roots are the models and problems that all it reads was made from."""
    roots: dict[str, frozenset[str]] = {}
    found = {}
    for step in plan.steps:
        read = [roots[source] for source in step.inputs.values()]
        block = msgspec.to_builtins(step.block, str_keys=True)
        roots[step.id] = frozenset().union(*read) if read else _root(step.stage, block)
        found[step.id] = _kind(step.stage, block, roots[step.id])
    return found


def _root(stage: str, block: Mapping[str, Any]) -> frozenset[str]:
    """What a step without inputs brings: a model or problems, whichever code brought them."""
    return frozenset([digest([stage, block])])


def _seconds_per_unit(store: Store) -> Mapping[_Kind, float]:
    """The median seconds per row of each kind's steps in this home: a rate that includes start-up."""
    records: list[StepRecord] = []
    for path in store.root.glob(f"*/{STEP_FILE}"):
        with suppress(ValueError, OSError):  # said by the run that needs it
            records.append(msgspec.json.decode(path.read_bytes(), type=StepRecord))
    roots = _roots(records)
    seen: dict[_Kind, list[float]] = {}
    for record in records:
        if (own := roots.get(record.content_digest())) is not None:
            seconds = record.seconds / max(1, _units(record.counts))
            seen.setdefault(_kind(record.stage, record.block, own), []).append(seconds)
    return {kind: median(values) for kind, values in seen.items()}


def _roots(records: Iterable[StepRecord]) -> Mapping[str, frozenset[str]]:
    """By what a step wrote, what the steps without inputs brought that it goes back to; none where one of them is
    missing."""
    found: dict[str, frozenset[str]] = {}
    waiting = list(records)
    while waiting:
        able = [each for each in waiting if all(source in found for source in each.inputs.values())]
        for record in able:
            read = [found[source] for source in record.inputs.values()]
            found[record.content_digest()] = frozenset().union(*read) if read else _root(record.stage, record.block)
        waiting = [each for each in waiting if each.content_digest() not in found] if able else []
    return found


def _units(counts: Mapping[str, int]) -> int:
    return next((counts[name] for name in ("completions", "rows", "judgements", "matches") if counts.get(name)), 1)


def _seconds(step: Step, stage: Stage[Any], rate: float | None) -> float | None:
    if rate is None:
        return None
    return rate * max(1, step.rows_at_most if stage.rated_by_rows else 1)
