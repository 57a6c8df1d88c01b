"""What a terminal and a log show of a run."""

import io
import re
import signal
from contextlib import suppress
from dataclasses import replace
from typing import Literal

import pytest
from rich.cells import cell_len
from rich.console import Console
from support import ManifestMaker
from verdict_support import finding

from selfimp_bench.cli.console import table
from selfimp_bench.cli.screen import findings_table
from selfimp_bench.cli.watching import LineProgress, LiveProgress, lasting, minding_ctrl_c
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.judge import Judgement
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.progress import Place
from selfimp_bench.verdict.findings import Findings, Kind, Verdict


@pytest.fixture
def steps(make_manifest: ManifestMaker) -> tuple[Step, ...]:
    experiment = open_experiment(str(make_manifest()), profile=Profile.PAPER, only=None, replicates=1)
    return experiment.plan().steps


def _screen(*, terminal: bool, width: int = 120) -> Console:
    """As ``console()`` makes it, on a string."""
    system: Literal["standard"] | None = "standard" if terminal else None
    return Console(
        file=io.StringIO(),
        force_terminal=terminal,
        width=width,
        color_system=system,
        highlight=False,
        markup=False,
        emoji=False,
    )


def _shown(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_a_log_has_one_line_for_a_step_done_and_none_for_one_reused(steps: tuple[Step, ...]) -> None:
    screen = _screen(terminal=False)
    progress = LineProgress(screen)
    progress.start(steps[0], Place(step=1, steps=2))
    progress.finish(steps[0], 1.5, reused=False)
    progress.start(steps[1], Place(step=2, steps=2))
    progress.finish(steps[1], 9.9, reused=True)
    assert _shown(screen) == f"step 1 of 2: {steps[0].id}  1.5 s\n"


def test_a_log_of_a_long_step_has_place_rate_time_left_and_time_taken(steps: tuple[Step, ...]) -> None:
    screen = _screen(terminal=False)
    progress = LineProgress(screen, every=0.0)
    progress.start(steps[0], Place(step=14, steps=45, experiment=2, experiments=3))
    progress.advance(steps[0], 5, 10)
    (line,) = _shown(screen).splitlines()
    assert line.startswith(f"experiment 2 of 3, step 14 of 45: {steps[0].id}  5 of 10, ")
    assert re.search(r", [\d,]+/s, 0 s left, 0 s so far$", line)


def test_live_lines_show_every_step_at_work_with_its_time_from_the_first_second(
    steps: tuple[Step, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    progress = LiveProgress(_screen(terminal=True, width=80))
    progress.start(steps[0], Place(step=14, steps=45, experiment=2, experiments=3))
    now = 101.0
    progress.start(steps[1], Place(step=15, steps=45, experiment=3, experiments=3))
    first, *rest = progress.now().plain.splitlines()
    assert first == "experiment 3 of 3, step 15 of 45, 1 s"
    assert rest == [f"  {steps[0].id}  1 s", f"  {steps[1].id}  0 s"]
    now = 131.0
    progress.advance(steps[0], 10, 100)  # the engine has started: its rate is counted from here
    now = 141.0
    progress.advance(steps[0], 40, 100)
    (line,) = [each for each in progress.now().plain.splitlines() if f" {steps[0].id} " in each]
    assert line.split("  ")[2:] == ["41 s", "━" * 24, "40 of 100", "3.0/s", "20 s left"]
    progress.finish(steps[0], 41.0, reused=False)
    assert steps[0].id not in progress.now().plain and steps[1].id in progress.now().plain
    progress.stop()
    assert f"experiment 2 of 3, step 14 of 45: {steps[0].id}  41.0 s" in _shown(progress.screen)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_live_lines_leave_room_for_what_ctrl_c_writes(steps: tuple[Step, ...], width: int) -> None:
    long = replace(steps[0], id="llama-3-70b-instruct/seed1/t5/" + "評" * 20 + "/sample.sample")
    progress = LiveProgress(_screen(terminal=True, width=width))
    progress.start(long, Place(step=14, steps=45, experiment=2, experiments=3))
    progress.advance(long, 123_456, 1_000_000)
    progress.stop()
    assert all(cell_len(line) <= width - len("^C") for line in progress.now().plain.splitlines())
    assert width < 80 or "123,456 of 1,000,000" in progress.now().plain


def test_a_length_of_time_has_two_units_at_most() -> None:
    said = [lasting(seconds) for seconds in (0.4, 59.6, 90, 3600, 5000, 359_999, 1e6)]
    assert said == ["0 s", "1 min", "1 min 30 s", "1 h", "1 h 23 min", "100 h", "278 h"]


def test_a_table_does_not_interpret_markup() -> None:
    screen = _screen(terminal=False)
    screen.print(table(None, ("name",), [("[bold]x[/bold]",)]))
    assert "[bold]x[/bold]" in _shown(screen)


def test_a_claim_of_several_parts_has_a_row_without_a_number_that_is_not_called_undefined() -> None:
    headline = finding(Verdict.REPRODUCED, 0.001, 1.0, "up-while-down", Kind.ALL_OF)
    findings = Findings(schema=2, findings=(headline,))
    (row,) = [line for line in _findings_on(_screen(terminal=False), findings) if " up-while-down " in line]
    assert "all of its parts" in row and "REPRODUCED" in row and "undefined" not in row


def _findings_on(screen: Console, findings: Findings) -> list[str]:
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
    for part in findings_table(judged):
        screen.print(part)
    return _shown(screen).splitlines()


CLAIMS = ("accuracy", "largest-verifier-gains-more.llama-2.cot-score", "[bold]" + "評" * 10)


def _of_each_verdict() -> Findings:
    found = [
        replace(finding(verdict, 0.5, 0.5, claim), model=model, statement="It rises, " * 20, reason="of 9 problems")
        for claim in CLAIMS
        for verdict, model in zip(Verdict, ("llama-2-7b", "llama-3-8b", "mistral-7b-v0.1", "qwen"), strict=True)
    ]
    return Findings(schema=2, findings=tuple(found))


@pytest.mark.parametrize("width", [80, 200])
def test_a_finding_is_one_line_with_its_verdict_in_words(width: int) -> None:
    lines = _findings_on(_screen(terminal=False, width=width), _of_each_verdict())
    table = lines[: lines.index("")]
    assert len(table) == 2 + len(CLAIMS) * len(Verdict)
    assert all(cell_len(line) <= width for line in lines)
    for claim in CLAIMS:
        assert [line.split()[0] for line in table if f"  {claim}  " in line] == list(Verdict)
    assert lines[-1] == "3 REPRODUCED, 3 NOT_REPRODUCED, 3 INCONCLUSIVE, 3 NOT_MEASURED"


def test_verdicts_have_colours_unless_the_terminal_is_asked_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = "\n".join(_findings_on(_screen(terminal=True, width=80), _of_each_verdict()))
    assert "\x1b[32mREPRODUCED" in coloured and "\x1b[1;31mNOT_REPRODUCED" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    plain = "\n".join(_findings_on(_screen(terminal=True, width=80), _of_each_verdict()))
    assert not re.search(r"\x1b\[[\d;]*3[0-7]m", plain) and "NOT_REPRODUCED" in plain


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_table_shows_all_of_its_text_at_any_width(width: int) -> None:
    rows = [("a-name-of-some-length", "no words " * 40, "x" * 50), ("b", "評" * 30, "")]
    screen = _screen(terminal=False, width=width)
    screen.print(table("A title", ("name", "why", "where"), rows))
    text = _shown(screen)
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert text.count("words") == 40 and text.count("x") == 50 and text.count("評") == 30
    assert width < 40 or "a-name-of-some-length" in text


def test_what_would_move_the_cursor_is_written_as_its_escape() -> None:
    screen = _screen(terminal=True)
    screen.print(table(None, ("recorded",), [("\x1b[2Kall is well\r\x9b",)]))
    assert r"\x1b[2Kall is well\r\x9b" in _shown(screen)


@pytest.mark.parametrize("progress", [LineProgress, LiveProgress])
def test_ctrl_c_that_is_swallowed_ends_a_run_at_its_next_step(
    progress: type[LineProgress] | type[LiveProgress], steps: tuple[Step, ...]
) -> None:
    watching = progress(_screen(terminal=False))
    with pytest.raises(KeyboardInterrupt), minding_ctrl_c(watching.told):
        with suppress(KeyboardInterrupt):  # as a finaliser does, or a library's bare ``except``
            signal.raise_signal(signal.SIGINT)
        assert watching.told.interrupted
        watching.start(steps[0], Place(step=1, steps=2))
    assert watching.told.at_work == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_is_ignored_by_a_process_that_ignores_it() -> None:
    watching = LineProgress(_screen(terminal=False))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with minding_ctrl_c(watching.told):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN and not watching.told.interrupted
    finally:
        signal.signal(signal.SIGINT, before)
