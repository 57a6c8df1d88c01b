"""What a terminal and a log show of a run."""

import io

import pytest
from rich.console import Console
from support import ManifestMaker
from verdict_support import finding

from selfimp_bench.cli.console import table
from selfimp_bench.cli.screen import BarProgress, LineProgress, findings_table
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.judge import Judgement
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.plan import Step
from selfimp_bench.verdict.findings import Findings, Kind, Verdict


@pytest.fixture
def steps(make_manifest: ManifestMaker) -> tuple[Step, ...]:
    experiment = open_experiment(str(make_manifest()), profile=Profile.PAPER, only=None, replicates=1)
    return experiment.plan().steps


def _screen(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, highlight=False)


def _shown(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_a_log_has_one_line_for_a_step_done_and_none_for_one_reused(steps: tuple[Step, ...]) -> None:
    screen = _screen(terminal=False)
    progress = LineProgress(screen)
    progress.start(steps[0], 1, 2)
    progress.finish(steps[0], 1.5, reused=False)
    progress.start(steps[1], 2, 2)
    progress.finish(steps[1], 9.9, reused=True)
    assert _shown(screen) == f"[1/2] {steps[0].id}  1.5 s\n"


def test_a_log_of_a_long_step_has_rate_and_time_left(steps: tuple[Step, ...]) -> None:
    screen = _screen(terminal=False)
    progress = LineProgress(screen, every=0.0)
    progress.start(steps[0], 1, 1)
    progress.advance(5, 10)
    assert "5 of 10" in _shown(screen) and "/s" in _shown(screen) and "s left" in _shown(screen)


def test_a_bar_shows_the_step_at_hand_and_not_the_one_before(steps: tuple[Step, ...]) -> None:
    screen = _screen(terminal=True)
    progress = BarProgress(screen)
    progress.start(steps[0], 1, 2)
    progress.advance(3, 150)
    progress.finish(steps[0], 1.0, reused=False)
    before = len(_shown(screen))
    progress.start(steps[1], 2, 2)
    progress.finish(steps[1], 1.0, reused=False)
    after = _shown(screen)[before:]
    assert steps[1].id in after and "150" not in after


def test_a_table_does_not_interpret_markup() -> None:
    screen = _screen(terminal=False)
    screen.print(table(None, ("name",), [("[bold]x[/bold]",)]))
    assert "[bold]x[/bold]" in _shown(screen)


def test_a_claim_of_several_parts_has_a_row_without_a_number_that_is_not_called_undefined() -> None:
    headline = finding(Verdict.REPRODUCED, 0.001, 1.0, "up-while-down", Kind.ALL_OF)
    findings = Findings(schema=2, findings=(headline,))
    judged = Judgement(
        experiment="e",
        run="r",
        judged=True,
        claimed=True,
        findings=findings,
        exit_code=0,
        probes={},
        prompts={},
        unwritten=(),
    )
    screen = _screen(terminal=False)
    for part in findings_table(judged):
        screen.print(part)
    (row,) = [line for line in _shown(screen).splitlines() if line.startswith("up-while-down ")]
    assert "all of its parts" in row and "REPRODUCED" in row and "undefined" not in row
