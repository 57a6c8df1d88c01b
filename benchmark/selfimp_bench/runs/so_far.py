"""What there is so far of a run that goes on: its steps that are done, what was graded, trained and measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from selfimp_bench.measurement import Measurement
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.grade import STAGE as GRADING
from selfimp_bench.steps.measured import MEASUREMENTS
from selfimp_bench.steps.plan import fingerprint
from selfimp_bench.steps.store import StepRecord, Store, read_table
from selfimp_bench.steps.train import STAGE as TRAINING
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The completions of one step, graded: correct ones of so many that were judged."""

    correct: int
    judged: int

    @property
    def share(self) -> float | None:
        """Correct of judged, 0 to 1; None where none was judged."""
        return self.correct / self.judged if self.judged else None


@dataclass(frozen=True, kw_only=True)
class Graded:
    """What was graded of one checkpoint, by the roles of its completions."""

    checkpoint: str
    roles: Mapping[str, Judged]


@dataclass(frozen=True, kw_only=True)
class Series:
    """A metric of one model and replicate that is measured already, by iteration."""

    of: str
    metric: str
    values: Mapping[int, Measurement]


@dataclass(frozen=True, kw_only=True)
class SoFar:
    """What there is of one experiment. trained: trainings by their steps' ids, with what they counted."""

    name: str
    done: int
    steps: int
    roles: tuple[str, ...]
    graded: tuple[Graded, ...]
    trained: tuple[tuple[str, Mapping[str, int]], ...]
    iterations: tuple[int, ...]
    measured: tuple[Series, ...]


class Growing:
    """An experiment of which ever more steps are done; each is read once."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._records: dict[str, StepRecord] = {}

    def so_far(self, store: Store) -> SoFar:
        """As it is now. Raises InputError for a finished step whose files were changed since."""
        plan = self._experiment.plan()
        for step in plan.steps:
            if step.id not in self._records and all(each in self._records for each in step.inputs.values()):
                read = {name: self._records[each].content_digest() for name, each in step.inputs.items()}
                if (record := store.find(fingerprint(step, read))) is not None:
                    self._records[step.id] = record
        graded = tuple(self._graded())
        measured = tuple(self._measured(store))
        return SoFar(
            name=self._experiment.manifest.name,
            done=len(self._records),
            steps=len(plan.steps),
            roles=tuple(dict.fromkeys(role for each in graded for role in each.roles)),
            graded=graded,
            trained=tuple((name, each.counts) for name, each in self._records.items() if each.stage == TRAINING.name),
            iterations=tuple(sorted({iteration for each in measured for iteration in each.values})),
            measured=measured,
        )

    def _graded(self) -> Iterator[Graded]:
        found: dict[str, dict[str, Judged]] = {}
        for name, record in self._records.items():
            if record.stage == GRADING.name:
                checkpoint, _, role = name.rpartition("/")
                judged = sum(count for outcome, count in record.counts.items() if outcome not in UNJUDGED)
                own = Judged(correct=record.counts.get(Outcome.CORRECT, 0), judged=judged)
                found.setdefault(checkpoint, {})[role.removeprefix("grade").removeprefix(".") or "responses"] = own
        yield from (Graded(checkpoint=checkpoint, roles=roles) for checkpoint, roles in found.items())

    def _measured(self, store: Store) -> Iterator[Series]:
        for name, record in self._records.items():
            if any(artifact.path == MEASUREMENTS for artifact in record.artifacts):
                rows = msgspec.convert(read_table(store.proved(record, MEASUREMENTS)), list[Measurement])
                cells: dict[str, dict[int, Measurement]] = {}
                for row in rows:
                    cells.setdefault(f"{row.metric} {row.split}", {})[row.iteration] = row
                of = name.rpartition("/")[0]
                yield from (Series(of=of, metric=metric, values=values) for metric, values in cells.items())
