"""What is disturbed: runs of small experiments of both protocols, on fake and on real engines, and gradings."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from gap_support import GapManifestMaker
from support import ManifestMaker

from faults.forked import Telling
from selfimp_bench.engines.base import PLAIN_TRAINING
from selfimp_bench.engines.fake import MEMORY_FILE
from selfimp_bench.manifest.model import Grading, Profile
from selfimp_bench.measurement import Split
from selfimp_bench.runs.cluster.executors import Executor, do_elsewhere
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.grade_files import grade_files
from selfimp_bench.runs.judge import judge_study
from selfimp_bench.runs.keep import KeepingLast
from selfimp_bench.runs.status import STATUS, watched
from selfimp_bench.runs.study import Experiment, Study, open_study
from selfimp_bench.steps.store import STEP_FILE
from selfimp_bench.tasks.sandbox.cells import sandbox_status
from selfimp_bench.tasks.toy_math import generate as toy_math
from selfimp_bench.tasks.toy_mbpp import generate as toy_mbpp

SAVE_ALWAYS: Final = replace(PLAIN_TRAINING, save_minutes=0.0)
"""A checkpoint after every optimiser step: a killed training goes on from it."""


class Subject(Protocol):
    """Something that can be begun again on one home until it is done."""

    name: str
    seconds: float
    """About how long one of its steps takes: within it a random instant to kill is drawn."""
    changes: int
    """About how many changes of files and folders come before it has got further."""

    def run(self, home: Path, telling: Telling) -> None:
        """Do it, or go on."""
        ...

    def results(self, home: Path) -> Mapping[str, Any]:
        """All that must be equal, however it came to be."""
        ...


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of an experiment, and its judgement."""

    name: str
    study: Study
    seconds: float
    changes: int = 30
    cores: int = 1
    keeps: bool = True
    """All checkpoints, or the last ones only."""

    @property
    def experiment(self) -> Experiment:
        return self.study.experiments[0]

    def run(self, home: Path, telling: Telling) -> None:
        with watched(self.study, home, telling) as seen:
            told = seen if self.keeps else KeepingLast([self.experiment], home, seen)
            do_elsewhere(replace(_LOCAL, cores=self.cores), [self.experiment], home, SAVE_ALWAYS, told)
            folder = execute(self.experiment, home, told, SAVE_ALWAYS)
        telling.tell("made record")
        judge_study(folder)

    def folder(self, home: Path) -> Path:
        return self.experiment.run_folder(home)

    def results(self, home: Path) -> Mapping[str, Any]:
        """Steps with their artifacts' hashes, and the bytes of the run folder's files but for the record's times."""
        folder = self.folder(home)
        record = json.loads((folder / "record.json").read_bytes())
        steps = {each["id"]: (each["fingerprint"], each["artifacts"], each["counts"]) for each in record["steps"]}
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
            and path.name not in ("record.json", "report.html", STATUS)
            and not path.name.startswith(".")
        }
        left = sorted(
            path.name
            for path in (home / "store" / "partial").iterdir()
            if not (
                home / "store" / path.name / STEP_FILE
            ).is_file()  # a kill right after a step's end: `gc` removes it
        )
        unfinished = sorted(
            path.name
            for path in (home / "store").iterdir()
            if len(path.name) == 64 and not (path / STEP_FILE).is_file()
        )
        weights = [] if self.keeps else sorted(path.parent.name for path in (home / "store").glob(f"*/{MEMORY_FILE}"))
        return steps | files | {"left in partial": left, "without a record": unfinished, "weights": weights}


@dataclass(frozen=True, kw_only=True)
class Grades:
    """Grading of a samples file."""

    name: str
    grading: Grading
    problems: Path
    samples: Path
    suffix: str
    seconds: float
    changes: int = 6

    def run(self, home: Path, telling: Telling) -> None:
        telling.tell("start grades")
        grade_files(
            self.grading,
            problems=self.problems,
            samples=[self.samples],
            out=home / f"grades{self.suffix}",
            told=lambda _: telling.tell("advance"),
        )
        telling.tell("made grades")

    def results(self, home: Path) -> Mapping[str, Any]:
        (out,) = (path for path in home.iterdir() if path.name != "log")
        return {out.name: out.read_bytes()}


@cache
def subject(name: str, folder: Path) -> Subject:
    """The subject of this name, made once in a folder of its own."""
    place = folder / name
    place.mkdir(parents=True)
    if name.startswith("grade-"):
        return _grades(name, place, *_GRADED[name.removeprefix("grade-")])
    path, seconds = _EXPERIMENTS[name](place)
    opened = open_study(str(path), profile=Profile.PAPER, only=None, replicates=1)
    opened.experiments[0].plan()  # the versions of the stages, once for all
    keeps = name != "keeping"
    return Run(name=name, keeps=keeps, study=opened, seconds=seconds, cores=2 if name in SIDE_BY_SIDE else 1)


def _gap(place: Path) -> tuple[Path, float]:
    maker = GapManifestMaker(folder=place)
    return maker(problems=6, samples=4, change=maker.improving), 0.05


def _real_gap(place: Path) -> tuple[Path, float]:
    maker = GapManifestMaker(folder=place)
    return maker(problems=4, samples=4, change=maker.with_real_engines), 6.0


def _real_post_training(place: Path) -> tuple[Path, float]:
    return ManifestMaker(folder=place)(engine="real", counts=(24, 24, 0), schedule=("sft-gold", "dpo")), 8.0


_EXPERIMENTS: Final[Mapping[str, Callable[[Path], tuple[Path, float]]]] = {
    "post-training": lambda place: (ManifestMaker(folder=place)(), 0.05),
    "gap": _gap,
    "real-post-training": _real_post_training,
    "real-gap": _real_gap,
    "keeping": lambda place: (ManifestMaker(folder=place)(), 0.05),
    "side-by-side": lambda place: (ManifestMaker(folder=place)(), 2.0),
    "real-side-by-side": _real_post_training,
}
SIDE_BY_SIDE: Final = {"side-by-side": "post-training", "real-side-by-side": "real-post-training"}
"""Two steps at a time, and what makes the same with one at a time."""
_LOCAL: Final = Executor(
    name="local", address=None, gpus_per_step=None, machines_per_step=None, slurm=(), slurm_image=None
)
_GRADED: Final = {"math": ("math", ".jsonl"), "programs": ("mbpp", ".parquet")}


def _grades(name: str, folder: Path, task: str, suffix: str) -> Grades:
    """Every problem's own solution, and another problem's, in turn."""
    made = {"math": toy_math, "mbpp": toy_mbpp}[task](Split.TEST, count=12, seed=1)
    _write(folder / "problems.jsonl", [{k: v for k, v in _plain(problem).items() if v is not None} for problem in made])
    rows = [
        {"problem_id": one.problem_id, "sample_index": index, "completion": str(made[(number + index) % 12].answer)}
        for number, one in enumerate(made)
        for index in range(40 if task == "math" else 2)
    ]
    _write(folder / "samples.jsonl", rows)
    if task == "mbpp":
        sandbox_status()  # what is forked knows it, and grades at once
    return Grades(
        name=name,
        grading=Grading(task=task, extraction="strict", source="test"),
        problems=folder / "problems.jsonl",
        samples=folder / "samples.jsonl",
        suffix=suffix,
        seconds=0.1 if task == "math" else 0.3,
    )


def _plain(problem: Any) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(problem)
    return plain


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
