"""What a run that was stopped leaves: steps that are done, and what others go on from."""

from dataclasses import dataclass

from selfimp_bench.runs.forecast import records_of
from selfimp_bench.steps.plan import Plan, fingerprint
from selfimp_bench.steps.store import Store


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Of so many ``steps`` those that are ``finished``, and those ``begun`` that go on from what they saved."""

    finished: tuple[str, ...]
    steps: int
    begun: tuple[str, ...]

    def has(self, step: str) -> bool:
        """Whether a step goes on from what it saved, or is done."""
        return step in self.begun or step in self.finished


def kept(plan: Plan, store: Store) -> Kept:
    """Look the plan's steps up in the store."""
    records = records_of(plan, store)
    begun = []
    for step in plan.steps:
        if step.id not in records and all(source in records for source in step.inputs.values()):
            key = fingerprint(step, {name: records[source].content_digest() for name, source in step.inputs.items()})
            if store.saved(key):
                begun.append(step.id)
    return Kept(finished=tuple(records), steps=len(plan.steps), begun=tuple(begun))
