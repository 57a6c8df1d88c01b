"""Why the models wrote other texts: the first differences on the way to what they wrote, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from selfimp_bench.runs.diff.pins import differing_fields
from selfimp_bench.runs.diff.sides import Side
from selfimp_bench.steps.plan import Step, fingerprint

CHANCE: Final = "chance"

_OF_PROMPTS: Final = frozenset(
    {"prompt_template", "add_bos", "too_long", "canaries", "completion_prefix", "gold_template"}
)
_OF_STAGES: Final = {
    "problems": "data",
    "model": "models",
    "train": "training",
    "select": "training",
    "grade": "grader",
    "score": "grader",
}
_NAMES: Final = frozenset({"role", "iteration", "replicate", "model", "iterations"})
"""Fields of a block that say which step it is."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A difference that no earlier one explains.

    component: which it is of. what: the field of the steps' blocks, the code that did them, or chance: equal pins,
    inputs and code, and other results. steps: how many, and the first of them.
    """

    component: str
    what: str
    steps: int
    first: str


def causes_of(a: Side, b: Side, wanted: frozenset[str]) -> tuple[Cause, ...]:
    """The causes in these steps, by common ids, and in all that they rest on; steps that one run lacks are passed
    over."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in _behind(a, wanted):
        if name in b.steps:
            for key in _own(a, b, a.steps[name], b.steps[name]):
                found.setdefault(key, []).append(name)
    return tuple(
        Cause(component=component, what=what, steps=len(steps), first=steps[0])
        for (component, what), steps in found.items()
    )


def same_work(a: Side, b: Side, one: Step, other: Step) -> bool:
    """Whether two steps have equal blocks and were done by equal code, whatever they read."""
    ours, theirs = (
        fingerprint(replace(step, version=side.records[step.id].version), {}) for side, step in ((a, one), (b, other))
    )
    return ours == theirs


def _behind(side: Side, wanted: frozenset[str]) -> Iterator[str]:
    """These steps and those that they rest on, in the plan's order."""
    needed = set[str]()
    for step in reversed(side.plan.steps):
        if side.common_id(step.id) in wanted or step.id in needed:
            needed |= {step.id, *step.inputs.values()}
    yield from (side.common_id(step.id) for step in side.plan.steps if step.id in needed)


def _own(a: Side, b: Side, one: Step, other: Step) -> Iterator[tuple[str, str]]:
    ours, theirs = a.records[one.id], b.records[other.id]
    if same_work(a, b, one, other):
        if dict(ours.inputs) == dict(theirs.inputs) and ours.content_digest() != theirs.content_digest():
            yield CHANCE, f"{one.stage}: equal pins, inputs and code gave other results"
        return
    for field in differing_fields(one.block, other.block):
        parts = field.replace("[", ".").split(".")
        if field not in _NAMES:
            yield _component(one.stage, parts), f"{one.stage}: {field}"
    if ours.version != theirs.version:
        yield _OF_STAGES.get(one.stage, "sampling"), f"{one.stage}: code or libraries"


def _component(stage: str, parts: list[str]) -> str:
    if parts[-1] == "seed" and stage != "problems":
        return "seeds"
    if _OF_PROMPTS & set(parts):
        return "prompt"
    return _OF_STAGES.get(stage, "sampling")
