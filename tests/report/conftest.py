"""Hand-made run folders, written through the product's own dataclasses and schemas."""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from verdict_support import finding

from selfimp_bench.canonical import pretty_json
from selfimp_bench.durable import write_atomically
from selfimp_bench.manifest.model import Cell, Profile
from selfimp_bench.measurement import Measurement, ProblemValue, Split, mean_over_problems
from selfimp_bench.protocols.post_training.metrics.case_study import CaseStep, GradedText
from selfimp_bench.report.write import write_report
from selfimp_bench.runs.case_studies import FILE as CASE_STUDY
from selfimp_bench.runs.case_studies import CaseStudies, CaseStudy
from selfimp_bench.runs.evidence import files_of
from selfimp_bench.runs.findings_file import keep_findings
from selfimp_bench.runs.folders import RECORD
from selfimp_bench.runs.record import GENERATING, TRAINING, Code, Environment, RecordedStep, RunRecord, tokens_of
from selfimp_bench.seals import seal_of
from selfimp_bench.steps.measured import MEASUREMENT_SCHEMA, MEASUREMENTS, PROBLEM_VALUE_SCHEMA, PROBLEM_VALUES
from selfimp_bench.steps.store import Artifact, StepFolder
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.verdict.findings import Findings, Interval, Kind, PointFinding, Term, Verdict

MANIFEST = Path(__file__).parents[1] / "manifest" / "valid" / "example-iter-dpo.v1.yaml"
TABLE = """\
id,model,dataset,method,metric,x,printed,unit,read_error,source,conflicts_with
t2-iter1,big,example,dpo,pass@1,1,41.0,percent,0.5,Table 2,
t2-iter2,big,example,dpo,pass@1,2,50.2,percent,0.5,Table 2,
t2-iter3,big,example,dpo,pass@1,3,71.5,percent,0.5,Table 2,
t2-best,big,example,dpo,best-pass@1,,71.5,percent,,Table 2,
"""
PROBLEMS = 60

# metric, split, its share by iteration (None: undefined on every problem)
SHARES: tuple[tuple[str, Split, tuple[float | None, ...]], ...] = (
    ("pass@1", Split.TEST, (0.42, 0.55, 0.66)),
    ("pass@4", Split.TEST, (0.70, 0.71, 0.69)),
    ("pass@16", Split.TEST, (0.88, 0.84, 0.75)),
    ("coverage", Split.TEST, (0.41, 0.52, 0.63)),
    ("distinct-n.correct", Split.TEST, (0.80, 0.61, 0.43)),
    ("distinct-n.incorrect", Split.TEST, (0.85, 0.74, None)),
    ("distinct-equations.correct", Split.TEST, (0.50, 0.42, 0.38)),
    ("distinct-equations.incorrect", Split.TEST, (0.71, 0.66, 0.60)),
    ("reward", Split.TEST, (0.11, 0.33, 0.22)),
    ("pass@1", Split.OOD, (0.30, 0.29, 0.27)),
    ("pass@4", Split.TRAIN, (0.75, 0.80)),
    ("coverage", Split.TRAIN, (0.45, 0.60)),
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A run's two tables."""

    measurements: tuple[Measurement, ...]
    problem_values: tuple[ProblemValue, ...]


def example_tables(models: Sequence[str], replicates: int, problems: int = PROBLEMS) -> Measured:
    """Values drawn about ``SHARES``, the same every time."""
    values: list[ProblemValue] = []
    means: list[Measurement] = []
    for model in models:
        for replicate in range(replicates):
            for metric, split, shares in SHARES:
                for iteration, share in enumerate(shares, start=1):
                    own = tuple(_values(model, metric, split, iteration, replicate, share, problems))
                    values += own
                    means.append(_mean(own))
    return Measured(measurements=tuple(means), problem_values=tuple(values))


def _values(
    model: str, metric: str, split: Split, iteration: int, replicate: int, share: float | None, problems: int
) -> Iterator[ProblemValue]:
    draw = random.Random(f"{model} {metric} {split} {iteration} {replicate}")
    for problem in range(problems):
        value = None if share is None else min(1.0, max(0.0, draw.gauss(share, 0.15)))
        if metric.endswith("correct") and problem % 10 == 0:
            value = None
        yield ProblemValue(
            model=model,
            metric=metric,
            split=split,
            iteration=iteration,
            replicate=replicate,
            problem_id=f"{split}-{problem}",
            value=value,
        )


def _mean(values: Sequence[ProblemValue]) -> Measurement:
    estimate = mean_over_problems([each.value for each in values])
    first = values[0]
    return Measurement(
        model=first.model,
        metric=first.metric,
        split=first.split,
        iteration=first.iteration,
        replicate=first.replicate,
        value=estimate.value,
        unit="share",
        n=estimate.n,
        undefined=estimate.undefined,
        standard_error=estimate.standard_error,
        reason=estimate.reason,
    )


def example_findings(
    model: str, *, statement: str = "Greedy accuracy after every iteration is as in Table 2."
) -> Findings:
    """One finding of each kind, and every verdict."""
    accuracy = replace(
        finding(Verdict.NOT_REPRODUCED, 1.0, 0.0123, "accuracy", Kind.VALUE),
        model=model,
        statement=statement,
        source="Table 2",
        reason="1 of 3 points is NOT_REPRODUCED: pass@1 on test at iteration 3 is further off than allowed",
        points=(
            _point(1, "0.42", "41.0", Verdict.REPRODUCED),
            _point(2, None, "50.2", Verdict.NOT_MEASURED),
            _point(3, "0.66", "71.5", Verdict.NOT_REPRODUCED),
        ),
        terms=(Term(name="points", value=3, source="the claim's, about all its models"),),
        would_fail="outside of 36.9 to 45.1 percent it would have been contradicted",
        smallest_effect=5.2,
    )
    helps = replace(
        accuracy,
        claim="dpo-helps",
        statement="DPO raises greedy accuracy over SFT.",
        source="Section 5.1",
        kind=Kind.ORDER,
        verdict=Verdict.INCONCLUSIVE,
        p_for=0.21,
        p_against=0.79,
        reason="pass@1 at 2 less 1: 0.02 over 60 problems, -0.01 to 0.05 at 95 %: not told from 0",
        points=(),
        interval=Interval(mean=0.02, low=-0.01, high=0.05, problems=60, dropped=3),
        problems_to_decide=140,
    )
    falls = replace(
        helps,
        claim="diversity-falls",
        statement="Diversity of the correct answers falls with every iteration.",
        source="Section 5.2",
        kind=Kind.TREND,
        verdict=Verdict.REPRODUCED,
        p_for=0.0001,
        p_against=1.0,
        reason="fall of distinct-n.correct: 0.185, 0.16 to 0.21 at 95 %: above 0, as claimed",
        interval=Interval(mean=0.185, low=0.16, high=0.21, problems=54, dropped=6),
        problems_to_decide=None,
    )
    return Findings(schema=2, findings=(accuracy, helps, falls))


def _point(iteration: int, value: str | None, reference: str, verdict: Verdict) -> PointFinding:
    half_width = Decimal("4.1")
    return PointFinding(
        cell=Cell(metric="pass@1", split=Split.TEST, iteration=iteration),
        unit="percent",
        measured=None if value is None else Decimal(value) * 100,
        reference_id=f"t2-iter{iteration}",
        reference=reference,
        low=None if value is None else Decimal(reference) - half_width,
        high=None if value is None else Decimal(reference) + half_width,
        verdict=verdict,
        reason=f"pass@1 on test at iteration {iteration}: reference {reference} (5 runs, sd 1.1)",
        terms=(Term(name="sd", value=1.1, source=f"example/table2.csv row 't2-iter{iteration}', sd"),),
    )


def record(models: tuple[str, ...], seeds: tuple[int, ...], profile: Profile) -> RunRecord:
    """A record with selecting, training and sampling steps for every iteration."""
    steps = tuple(step for model in models for seed in seeds for step in _steps(f"{model}/seed{seed}"))
    return RunRecord(
        schema=2,
        experiment="example-iter-dpo",
        version=1,
        manifest_file=MANIFEST.name,
        manifest_digest=hashlib.sha256(MANIFEST.read_bytes()).hexdigest(),
        profile=profile,
        models=models,
        seeds=seeds,
        device="cuda",
        threads=8,
        code=Code(version="0.1.0", source_digest="ab" * 32, commit="cd" * 20, modified=False),
        environment=Environment(
            platform="Linux-6.8-x86_64",
            python="3.11.9",
            processor="AMD EPYC 9354",
            cores=16,
            gpus=("NVIDIA H200, 143771 MiB",),
            driver="570.86.15",
            packages={"torch": "2.13.0", "transformers": "5.19.0", "trl": "1.16.0"},
        ),
        steps=steps,
        generated_tokens=tokens_of(steps, *GENERATING),
        trained_tokens=tokens_of(steps, *TRAINING),
        started="2026-01-02T03:04:05+00:00",
        wall_seconds=432.1,
        files={},
        seal="",
    )


def example_case(models: Sequence[str]) -> CaseStudies:
    """A problem that turned, of the first model; the others have none."""
    outcomes = (Outcome.WRONG, Outcome.UNPARSED, Outcome.CORRECT)
    steps = tuple(
        CaseStep(
            iteration=iteration,
            greedy=GradedText(completion=f"1 < 2 & {iteration} + 1\n#### {iteration}", outcome=outcome),
            share_correct=None if iteration == 2 else 0.25 * iteration,
            distinct_equations=9 - iteration,
        )
        for iteration, outcome in enumerate(outcomes, start=1)
    )
    problem = Problem(problem_id="test-7", question="How many?", answer="#### 3")
    turned = CaseStudy(model=models[0], problems=PROBLEMS, turned=5, problem=problem, steps=steps)
    none = [CaseStudy(model=model, problems=PROBLEMS, turned=0, problem=None, steps=()) for model in models[1:]]
    return CaseStudies(schema=1, studies=(turned, *none))


def _steps(name: str) -> Iterator[RecordedStep]:
    selected = (
        {"problems": 7473, "rows": 7473},
        {"problems": 7473, "samples": 59784, "correct samples": 30125, "problems dropped: no correct sample": 812}
        | {"problems dropped: no wrong sample": 640, "rows": 11876},
        {"problems": 7473, "samples": 59784, "correct samples": 34990, "rows": 0}
        | {"correct samples left out as duplicates or over the cap": 9120},
    )
    trained = (
        {"optimizer steps": 351, "rows": 7473, "tokens": 2511234},
        {"optimizer steps": 372, "rows": 11876, "tokens": 4102555},
        {"kept previous checkpoint, training set empty": 1, "optimizer steps": 0, "rows": 0, "tokens": 0},
    )
    for t, (chosen, done) in enumerate(zip(selected, trained, strict=True), start=1):
        yield _step(f"{name}/t{t}/select", "select", chosen, 1.25, reused=False)
        yield _step(f"{name}/t{t}/train", "train", done, 612.5, reused=t == 1)
        yield _step(f"{name}/t{t}/sample.greedy", "sample", {"completions": 1319, "tokens": 181023}, 33.3, reused=False)


def _step(name: str, stage: str, counts: dict[str, int], seconds: float, *, reused: bool) -> RecordedStep:
    return RecordedStep(
        id=name,
        stage=stage,
        fingerprint=hashlib.sha256(name.encode()).hexdigest(),
        version="engine 1",
        inputs={},
        artifacts=(),
        counts=counts,
        seconds=seconds,
        reused=reused,
    )


def with_files(made: RunRecord, files: dict[str, str], tables: Measured) -> RunRecord:
    """A record of these files, with the step that measured these tables, sealed."""
    rows = {MEASUREMENTS: len(tables.measurements), PROBLEM_VALUES: len(tables.problem_values)}
    measured = replace(
        _step("measure", "measure", {"measurements": len(tables.measurements)}, 1.5, reused=False),
        artifacts=tuple(Artifact(path=name, sha256=files[name], bytes=1, rows=count) for name, count in rows.items()),
    )
    whole = replace(made, files=files, steps=(*made.steps, measured))
    return replace(whole, seal=seal_of(pretty_json(whole)))


def write_run_folder(
    folder: Path,
    *,
    models: tuple[str, ...] = ("big",),
    seeds: tuple[int, ...] = (7,),
    profile: Profile = Profile.PAPER,
    judged: Findings | None = None,
    tables: Measured | None = None,
) -> Path:
    """A checked run folder as ``run`` and ``check`` leave it."""
    folder.mkdir(parents=True, exist_ok=True)
    made = example_tables(models, len(seeds)) if tables is None else tables
    writer = StepFolder(folder)
    writer.write_table(MEASUREMENTS, made.measurements, MEASUREMENT_SCHEMA)
    writer.write_table(PROBLEM_VALUES, made.problem_values, PROBLEM_VALUE_SCHEMA)
    write_atomically(folder / MANIFEST.name, MANIFEST.read_bytes())
    write_atomically(folder / CASE_STUDY, pretty_json(example_case(models)))
    table = "reference_results/example/table2.csv"
    write_atomically(folder / table, TABLE.encode())
    files = files_of(folder, [MANIFEST.name, MEASUREMENTS, PROBLEM_VALUES, CASE_STUDY, table])
    own = with_files(record(models, seeds, profile), files, made)
    write_atomically(folder / RECORD, pretty_json(own))
    keep_findings(folder, example_findings(models[0]) if judged is None else judged, own.evidence_digest())
    return folder


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """``write_run_folder`` into a folder of its own."""
    return lambda **given: write_run_folder(tmp_path / "run", **given)


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with its report: one model, one seed. To be read only; drawing takes its time."""
    folder = write_run_folder(tmp_path_factory.mktemp("reported") / "run")
    write_report(folder)
    return folder


@pytest.fixture(scope="session")
def reported_many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Like ``reported``: two models, two seeds."""
    folder = write_run_folder(tmp_path_factory.mktemp("reported") / "run", models=("big", "tiny"), seeds=(7, 8))
    write_report(folder)
    return folder


@pytest.fixture
def tables() -> Callable[..., Measured]:
    """``example_tables``."""
    return example_tables


@pytest.fixture
def findings() -> Callable[..., Findings]:
    """``example_findings``."""
    return example_findings
