"""How long a finished paper takes to be found finished, and steps side by side beside steps one after the other.

The experiments of the first paper in their smoke profile, with engines that need no weights; with three seeds each, and
one of the experiment on 70B, they are the paper's 37 runs.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

from bench.child import child
from bench.commands import seconds
from bench.row import Bar, Figure, Row, Setting
from bench.turns import figure
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.execute import run_study
from selfimp_bench.runs.study import Experiment, Study, open_study
from selfimp_bench.steps.progress import Silent

PAPER, ALONE = "progress-or-regress", "gsm8k-iter-sft-dpo-70b"


def with_fakes(replicates: int) -> Study:
    """The paper with fake engines, with so many seeds of each experiment but one."""
    study = open_study(PAPER, profile=Profile.SMOKE, only=None, replicates=replicates)
    return replace(study, experiments=tuple(_faked(each) for each in study.experiments))


def _faked(experiment: Experiment) -> Experiment:
    """With fake engines in its smoke profile, which is the end of its text."""
    engines = replace(experiment.manifest.engines, sampler="fake", trainer="fake")
    papers, smoke = experiment.text.split("\nprofiles:\n")
    smoke = smoke.replace("sampler: hf\n", "sampler: fake\n").replace("trainer: trl\n", "trainer: fake\n")
    text = f"{papers}\nprofiles:\n{smoke}"
    return replace(
        experiment,
        text=text,
        manifest_digest=hashlib.sha256(text.encode()).hexdigest(),
        manifest=replace(experiment.manifest, engines=engines),
        replicates=1 if experiment.manifest.name == ALONE else experiment.replicates,
    )


def resume(setting: Setting) -> dict[str, Figure]:
    """A finished paper resumed: opened, planned, every step found done, gathered; then judged and reported, too."""
    replicates = 1 if setting.quick else 3
    study = with_fakes(replicates)
    run_study(study, setting.folder, Silent())
    again(str(setting.folder), str(replicates), "reported")  # draws the figures, which are then found drawn
    wanted = {name: child(again, setting.folder, replicates, name) for name in ("resumed", "reported")}
    found = seconds(wanted, setting)
    runs = sum(len(each.models) * each.replicates for each in study.experiments)
    return {
        "time": found["resumed"],
        "with judging and report": found["reported"],
        "runs": figure([float(runs)]),
        "steps": figure([float(sum(len(each.plan().steps) for each in study.experiments))]),
    }


def again(home: str, replicates: str, how: str) -> None:
    """The finished paper once more; ``reported`` with judging and its pages."""
    folder = run_study(with_fakes(int(replicates)), Path(home), Silent())
    if how == "reported":  # imported here, as the command that only runs has no need of it
        from selfimp_bench.report.write_study import write_study_report
        from selfimp_bench.runs.judge import judge_study

        write_study_report(judge_study(folder))


ROWS = (
    Row(
        name="resume",
        what="a finished paper resumed, fake engines",
        against="processor seconds, by a yardstick",
        bars={
            "time": Bar(unit="s", at_most=3),
            "with judging and report": Bar(unit="s"),
            "runs": Bar(unit="runs"),
            "steps": Bar(unit="steps"),
        },
        measure=resume,
    ),
)
