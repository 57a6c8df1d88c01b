"""How long a study takes on so many machines: the scheduler's own tasks, simulated with the plan's hours.

A task of sampling or training takes a whole machine, an embedding one GPU, and everything else processors alone, of
which there are enough. Losses, queues of others and the network are not simulated.
"""

import heapq
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from selfimp_bench.errors import InputError
from selfimp_bench.protocols.post_training.embed import EmbedBlock
from selfimp_bench.runs.cluster.hours import StepHours, step_hours
from selfimp_bench.runs.cluster.needs import engine_key
from selfimp_bench.runs.cluster.schedule import Work, pieces_of_work
from selfimp_bench.runs.hardware.cost import Range
from selfimp_bench.runs.hardware.device import Hardware, parse_hardware
from selfimp_bench.runs.study import Experiment


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """``count`` machines, each with the same GPUs."""

    count: int
    machine: Hardware

    @property
    def gpus(self) -> int:
        """Of all machines."""
        return self.count * self.machine.count

    def __str__(self) -> str:
        return f"{self.count}x{self.machine}"


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """Hours from the first step to the last, as the scheduler goes (the longest way to the end first) and in the plan's
    order; GPU hours that lie idle meanwhile; the longest chain of steps, which no number of machines shortens.

    tasks: how many on GPUs. order: of these, by their first step, as they begin. left_out: steps that cannot run on one
    such machine, and what comes after them.
    """

    nodes: str
    makespan: Range
    in_plan_order: Range
    idle_gpu_hours: Range
    chain: Range
    tasks: int
    order: tuple[str, ...]
    left_out: int


def parse_nodes(text: str) -> Nodes:
    """``4x8xA100-80GB``: four machines with eight GPUs. Raises InputError."""
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d*x.+)", text)
    if match is None:
        raise InputError(f"--nodes {text}: expected MACHINESxGPUSxDEVICE, for example 4x8xA100-80GB")
    return Nodes(count=int(match[1]), machine=parse_hardware(match[2], f"--nodes {text}:"))


def urgency(experiments: Sequence[Experiment], machine: Hardware) -> Mapping[str, float]:
    """Of every piece of work the hours to the end of what waits for it, by its key: the larger, the sooner it begins.

    Raises InputError for a model of unknown sizes.
    """
    work = pieces_of_work(experiments)
    return _tails(work, _hours(work, experiments, machine), _expected)


def simulate(experiments: Sequence[Experiment], nodes: Nodes) -> Simulation:
    """Go through all tasks of a study. Raises InputError for a model of unknown sizes."""
    work = pieces_of_work(experiments)
    hours = _hours(work, experiments, nodes.machine)
    able = _able(work, hours)
    expected, at_most = (_ends(able, hours, nodes, pick) for pick in (_expected, _at_most))
    busy = Range(expected=expected[0].busy, at_most=at_most[0].busy)
    makespan = Range(expected=expected[0].makespan, at_most=at_most[0].makespan)
    return Simulation(
        nodes=str(nodes),
        makespan=makespan,
        in_plan_order=Range(expected=expected[1].makespan, at_most=at_most[1].makespan),
        idle_gpu_hours=makespan * nodes.gpus - busy,
        chain=Range(
            expected=max(_tails(able, hours, _expected).values(), default=0.0),
            at_most=max(_tails(able, hours, _at_most).values(), default=0.0),
        ),
        tasks=len(expected[0].order),
        order=tuple(expected[0].order),
        left_out=len(work) - len(able),
    )


_Pick = Callable[[Range], float]


def _expected(hours: Range) -> float:
    return hours.expected


def _at_most(hours: Range) -> float:
    return hours.at_most


@dataclass(kw_only=True)
class _Course:
    """A simulated course: hours to its end, GPU hours at work, and the tasks on GPUs as they begin."""

    makespan: float = 0.0
    busy: float = 0.0
    order: list[str] = field(default_factory=list)


def _hours(work: Mapping[str, Work], experiments: Sequence[Experiment], machine: Hardware) -> Mapping[str, StepHours]:
    of = {id(experiment): step_hours(experiment.plan(), machine) for experiment in experiments}
    return {
        key: of[id(each.experiment)][each.step.id]
        for key, each in work.items()
        if each.step.id in of[id(each.experiment)]
    }


def _able(work: Mapping[str, Work], hours: Mapping[str, StepHours]) -> Mapping[str, Work]:
    """What can run: itself and all that it reads."""
    able: dict[str, Work] = {}
    for key, each in work.items():
        if key in hours and all(source in able for source in each.reads.values()):
            able[key] = each
    return able


def _tails(work: Mapping[str, Work], hours: Mapping[str, StepHours], pick: _Pick) -> Mapping[str, float]:
    """Hours from a piece's beginning to the end of the longest chain that it begins."""
    after: dict[str, float] = {}
    for key in reversed(list(work)):
        own = pick(hours[key].whole) if key in hours else 0.0
        after[key] = own + after.get(key, 0.0)
        for source in set(work[key].reads.values()):
            after[source] = max(after.get(source, 0.0), after[key])
    return after


def _ends(
    work: Mapping[str, Work], hours: Mapping[str, StepHours], nodes: Nodes, pick: _Pick
) -> tuple[_Course, _Course]:
    """The course in the scheduler's order, and in the plan's."""
    tails = _tails(work, hours, pick)
    places = {key: float(-number) for number, key in enumerate(work)}
    return _course(work, hours, nodes, pick, tails), _course(work, hours, nodes, pick, places)


def _course(
    work: Mapping[str, Work],
    hours: Mapping[str, StepHours],
    nodes: Nodes,
    pick: _Pick,
    urgent: Mapping[str, float],
) -> _Course:
    course, now = _Course(), 0.0
    waiting, done = dict(work), set[str]()
    queue: list[tuple[float, int, list[Work]]] = []
    running: list[tuple[float, int, list[Work], int, int]] = []
    free, numbers = [nodes.machine.count] * nodes.count, itertools.count()
    while waiting or queue or running:
        for parts in _ready(waiting, done):
            heapq.heappush(queue, (-max(urgent[each.key] for each in parts), next(numbers), parts))
        for entry in sorted(queue):
            parts = entry[2]
            gpus = _gpus(parts[0], nodes.machine)
            machine = max(range(nodes.count), key=lambda number: free[number]) if gpus else 0
            if free[machine] < gpus:
                continue
            queue.remove(entry)
            free[machine] -= gpus
            taken = sum(pick(hours[each.key].work) for each in parts) + pick(hours[parts[0].key].start)
            course.busy += gpus * taken
            if gpus == nodes.machine.count:
                course.order.append(f"{parts[0].experiment.manifest.name}: {parts[0].step.id}")
            heapq.heappush(running, (now + taken, next(numbers), parts, gpus, machine))
        heapq.heapify(queue)
        if running:
            now, _, parts, gpus, machine = heapq.heappop(running)
            free[machine] += gpus
            done.update(each.key for each in parts)
    course.makespan = now
    return course


def _ready(waiting: dict[str, Work], done: set[str]) -> list[list[Work]]:
    """Tasks of what may begin, as the scheduler makes them; taken out of ``waiting``."""
    groups: dict[object, list[Work]] = {}
    for key in [key for key, each in waiting.items() if done.issuperset(each.reads.values())]:
        each = waiting.pop(key)
        engine = engine_key(each.step, each.experiment.plan(), each.names)
        groups.setdefault(key if engine is None else (id(each.experiment), engine), []).append(each)
    return list(groups.values())


def _gpus(work: Work, machine: Hardware) -> int:
    plan, settings = work.experiment.plan(), getattr(work.step.block, "settings", work.step.block)
    if not plan.stage(work.step).on_device or getattr(settings, "device", "cpu") != "cuda":
        return 0
    return 1 if isinstance(work.step.block, EmbedBlock) else machine.count
