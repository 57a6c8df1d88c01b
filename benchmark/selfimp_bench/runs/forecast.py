"""What a plan will cost on this home: what is done already, and how long the rest takes at rates measured here."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any

import msgspec

from selfimp_bench.errors import InputError
from selfimp_bench.protocols.post_training.embed import vector_bytes
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
    """A step with its state and upper bounds. ``seconds`` is None where no step of its kind has run in this home."""

    step: Step
    state: State
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A plan's steps, and totals over those still to do. ``disk_bytes`` is for samples and the
    vectors of their texts; checkpoints come on top."""

    steps: tuple[StepForecast, ...]
    to_do: int
    tokens_to_generate_at_most: int
    tokens_to_train_at_most: int
    disk_bytes: int
    seconds: float | None

    def done(self) -> frozenset[str]:
        """The ids of the steps whose results are there."""
        return frozenset(made.step.id for made in self.steps if made.state is State.DONE)


def forecast(plan: Plan, store: Store) -> Forecast:
    """Look the plan's steps up in the store. A step whose inputs are still to be made is to do."""
    records = records_of(plan, store)
    steps = []
    rates = _seconds_per_unit(store)
    for step in plan.steps:
        state = State.DONE if step.id in records else State.TO_DO
        steps.append(StepForecast(step=step, state=state, seconds=_seconds(step, plan.stage(step), rates)))
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
        disk_bytes=tokens["generated"] * BYTES_PER_SAMPLED_TOKEN + vector_bytes(made.step for made in to_do),
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


def _seconds_per_unit(store: Store) -> Mapping[str, float]:
    """The median seconds per row bound of each stage's steps in this home: a rate that includes start-up."""
    seen: dict[str, list[float]] = {}
    for path in store.root.glob(f"*/{STEP_FILE}"):
        with suppress(ValueError, OSError):  # said by the run that needs it
            record = msgspec.json.decode(path.read_bytes(), type=StepRecord)
            seen.setdefault(record.stage, []).append(record.seconds / max(1, _units(record.counts)))
    return {stage: median(values) for stage, values in seen.items()}


def _units(counts: Mapping[str, int]) -> int:
    return next((counts[name] for name in ("completions", "rows", "judgements", "matches") if counts.get(name)), 1)


def _seconds(step: Step, stage: Stage[Any], rates: Mapping[str, float]) -> float | None:
    if step.stage not in rates:
        return None
    units = step.rows_at_most if stage.rated_by_rows else 1
    return rates[step.stage] * max(1, units)
