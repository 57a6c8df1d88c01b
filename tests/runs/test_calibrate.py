"""How often verdicts are right, on a few simulated runs; ``benchmark/TRUST.md`` has the many."""

import json

import pytest
from click.testing import CliRunner
from support import ManifestMaker

from selfimp_bench.cli.calibrate import calibrate_command
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.calibrate import HONEST, Calibration, Rate, calibrate, misses, simulated, to_csv
from selfimp_bench.runs.study import open_study
from selfimp_bench.verdict.findings import Verdict


def study_of(name: str, only: str | None = None):
    return open_study(name, profile=Profile.PAPER, only=only, replicates=1)


@pytest.fixture(scope="module")
def few() -> Calibration:
    return calibrate(study_of("gsm8k-iter-sft", "model=mistral-7b-v0.1"), draws=2, replicates=(1, 3), processes=1)


def rates(found: Calibration, column: str, truth: bool) -> list[Rate]:
    return [rate for rate in found.rates if rate.column == column and rate.truth is truth]


def test_the_bars_are_met_in_every_world_of_a_paper(few: Calibration) -> None:
    assert few.misses == ()


@pytest.mark.parametrize("column", ["frozen", "flat", "another model", "reversed", "shuffled", "zero", "10"])
def test_no_more_than_chance_passes_where_it_is_false(few: Calibration, column: str) -> None:
    false = rates(few, column, truth=False)
    assert sum(rate.reproduced for rate in false) <= max(2, sum(rate.findings for rate in false) / 25)
    assert false


def test_honest_runs_are_seldom_contradicted_and_often_recognised(few: Calibration) -> None:
    honest = rates(few, HONEST, truth=True)
    every = sum(rate.findings for rate in honest)
    assert sum(rate.not_reproduced for rate in honest) <= every / 10
    assert sum(rate.reproduced for rate in honest) > every / 2


def test_every_finding_of_every_run_is_counted(few: Calibration) -> None:
    ready = simulated(study_of("gsm8k-iter-sft", "model=mistral-7b-v0.1"))
    for column in ready.columns:
        assert sum(rate.findings for rate in few.rates if rate.column == column) == 2 * 2 * len(ready.claims)
    lines = to_csv(few).splitlines()
    assert len(lines) == len(few.rates) + 1
    assert lines[0].startswith("study,draws,claim,kind,column,replicates,truth,reproduced")


def test_processes_share_the_work_and_change_no_count() -> None:
    study = study_of("tiny-iter-sft")
    one, two = (calibrate(study, draws=2, replicates=(1,), processes=count) for count in (1, 2))
    key = lambda rate: (rate.claim, rate.column, rate.truth)  # noqa: E731
    assert sorted(one.rates, key=key) == sorted(two.rates, key=key)


def rate(column: str, truth: bool, reproduced: int, not_reproduced: int) -> Rate:
    return Rate(
        claim="rises",
        kind="order",
        column=column,
        replicates=1,
        truth=truth,
        reproduced=reproduced,
        inconclusive=200 - reproduced - not_reproduced,
        not_reproduced=not_reproduced,
        not_measured=0,
    )


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (rate("frozen", False, reproduced=4, not_reproduced=0), None),  # 2 %, as chance would have it at 1 %
        (rate("frozen", False, reproduced=12, not_reproduced=0), Verdict.REPRODUCED),
        (rate("frozen", True, reproduced=200, not_reproduced=0), None),
        (rate(HONEST, True, reproduced=180, not_reproduced=15), None),
        (rate(HONEST, True, reproduced=170, not_reproduced=30), Verdict.NOT_REPRODUCED),
        (rate("5", True, reproduced=0, not_reproduced=200), None),  # in between; neither bar is about it
        (rate(HONEST, False, reproduced=100, not_reproduced=0), Verdict.REPRODUCED),  # a paper against itself
    ],
)
def test_a_bar_is_missed_where_chance_does_not_explain_it(found: Rate, verdict: Verdict | None) -> None:
    assert [each.verdict for each in misses([found])] == ([] if verdict is None else [verdict])


def test_the_command_prints_what_the_counts_say() -> None:
    asked = ["tiny-iter-sft", "--draws", "2", "--replicates", "1", "--processes", "1"]
    found = CliRunner().invoke(calibrate_command, asked)
    assert found.exit_code == 0, found.output
    assert "Both bars are met" in found.output
    document = json.loads(CliRunner().invoke(calibrate_command, [*asked, "--json"]).output)
    assert document["draws"] == 2
    assert {each["column"] for each in document["rates"]} >= {"honest", "frozen", "10"}


def test_where_nothing_can_be_judged_no_bar_is_said_to_be_met(make_manifest: ManifestMaker) -> None:
    path = make_manifest()  # of data whose numbers nobody published
    found = CliRunner().invoke(calibrate_command, [str(path), "--draws", "1", "--processes", "1"])
    assert found.exit_code == 3, found.output
    assert "Nothing was judged" in found.output and "bars are met" not in found.output


def test_a_number_of_replicates_that_is_none_is_refused() -> None:
    found = CliRunner().invoke(calibrate_command, ["tiny-iter-sft", "--replicates", "1,x"])
    assert found.exit_code == 2
    assert "expected numbers from 1" in found.output
