"""`--keep last`: weights go as soon as no step of the run reads them any more, but for the last ones of each chain.

All records and all other artifacts stay, and the step counts as done: what `gc` does afterwards, done meanwhile.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from selfimp_bench.errors import InputError
from selfimp_bench.runs.cluster.schedule import pieces_of_work
from selfimp_bench.runs.forecast import records_of
from selfimp_bench.runs.gc import finished_runs, last_of_chains, trained_further, weight_files
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.plan import Plan, Step, fingerprint, plan_keys
from selfimp_bench.steps.progress import Place, Progress
from selfimp_bench.steps.store import StepRecord, Store
from selfimp_bench.steps.train import STAGE


class KeepingLast:
    """A progress that takes out what no further step reads, and tells another.

    Left alone is the last checkpoint of every chain of these experiments, and of every finished run of the home; and
    while some step of another run reads it, whatever it is.
    """

    def __init__(self, experiments: Sequence[Experiment], home: Path, told: Progress) -> None:
        self._told, self._store = told, Store(home / "store")
        self._work = pieces_of_work(experiments)
        self._keys: dict[int, str] = {}
        self._readers: dict[str, set[str]] = defaultdict(set)
        self._done: set[str] = set()
        self._records: dict[str, StepRecord] = {}
        trainings = []
        for experiment in experiments:
            plan, keys = experiment.plan(), plan_keys(experiment.plan())
            self._keys |= {id(step): keys[step.id] for step in plan.steps}
            trainings.append([(step.id, keys[step.id]) for step in plan.steps if step.stage == STAGE.name])
        for key, work in self._work.items():
            for source in work.reads.values():
                self._readers[source].add(key)
        self._to_go = trained_further(trainings)
        self._last = last_of_chains(
            [(step.id, step.fingerprint) for step in record.steps if step.stage == STAGE.name]
            for record in finished_runs(home)
        )

    def start(self, step: Step, place: Place) -> None:
        """See ``Progress.start``."""
        self._told.start(step, place)

    def advance(self, step: Step, done: int, of: int) -> None:
        """See ``Progress.advance``."""
        self._told.advance(step, done, of)

    def finish(self, step: Step, seconds: float, reused: bool) -> None:
        """See ``Progress.finish``; what nobody reads any more goes."""
        self._told.finish(step, seconds, reused)
        self._done.add(self._keys.get(id(step), ""))
        for key in sorted(self._to_go):
            if key in self._done and self._readers[key] <= self._done:
                with suppress(InputError, OSError):  # the run itself says so, where it matters
                    self._take_out(key)

    def _take_out(self, key: str) -> None:
        record = self._record(key)
        if record.fingerprint in self._last:
            return
        if names := weight_files(self._store, record.fingerprint):
            self._store.take_out_unread(record.fingerprint, names)

    def _record(self, key: str) -> StepRecord:
        """What a finished piece of work wrote. Raises InputError where it is not there."""
        if key not in self._records:
            work = self._work[key]
            read = {name: self._record(source).content_digest() for name, source in work.names.items()}
            found = self._store.find(fingerprint(work.step, read))
            if found is None:
                raise InputError(f"step {work.step.id}: not done")
            self._records[key] = found
        return self._records[key]


def made_again(plan: Plan, store: Store) -> tuple[str, ...]:
    """The trainings that are done and will be done again, because a step that is to do reads weights that were taken
    out."""
    records, steps = records_of(plan, store), plan.by_id()
    found: dict[str, None] = {}

    def look(step: Step) -> None:
        for source in step.inputs.values():
            if source in records and source not in found and store.taken_out(records[source].fingerprint):
                look(steps[source])
                found[source] = None

    for step in plan.steps:
        if step.id not in records:
            look(step)
    return tuple(found)
