"""What was trained on, what it cost, and everything needed to do it again."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.manifest.variants import variant_words, vary_options
from selfimp_bench.plural import plural
from selfimp_bench.protocols.registry import protocol_of
from selfimp_bench.report.summary import count, seconds
from selfimp_bench.runs.describe import Assumption, assumptions
from selfimp_bench.runs.judge import RunFiles
from selfimp_bench.runs.record import RecordedStep
from selfimp_bench.steps.probe import probe_words
from selfimp_bench.steps.prompts import too_long_words

_TOKENS = "tokens"
_FIRST = ("problems", "samples", "correct samples")
_LAST = ("rows", _TOKENS, "optimizer steps")


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One count over the iterations; ``-`` where an iteration has no such count. ``part`` is the stage it is of."""

    part: str
    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TrainingTable:
    """What M_1 .. M_T of one model and seed were trained on."""

    model: str
    seed: int
    iterations: tuple[int, ...]
    methods: tuple[str, ...]
    rows: tuple[Counted, ...]


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """One step of the record. ``rate`` is tokens per second, empty where a step counts no tokens."""

    id: str
    stage: str
    counts: str
    tokens: str
    seconds: str
    rate: str
    done: str
    version: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """All steps of one stage together."""

    stage: str
    steps: int
    reused: int
    tokens: str
    seconds: str
    rate: str


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A name and what it is."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class ProvenanceView:
    """Where the numbers come from."""

    training: tuple[TrainingTable, ...]
    stages: tuple[StageRow, ...]
    steps: tuple[StepRow, ...]
    assumptions: tuple[Assumption, ...]
    run: tuple[Fact, ...]
    environment: tuple[Fact, ...]
    packages: tuple[Fact, ...]
    command: str
    manifest_file: str


def provenance_view(run: RunFiles) -> ProvenanceView:
    """Everything about a run but its numbers."""
    environment = run.record.environment
    return ProvenanceView(
        training=tuple(_training_tables(run)),
        stages=tuple(_stage_rows(run.record.steps)),
        steps=tuple(_step_row(step) for step in run.record.steps),
        assumptions=assumptions(run.manifest),
        run=tuple(_run_facts(run)),
        environment=tuple(_environment_facts(run)),
        packages=tuple(Fact(name=name, value=environment.packages[name]) for name in sorted(environment.packages)),
        command=reproduce_command(run),
        manifest_file=run.record.manifest_file,
    )


def reproduce_command(run: RunFiles) -> str:
    """The command that asks for the same run: the experiment at the manifest's version, profile, seeds and model."""
    record = run.record
    words = ["selfimp-bench", "reproduce", f"{record.experiment}@{record.version}"]
    words += ["--profile", record.profile, "--seeds", str(len(record.seeds))]
    everything = tuple(model.id for model in run.manifest.models)
    if record.models != everything:
        words += [word for model in record.models for word in ("--only", f"model={model}")]
    return shlex.join([*words, *vary_options(record.variant)])


def _training_tables(run: RunFiles) -> Iterator[TrainingTable]:
    steps = {step.id: step for step in run.record.steps}
    schedule = protocol_of(run.manifest).training_methods(run.manifest)
    if not schedule:
        return
    for model in run.record.models:
        for seed in run.record.seeds:
            names = [f"{model}/seed{seed}/t{t}" for t in range(1, len(schedule) + 1)]
            selected = [_counts(steps.get(f"{name}/select")) for name in names]
            trained = [_counts(steps.get(f"{name}/train")) for name in names]
            yield TrainingTable(
                model=model,
                seed=seed,
                iterations=tuple(range(1, len(schedule) + 1)),
                methods=schedule,
                rows=(*_counted("selected", selected), *_counted("trained", trained)),
            )


def _counts(step: RecordedStep | None) -> Mapping[str, int]:
    return {} if step is None else step.counts


def _counted(part: str, counts: Sequence[Mapping[str, int]]) -> Iterator[Counted]:
    for name in _ordered({name for each in counts for name in each}):
        values = tuple(count(each[name]) if name in each else "-" for each in counts)
        yield Counted(part=part, name=name, values=values)


def _ordered(names: set[str]) -> list[str]:
    """What came in, then what was left out, then what remained."""
    middle = sorted(names.difference(_FIRST, _LAST))
    return [*(name for name in _FIRST if name in names), *middle, *(name for name in _LAST if name in names)]


def _stage_rows(steps: Sequence[RecordedStep]) -> Iterator[StageRow]:
    for stage in dict.fromkeys(step.stage for step in steps):
        own = [step for step in steps if step.stage == stage]
        tokens = [step.counts[_TOKENS] for step in own if _TOKENS in step.counts]
        total = sum(step.seconds for step in own)
        yield StageRow(
            stage=stage,
            steps=len(own),
            reused=sum(step.reused for step in own),
            tokens=count(sum(tokens)) if tokens else "",
            seconds=seconds(total),
            rate=_rate(sum(tokens), total) if tokens else "",
        )


def _step_row(step: RecordedStep) -> StepRow:
    tokens = step.counts.get(_TOKENS)
    others = [f"{name}: {count(step.counts[name])}" for name in _ordered(set(step.counts) - {_TOKENS})]
    return StepRow(
        id=step.id,
        stage=step.stage,
        counts="; ".join(others),
        tokens="" if tokens is None else count(tokens),
        seconds=seconds(step.seconds),
        rate="" if tokens is None else _rate(tokens, step.seconds),
        done="found in the store" if step.reused else "done in this run",
        version=step.version,
        fingerprint=step.fingerprint[:12],
    )


def _rate(tokens: int, elapsed: float) -> str:
    return f"{tokens / elapsed:,.0f}" if elapsed > 0 else ""


def _run_facts(run: RunFiles) -> Iterator[Fact]:
    record = run.record
    yield Fact(name="Experiment", value=f"{record.experiment}, version {record.version}")
    if record.variant:
        yield Fact(name="Variant", value=variant_words(record.variant))
    yield Fact(name="Profile", value=record.profile)
    yield Fact(name="Models", value=", ".join(record.models))
    yield Fact(name="Seeds", value=", ".join(map(str, record.seeds)))
    yield Fact(name="Manifest", value=f"{record.manifest_file}, sha256 {record.manifest_digest}")
    yield Fact(name="Started", value=record.started)
    yield Fact(name="Wall time of the last invocation", value=seconds(record.wall_seconds))
    yield Fact(name="Wall time of all steps", value=seconds(sum(step.seconds for step in record.steps)))
    yield Fact(name="Tokens generated", value=count(record.generated_tokens))
    yield Fact(name="Tokens trained on", value=count(record.trained_tokens))
    for each in record.methods:
        what = f"{each.name} of {', '.join([f'{each.package} {each.version}', *each.requires])}, code {each.code}"
        yield Fact(name=each.kind.capitalize(), value=what)
    for model, probed in record.probes.items():
        yield Fact(name=f"Determinism of {model}", value=probe_words(probed))
    for model, uses in record.prompts.items():
        yield Fact(name=f"Prompts of {model}", value="; ".join(too_long_words(use) for use in uses))


def _environment_facts(run: RunFiles) -> Iterator[Fact]:
    record, environment, code = run.record, run.record.environment, run.record.code
    yield Fact(name="Device", value=f"{record.device}, {plural(record.threads, 'thread')} per process")
    yield Fact(name="GPUs", value="; ".join(environment.gpus) or "none")
    yield Fact(name="Driver", value=environment.driver or "none")
    yield Fact(name="Processor", value=f"{environment.processor}, {plural(environment.cores, 'core')}")
    yield Fact(name="Platform", value=environment.platform)
    yield Fact(name="Python", value=environment.python)
    yield Fact(name="selfimp-bench", value=f"{code.version}, source sha256 {code.source_digest}")
    yield Fact(name="Commit", value=_commit(code.commit, code.modified))
    if (image := record.image) is not None:
        yield Fact(name="Image", value=f"{image.digest or 'digest not given'}, for {image.accelerator}")
        yield Fact(name="Image built from", value=f"commit {image.commit}, base {image.base_image}")
        yield Fact(name="Lock", value=f"sha256 {image.lock_digest}, wheels sha256 {image.wheels_digest}")


def _commit(commit: str | None, modified: bool | None) -> str:
    if commit is None:
        return "not a checkout (installed package)"
    return f"{commit}, {'with uncommitted changes' if modified else 'unmodified'}"
