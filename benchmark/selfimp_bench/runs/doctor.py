"""`doctor`: what would stop a run here, found before it starts. Uses no network unless asked to."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from selfimp_bench import machine
from selfimp_bench.engines.device_probe import probe_devices, why_none
from selfimp_bench.engines.hub.fetched import Kind, hub_folder, locate_fetched
from selfimp_bench.engines.hub.hub import Source, licence_page, list_repository, refuse_without_access, token_is_set
from selfimp_bench.engines.open import engine_version, not_installed
from selfimp_bench.errors import InputError
from selfimp_bench.locks import on_network
from selfimp_bench.machine import ready_home
from selfimp_bench.manifest.model import Encoder, Engines
from selfimp_bench.mounts import file_system
from selfimp_bench.plural import plural
from selfimp_bench.protocols.post_training.embed import EmbedBlock
from selfimp_bench.protocols.post_training.encoder import locate_encoder
from selfimp_bench.runs.compilers import missing_compiler
from selfimp_bench.runs.disk import disk_use, in_bytes, parameters_of
from selfimp_bench.runs.hardware.fit import gigabytes
from selfimp_bench.runs.hardware.footprint import ADAM_BYTES
from selfimp_bench.runs.hardware.training import STORED_BYTES
from selfimp_bench.runs.hub_needs import Shortfall, fetch_command, hub_needs, shortfalls
from selfimp_bench.runs.own_files import method_words, own_files, own_methods
from selfimp_bench.runs.prompt_fits import fit_lines, prompt_fits
from selfimp_bench.runs.record import driver
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.grade import GradeBlock
from selfimp_bench.steps.model import ModelBlock
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.train import TrainBlock
from selfimp_bench.tasks.grading.kinds import UNTRUSTED
from selfimp_bench.tasks.sandbox.cells import sandbox_status

SHARED_BYTES = 10**9
"""Of /dev/shm, where several GPUs work together: NCCL's buffers do not fit the 64 MB that a container has of itself."""


class State(StrEnum):
    """What a check found: nothing in the way, something worth knowing, or what would stop the run."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at. ``advice`` says what to do, where ``found`` does not say it."""

    name: str
    state: State
    found: str
    advice: str | None = None


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Everything looked at, in order."""

    checks: tuple[Check, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing would stop the run."""
        return all(check.state is not State.PROBLEM for check in self.checks)


def diagnose(
    experiments: Sequence[Experiment], home: Path, *, volume: Path | None, online: bool, endpoint: str | None
) -> Diagnosis:
    """Look at everything that running these experiments on this home would need; without any, at the machine alone.

    ``volume`` as of ``ready_home``, which makes the home. ``online`` also asks the hub (``endpoint`` as of ``Source``)
    for what is not fetched yet.
    """
    engines = [experiment.manifest.engines for experiment in experiments]
    steps = [step for experiment in experiments for step in experiment.plan().steps]
    missing = shortfalls(hub_needs(experiments), home)
    parts: tuple[Iterable[Check], ...] = (
        (_tried("home", partial(_home, home, volume)),),
        (_packages(),),
        _engines(engines),
        _encoders(steps),
        (_gpus(engines),),
        _compilers(engines),
        (_shared_memory(engines),),
        (_memory(steps),),
        (_disk(experiments, missing, home),),
        _fetched(experiments, missing, home),
        _own_files(experiments),
        _own_methods(experiments),
        _prompts(experiments, home),
        _hub(missing, endpoint) if online else (),
        _sandbox(steps, machine_alone=not experiments),
    )
    return Diagnosis(checks=tuple(check for part in parts for check in part))


def _home(home: Path, volume: Path | None) -> str:
    ready_home(home, volume)
    shared = f"; {file_system(home)}: machines that share it lock by leases" if on_network(home) else ""
    return f"{home.absolute()} can be written to{shared}"


def _packages() -> Check:
    if unmet := machine.unmet_requirements():
        return _problem("packages", _listed(unmet), "install selfimp-bench again, from its lock")
    lock = machine.find_lock()
    if lock is None:
        return _ok("packages", "every requirement is met")
    if others := machine.unlocked_packages(lock):
        advice = "a run records its versions; with others than the locked ones its numbers may differ"
        return _note("packages", f"not as in {lock.name}: {_listed(others)}", advice)
    return _ok("packages", f"the versions of {lock.name}")


def _listed(packages: Iterable[machine.Package]) -> str:
    return ", ".join(f"{each.name} {each.installed or 'missing'} ({each.wanted or 'any'} wanted)" for each in packages)


def _engines(engines: Iterable[Engines]) -> Iterator[Check]:
    """The libraries of the engines that are named."""
    for name in dict.fromkeys(name for each in engines for name in (each.sampler, each.trainer)):
        missing = not_installed(name)
        yield _ok("engine", engine_version(name)) if missing is None else _problem("engine", missing)


def _encoders(steps: Iterable[Step]) -> Iterator[Check]:
    """The sentence encoders that a Python package carries."""
    blocks = (step.block for step in steps if isinstance(step.block, EmbedBlock) and step.block.engine != "fake")
    for encoder in {block.encoder.id: block.encoder for block in blocks}.values():
        if encoder.package is not None:
            yield _tried("encoder", partial(_encoder_words, encoder))


def _encoder_words(encoder: Encoder) -> str:
    return f"{encoder.id} in {locate_encoder(encoder, Path())}"


def _gpus(engines: Sequence[Engines]) -> Check:
    """Whether torch can use as many GPUs as one engine spans."""
    wanted = max((_span(each) for each in engines), default=0)
    if engines and not wanted:
        return _ok("GPU", "none is needed: every engine runs on the CPU")
    try:
        report = probe_devices()
    except InputError as error:
        return _problem("GPU", str(error)) if engines else _note("GPU", str(error), "only runs need it")
    words = f"{len(report.gpus)} for torch {report.torch}: {', '.join(report.gpus)}; driver {driver() or 'unknown'}"
    if report.gpus and len(report.gpus) >= wanted:
        return _ok("GPU", words)
    if not engines:
        return _note("GPU", f"none for torch {report.torch}", "the CPU profiles (--profile smoke) need none")
    if report.gpus:
        return _problem("GPU", f"{words}; one engine spans {wanted}", "run on a machine with more, or another manifest")
    return _problem("GPU", *why_none(report, driver()))


def _compilers(engines: Iterable[Engines]) -> Iterator[Check]:
    """What the engines compile with while they run."""
    for words in dict.fromkeys(missing_compiler(each) for each in engines):
        yield (
            _problem("compiler", words)
            if words is not None
            else _ok("compiler", "what the engines compile with is here")
        )


def _span(engines: Engines) -> int:
    """The GPUs that one engine of the manifest needs at a time; 0 on a CPU."""
    if engines.device == "cpu":
        return 0
    return 1 if engines.vllm is None else engines.vllm.tensor_parallel


def _shared_memory(engines: Iterable[Engines]) -> Check:
    found = machine.shared_memory()
    together = any(_span(each) > 1 or (_span(each) and each.distributed is not None) for each in engines)
    if together and found < SHARED_BYTES:
        advice = "start the container with --shm-size 8g or --ipc=host"
        return _problem("shared memory", f"/dev/shm has {gigabytes(found)}; GPUs that work together need more", advice)
    return _ok("shared memory", f"/dev/shm has {gigabytes(found)}")


def _memory(steps: Sequence[Step]) -> Check:
    """Whether the largest model fits: in training on a CPU with its optimiser, else once as it is stored."""
    found = machine.available_memory()
    on_cpu = any(isinstance(step.block, TrainBlock) and step.block.device == "cpu" for step in steps)
    each = ADAM_BYTES if on_cpu else STORED_BYTES
    models = (step.block.model for step in steps if isinstance(step.block, ModelBlock))
    needed = max((each * parameters_of(model) for model in models), default=0)
    words = f"{gigabytes(found)} available"
    if needed > found:
        return _problem("memory", f"{words}; the largest model needs {gigabytes(needed)}", "run on a larger machine")
    return _ok("memory", f"{words}{f', at least {gigabytes(needed)} needed' if needed else ''}")


def _disk(experiments: Sequence[Experiment], missing: Sequence[Shortfall], home: Path) -> Check:
    """Room for what is still to be sampled, trained (each piece of work once) and fetched, where sizes are known."""
    needed, found = disk_use(experiments, missing, home), machine.free_disk(home)
    words = f"{in_bytes(found)} free under {home.absolute()}, at most {in_bytes(needed.total)} needed{needed.besides}"
    if needed.total > found:
        return _problem("disk", words, "make room, choose another --home, or run one model at a time (--only model=M)")
    return _ok("disk", words)


def _fetched(experiments: Sequence[Experiment], missing: Sequence[Shortfall], home: Path) -> Iterator[Check]:
    """What the experiments need from the hub, the sizes of its files and the hashes of the small ones."""
    absent = {short.need.pinned: short for short in missing}
    by_name = {experiment.manifest.name: experiment for experiment in experiments}
    for need in hub_needs(experiments):
        if (short := absent.get(need.pinned)) is not None:
            yield _absent(short, fetch_command(by_name[need.experiment], home))
        else:
            record = locate_fetched(need.pinned, hub_folder(home))
            yield _ok("hub", f"{need.pinned}: {plural(len(record.files), 'file')}, {gigabytes(record.bytes)}")


def _absent(short: Shortfall, command: str) -> Check:
    """A need that is not met. Whether a model is gated only the hub knows, so page and variable are always named."""
    pinned, experiment = short.need.pinned, short.need.experiment
    if short.damaged is not None:
        return _problem("hub", short.damaged, command)
    gate = ""
    if pinned.kind is not Kind.DATASET:
        token = "is set" if token_is_set() else "is not set"
        page = licence_page(pinned.kind, pinned.repo)
        gate = f"; if it is gated, first accept its licence at {page} and set HF_TOKEN ({token})"
    return _problem("hub", f"{experiment} needs {pinned}, which is not fetched", f"{command}{gate}")


def _own_files(experiments: Iterable[Experiment]) -> Iterator[Check]:
    """The models and data that lie in the user's own files: whether they are the pinned ones."""
    for experiment in experiments:
        for own in own_files(experiment.plan(), experiment.path.parent):
            yield _ok(own.kind, own.words) if own.sound else _problem(own.kind, own.words)


def _own_methods(experiments: Iterable[Experiment]) -> Iterator[Check]:
    """The functions of other packages that manifests name: whether they are installed, and can be called."""
    found = dict.fromkeys(each for experiment in experiments for each in own_methods(experiment.plan()))
    for wanted in found:
        yield _tried("method", partial(method_words, wanted))


def _prompts(experiments: Sequence[Experiment], home: Path) -> Iterator[Check]:
    """The prompts that do not fit a model, what becomes of them, and what is not known here."""
    for line in fit_lines(prompt_fits(experiments, home)):
        yield Check(name="prompts", state=State.OK if line.sound else State.NOTE, found=line.words)


def _hub(missing: Iterable[Shortfall], endpoint: str | None) -> Iterator[Check]:
    """Whether the hub would give what is not fetched yet."""
    for short in missing:
        pinned = short.need.pinned
        source = Source(wanted=pinned, repo=pinned.repo, revision=pinned.revision, endpoint=endpoint)
        yield _tried("hub online", partial(_openness, source))


def _openness(source: Source) -> str:
    if not list_repository(source).gated:
        return f"{source}: open to all"
    refuse_without_access(source)
    return f"{source}: gated, and the token has access"


def _sandbox(steps: Iterable[Step], *, machine_alone: bool) -> Iterator[Check]:
    """The attack corpus against the isolation, where programs of models are to be run."""
    if not machine_alone and not any(_runs_programs(step) for step in steps):
        yield _ok("sandbox", "none is needed: no program of a model is run")
        return
    found = sandbox_status()
    if found.mechanism is not None:
        yield _ok("sandbox", f"{found.mechanism}: {found.attacks} attacks ended as they should")
    else:
        advice = "`selfimp-bench sandbox selftest` shows each attack; install bubblewrap, or use a kernel with Landlock"
        reasons = "; ".join(found.failures)
        yield Check(name="sandbox", state=State.NOTE if machine_alone else State.PROBLEM, found=reasons, advice=advice)


def _runs_programs(step: Step) -> bool:
    return isinstance(step.block, GradeBlock) and step.block.grading.task in UNTRUSTED


def _tried(name: str, look: Callable[[], str]) -> Check:
    """What looking finds, or as a problem the InputError that it raises, which says what to do."""
    try:
        return _ok(name, look())
    except InputError as error:
        return _problem(name, str(error))


def _ok(name: str, found: str) -> Check:
    return Check(name=name, state=State.OK, found=found)


def _note(name: str, found: str, advice: str) -> Check:
    return Check(name=name, state=State.NOTE, found=found, advice=advice)


def _problem(name: str, found: str, advice: str | None = None) -> Check:
    return Check(name=name, state=State.PROBLEM, found=found, advice=advice)
