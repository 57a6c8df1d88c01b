"""Filling the store: every step of several experiments once, each as soon as what it reads is there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from selfimp_bench.engines.base import TrainOptions
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.protocols.post_training.embed import EmbedBlock
from selfimp_bench.runs.cluster.work import StepResult, StepTask
from selfimp_bench.runs.hub_needs import refuse_shortfalls
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.plan import Step, fingerprint, plan_keys
from selfimp_bench.steps.progress import Progress
from selfimp_bench.steps.store import StepRecord, Store
from selfimp_bench.steps.train import TrainBlock

TRIES: Final = 4
"""How often a step is begun whose machine or process is lost. A step that fails by itself is not tried again."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a step takes: of one machine, or in training of several, the same of each.

    engine_gpus: 0, or the GPUs of one engine that no machine has enough of; the step takes no others.
    """

    cpus: int
    gpus: int
    machines: int
    engine_gpus: int


@dataclass(frozen=True, kw_only=True)
class Share:
    """GPUs of a machine for a step of sampling or training, and the machines for one of training."""

    gpus: int
    machines: int


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A task that ended; ``result`` is None when its machine or process was lost, and ``loss`` says how."""

    key: str
    result: StepResult | None
    loss: str | None


class Pool(Protocol):
    """Runs tasks somewhere: on Ray, on Slurm."""

    def check(self, needs: Needs) -> None:
        """Raise InputError for what there will never be, such as more GPUs than any machine has."""
        ...

    def submit(self, key: str, task: StepTask, needs: Needs) -> None:
        """Begin a task, or queue it."""
        ...

    def wait(self) -> Sequence[Ended]:
        """Wait until at least one of the submitted tasks has ended, and return those that have, each once."""
        ...

    def close(self) -> None:
        """Give back what the pool holds; tasks that still run are ended."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Work:
    """A piece of work: the first experiment's step that has its key, and the keys of what it reads."""

    experiment: Experiment
    step: Step
    reads: Mapping[str, str]


def fill_store(
    experiments: Sequence[Experiment],
    *,
    home: Path,
    training: TrainOptions,
    pool: Pool,
    share: Share,
    progress: Progress,
) -> None:
    """Have every step done that is not in the store. Afterwards a run of each experiment finds everything there.

    Raises InputError or StepFailed for the first step that fails, after the tasks that still run have been ended.
    """
    home = home.resolve()
    store = Store(home / "store")
    for experiment in experiments:
        refuse_shortfalls(experiment, home)
    waiting = _work(experiments)
    asked = {key: needs(work.step.block, share) for key, work in waiting.items()}
    for each in set(asked.values()):
        pool.check(each)
    running: dict[str, _Work] = {}
    records: dict[str, StepRecord] = {}
    begun: dict[str, int] = {}
    total = len(waiting)
    try:
        while waiting or running:
            for key in _ready(waiting, records):
                work = waiting.pop(key)
                progress.start(work.step, total - len(waiting), total)
                if record := _found(work, records, store):
                    records[key] = record
                    progress.finish(work.step, record.seconds, True)
                else:
                    begun[key] = begun.get(key, 0) + 1
                    running[key] = work
                    pool.submit(key, _task(work, records, home, training), asked[key])
            for ended in pool.wait() if running else ():
                work = running.pop(ended.key)
                if ended.result is None or ended.result.lost:
                    loss = ended.loss if ended.result is None else ended.result.error
                    _check_tries(work, begun[ended.key], loss)
                    waiting[ended.key] = work
                else:
                    records[ended.key] = _record(ended.result)
                    progress.finish(work.step, records[ended.key].seconds, False)
    finally:
        pool.close()


def needs(block: object, share: Share) -> Needs:
    """For sampling, verifying and training the share, for embedding one GPU, on a CPU none; and a CPU for each.

    Only training that is distributed spans machines, and an engine only when it needs more GPUs than its share.
    """
    settings = getattr(block, "settings", block)
    on_gpus = getattr(settings, "device", "cpu") == "cuda"
    gpus = share.gpus if on_gpus else 0
    one = Needs(cpus=max(gpus, 1), gpus=gpus, machines=1, engine_gpus=0)
    if isinstance(block, TrainBlock) and block.distributed is not None:
        return replace(one, machines=share.machines)
    if on_gpus and isinstance(block, EmbedBlock):
        return replace(one, cpus=1, gpus=1)
    vllm = getattr(settings, "vllm", None)
    if on_gpus and vllm is not None and vllm.tensor_parallel > share.gpus:
        return replace(one, cpus=1, gpus=0, engine_gpus=vllm.tensor_parallel)
    return one


def _work(experiments: Iterable[Experiment]) -> dict[str, _Work]:
    """Every piece of work once, by key, in an order in which what is read comes first."""
    work: dict[str, _Work] = {}
    for experiment in experiments:
        plan = experiment.plan()
        keys = plan_keys(plan)
        for step in plan.steps:
            reads = {source: keys[source] for source in step.inputs.values()}
            work.setdefault(keys[step.id], _Work(experiment=experiment, step=step, reads=reads))
    return work


def _ready(waiting: Mapping[str, _Work], records: Mapping[str, StepRecord]) -> list[str]:
    return [key for key, work in waiting.items() if all(source in records for source in work.reads.values())]


def _found(work: _Work, records: Mapping[str, StepRecord], store: Store) -> StepRecord | None:
    digests = {name: records[work.reads[source]].content_digest() for name, source in work.step.inputs.items()}
    return store.find(fingerprint(work.step, digests))


def _task(work: _Work, records: Mapping[str, StepRecord], home: Path, training: TrainOptions) -> StepTask:
    return StepTask(
        experiment=replace(work.experiment, path=work.experiment.path.resolve()),
        home=home,
        training=training,
        step_id=work.step.id,
        inputs={source: records[key] for source, key in work.reads.items()},
    )


def _check_tries(work: _Work, tries: int, loss: str | None) -> None:
    if tries >= TRIES:
        raise StepFailed(
            f"step {work.step.id}: lost {tries} times ({loss}); look at that machine's memory and log, and run the "
            "same command again: finished steps are kept"
        )


def _record(result: StepResult) -> StepRecord:
    if result.record is None:
        raise (InputError if result.input else StepFailed)(result.error or "no reason given")
    return result.record
