"""From a study to run folders: do the steps, then write record and measurements beside the manifests."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from selfimp_bench.canonical import pretty_json
from selfimp_bench.durable import write_atomically
from selfimp_bench.engines.base import PLAIN_TRAINING, TrainOptions
from selfimp_bench.engines.device_probe import probe_devices, why_none
from selfimp_bench.engines.hub.fetched import hub_folder
from selfimp_bench.engines.open import not_installed, open_embedder, open_sampler, open_trainer
from selfimp_bench.errors import InputError, NotReady
from selfimp_bench.manifest.catalog import find_table
from selfimp_bench.manifest.priors import FILE
from selfimp_bench.manifest.reference_table import read_table
from selfimp_bench.plural import plural
from selfimp_bench.runs.case_studies import FILE as CASE_STUDY
from selfimp_bench.runs.case_studies import case_studies
from selfimp_bench.runs.compilers import missing_compiler
from selfimp_bench.runs.evidence import files_of
from selfimp_bench.runs.folders import RECORD, STUDY_RECORD, TABLES
from selfimp_bench.runs.forecast import records_of
from selfimp_bench.runs.hub_needs import missing_words
from selfimp_bench.runs.own_files import method_words, own_methods
from selfimp_bench.runs.record import driver, make_record, make_study_record
from selfimp_bench.runs.study import Experiment, Study
from selfimp_bench.steps.measured import MEASUREMENTS, PROBLEM_VALUES
from selfimp_bench.steps.plan import Places, Plan
from selfimp_bench.steps.probe import PROBE, Probed
from selfimp_bench.steps.progress import PartOf, Progress
from selfimp_bench.steps.prompts import PROMPTS, PromptLengths
from selfimp_bench.steps.runner import Engines, FinishedStep, OpenedEngines, Runner
from selfimp_bench.steps.store import Store, arrow_table
from selfimp_bench.verdict import figure_rows
from selfimp_bench.verdict.check import tables_of
from selfimp_bench.verdict.paper_check import suite_tables

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class Before:
    """When this invocation began, by the calendar and the clock, and the fingerprints of the steps that it has had done
    by other processes of this machine."""

    started: str
    clock: float
    made: frozenset[str] = frozenset()

    @classmethod
    def now(cls) -> "Before":
        """Nothing done yet."""
        return cls(started=datetime.now(UTC).isoformat(timespec="seconds"), clock=time.monotonic())


def run_study(
    study: Study,
    home: Path,
    progress: Progress,
    training: TrainOptions = PLAIN_TRAINING,
    *,
    image_digest: str | None = None,
    before: Before | None = None,
) -> Path:
    """Run or resume every experiment and return the study's run folder; what is raised is as of ``execute``.

    With claims across the experiments the folder holds its record, the file of the claims and the tables they need;
    else it is the one experiment's own.
    """
    planned = study.plan()
    numbers = {step.id: number for number, step in enumerate(planned.plan.steps, start=1)}
    places = {step: numbers[name] for step, name in planned.ids.items()}
    for number, experiment in enumerate(study.experiments, start=1):
        part = PartOf(
            whole=progress,
            places=places,
            steps=len(planned.plan.steps),
            experiment=number,
            experiments=len(study.experiments),
        )
        execute(experiment, home, part, training, image_digest=image_digest, before=before)
    folder = study.run_folder(home)
    if study.across is not None:
        write_atomically(folder / study.file, study.text.encode())
        beside = _copied(folder, _tables(suite_tables(study.across), study.path))
        files = files_of(folder, [study.file, *beside])
        write_atomically(folder / STUDY_RECORD, pretty_json(make_study_record(study, study.across, home, files)))
    return folder


def execute(
    experiment: Experiment,
    home: Path,
    progress: Progress,
    training: TrainOptions = PLAIN_TRAINING,
    *,
    image_digest: str | None = None,
    before: Before | None = None,
) -> Path:
    """Run or resume the experiment and return its run folder.

    image_digest: of the container image, for the record. before: what this invocation had done; None: nothing.

    Everything the verdict and the report need lies there afterwards, so that the folder can be checked elsewhere:
    record.json, the manifest with its prompt files, the reference tables that it names, measurements.parquet,
    problem_values.parquet and case_study.json.
    Raises NotReady before any step where a GPU or something to be fetched is missing, or StepFailed; finished steps
    stay in the store.
    """
    before = Before.now() if before is None else before
    refuse_lacks(experiment, home)
    store = Store(home / "store")
    found = open_runner(experiment, home, training).run(progress)
    finished = tuple(replace(each, reused=each.reused and each.record.fingerprint not in before.made) for each in found)
    folder = experiment.run_folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (MEASUREMENTS, PROBLEM_VALUES):
        gather(store, finished, name, folder / name)
    write_atomically(folder / experiment.manifest_file, experiment.text.encode())
    beside = _copied(folder, {**experiment.files, **_tables(table_names(experiment), experiment.path)})
    write_atomically(folder / CASE_STUDY, pretty_json(case_studies(finished, store)))
    record = make_record(
        experiment,
        finished,
        started=before.started,
        wall_seconds=time.monotonic() - before.clock,
        image_digest=image_digest,
        probes=by_model(store, finished, PROBE, Probed),
        prompts=by_model(store, finished, PROMPTS, tuple[PromptLengths, ...]),
        files=files_of(folder, [experiment.manifest_file, MEASUREMENTS, PROBLEM_VALUES, CASE_STUDY, *beside]),
    )
    write_atomically(folder / RECORD, pretty_json(record))
    return folder


def open_runner(
    experiment: Experiment, home: Path, training: TrainOptions, opened: OpenedEngines | None = None
) -> Runner:
    """A runner of the experiment's plan; its engines start with the first step that needs them, unless ``opened``."""
    return Runner(
        plan=experiment.plan(),
        store=Store(home / "store"),
        places=Places(base=experiment.path.parent, hub=hub_folder(home)),
        engines=Engines(
            open_sampler=open_sampler,
            open_embedder=open_embedder,
            trainer=open_trainer(experiment.manifest.engines, training),
            opened=opened,
        ),
    )


def refuse_lacks(experiment: Experiment, home: Path) -> None:
    """Raise NotReady where a library, a GPU, a compiler or something to be fetched is missing for the steps that are to
    do."""
    store, plan = Store(home / "store"), experiment.plan()
    lacking = (
        *_lack_of_libraries(experiment, plan, store),
        *_lack_of_methods(experiment, plan, store),
        *_lack_of_devices(experiment, plan, store),
        missing_words(experiment, home),
    )
    if problems := [words for words in lacking if words is not None]:
        raise NotReady("\n".join(problems))


def table_names(experiment: Experiment) -> tuple[str, ...]:
    """The reference tables that the experiment's claims and figures need, those of conflicting rows too, each once."""
    tables = tables_of(experiment.manifest.claims, lambda name: read_table(find_table(name, experiment.path), name))
    return tuple(
        sorted({*(table.name for table in tables), *figure_rows.table_names(experiment.manifest.figures or ())})
    )


def _lack_of_libraries(experiment: Experiment, plan: Plan, store: Store) -> Iterator[str]:
    """What to install when engines of steps that are to do lack a library."""
    done = records_of(plan, store)
    engines = {plan.stage(step).engine(step.block): step.id for step in reversed(plan.steps) if step.id not in done}
    for name, first in sorted((name, first) for name, first in engines.items() if name is not None):
        if words := not_installed(name):
            yield f"{experiment.manifest.name}: {first}: {words}"


def _lack_of_methods(experiment: Experiment, plan: Plan, store: Store) -> Iterator[str]:
    """What to install when steps that are to do call functions of packages that are not there, or not as named."""
    if not own_methods(plan):
        return
    done = records_of(plan, store)
    to_do = Plan(steps=tuple(step for step in plan.steps if step.id not in done), stages=plan.stages)
    for wanted in own_methods(to_do):
        try:
            method_words(wanted)
        except InputError as error:
            yield f"{experiment.manifest.name}: {error}"


def _lack_of_devices(experiment: Experiment, plan: Plan, store: Store) -> Iterator[str]:
    """What to do when steps that need a GPU are to do and torch can use none here, or engines lack their compiler."""
    engines = experiment.manifest.engines
    compiler = missing_compiler(engines)
    if engines.device == "cpu" and compiler is None:
        return
    done = records_of(plan, store)
    to_do = [step.id for step in plan.steps if plan.stage(step).on_device and step.id not in done]
    if not to_do:
        return
    report = probe_devices() if engines.device == "cuda" else None
    if report is not None and not report.gpus:
        found, advice = why_none(report, driver())
        yield (
            f"{experiment.manifest.name}: no GPU here, and engines.device is cuda: "
            f"{plural(len(to_do), 'step')} to do on one ({to_do[0]} first): {found}; {advice}"
        )
    elif compiler is not None:
        yield f"{experiment.manifest.name}: {compiler}"


def gather(store: Store, finished: Sequence[FinishedStep], name: str, target: Path) -> None:
    """One table from those of all steps that write it, in the order of the plan."""
    parts = [arrow_table(store.proved(done.record, name)) for done in finished if _wrote(done, name)]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables(parts), sink, compression="zstd")
    write_atomically(target, sink.getvalue().to_pybytes())


def by_model(store: Store, finished: Sequence[FinishedStep], name: str, kind: type[Found]) -> dict[str, Found]:
    """What the steps that write this file found, by model: the first part of their steps' ids."""
    return {
        done.step.id.partition("/")[0]: msgspec.json.decode(store.proved(done.record, name).read_bytes(), type=kind)
        for done in finished
        if _wrote(done, name)
    }


def _wrote(done: FinishedStep, name: str) -> bool:
    return any(artifact.path == name for artifact in done.record.artifacts)


def _tables(names: Iterable[str], manifest: Path) -> dict[str, Path]:
    """The tables of a manifest by what a run folder calls them, and the priors that lie beside it, if any do; those
    that are shipped are at hand where a run is judged."""
    own = manifest.with_name(FILE)
    priors = {f"{TABLES}/{FILE}": own} if own.is_file() else {}
    return {f"{TABLES}/{name}": find_table(name, manifest) for name in names} | priors


def _copied(folder: Path, files: Mapping[str, Path]) -> tuple[str, ...]:
    """Copy files into a folder under these names, and return the names."""
    for name, source in files.items():
        target = folder / name
        if source.resolve() != target.resolve():
            write_atomically(target, source.read_bytes())
    return tuple(files)
