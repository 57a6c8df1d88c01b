"""Two runs compared: equal ones, and ones that differ in seeds, grader, data, metrics, or several of these."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from gap_support import GapManifestMaker
from runs.test_study import _open, study_file
from support import ManifestMaker

from selfimp_bench.cli.app import cli
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.diff.diff import Compared, Difference, _words, diff_runs
from selfimp_bench.runs.diff.pins import differing_fields
from selfimp_bench.runs.execute import execute, run_study
from selfimp_bench.runs.hardware.sizes import architecture_of
from selfimp_bench.runs.judge import judge_study, read_run
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.runs.verifying.bundle import write_bundle
from selfimp_bench.steps import grade as grading
from selfimp_bench.steps import versions
from selfimp_bench.steps.progress import SILENT, Silent
from selfimp_bench.steps.store import read_table
from selfimp_bench.tasks.grading.graders import GRADERS
from selfimp_bench.tasks.grading.outcome import BothGrades, Outcome
from selfimp_bench.tasks.problem import Problem

__all__ = ["study_file"]

Change = Callable[[dict[str, Any]], None]


def lenient(completion: str, problem: Problem, *, truncated: bool) -> BothGrades:
    """A grader that by the strict rule takes every third wrong answer for right."""
    both = GRADERS["gsm8k"](completion, problem, truncated=truncated)
    if both.strict.outcome is Outcome.WRONG and len(completion) % 3 == 0:
        return replace(both, strict=replace(both.strict, outcome=Outcome.CORRECT))
    return both


@contextmanager
def graded_by(grader: Callable[..., BothGrades], version: str) -> Iterator[None]:
    """With this grader installed, of this version."""
    graders, real = {**GRADERS, "gsm8k": grader}, versions.version_of
    with pytest.MonkeyPatch.context() as patched:
        for function in (grading.grade, grading.grade_sample):
            patched.setattr(function, "__defaults__", (graders,))
        patched.setattr(
            versions,
            "version_of",
            lambda stage, block: real(stage, block) + (version if stage.name == "grade" else ""),
        )
        yield


def made(place: Path, *, change: Change = lambda _: None, test: int = 20, iterations: int = 2) -> Path:
    """A run of two replicates in a home of its own: its folder."""
    place.mkdir(parents=True)

    def changed(data: dict[str, Any]) -> None:
        data["claims"] = []
        change(data)

    schedule = ("sft-gold", "sft", "sft")[:iterations]
    path = ManifestMaker(folder=place)(counts=(12, test, 6), schedule=schedule, change=changed)
    experiment = open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=2)
    return execute(experiment, place / "home", Silent())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compared")


@pytest.fixture(scope="module")
def base(place: Path) -> Path:
    return made(place / "base")


@pytest.fixture(scope="module")
def older(place: Path) -> Path:
    """The same, by an older grader, on whose grades it trained."""
    with graded_by(lenient, ", older"):
        return made(place / "older")


def compared(a: Path, b: Path) -> Difference:
    (found,) = diff_runs(str(a), str(b), Path("/nowhere"))
    return found


def effect(cell: Compared, component: str) -> tuple[float | None, float | None]:
    (found,) = [each for each in cell.effects if each.component == component]
    return found.from_a, found.from_b


def test_two_equal_runs_are_equal_whatever_the_home(base: Path, tmp_path: Path) -> None:
    home = shutil.copytree(base.parents[2], tmp_path / "home")
    found = compared(base, home / base.relative_to(base.parents[2]))
    assert found.equal and found.words == (f"equal: the same pins, and all {found.same} measurements",)
    assert found.cells == found.pins == found.records == found.cannot == ()


def test_runs_with_no_measurement_in_common_are_not_called_equal(base: Path) -> None:
    found = replace(compared(base, base), equal=False, same=0, only_a=3, only_b=2)
    assert list(_words(found)) == ["no measurement in common: nothing was compared"]


def test_what_is_no_part_of_a_fingerprint_is_not_compared(base: Path) -> None:
    model = read_run(base).manifest.models[0]
    assert differing_fields(model, replace(model, architecture=architecture_of(model))) == ()
    assert differing_fields(model, replace(model, id="other")) == ("id",)


def test_runs_that_differ_in_seeds_differ_in_what_their_models_wrote_and_nothing_else(base: Path, place: Path) -> None:
    found = compared(base, made(place / "seed", change=lambda data: data.update(seed=101)))
    assert [(pin.component, pin.field, pin.a, pin.b) for pin in found.pins] == [("seeds", "seed", "1", "101")]
    assert found.differing == ("generations",) and {each.component for each in found.causes} == {"seeds"}
    assert len(found.cells) > 5 and {cell.whole() for cell in found.cells} == {"generations"}
    for cell in found.cells:
        assert effect(cell, "generations") == (pytest.approx(cell.difference), pytest.approx(cell.difference))
    assert found.words[-1] == "so the whole difference comes of one thing: seeds"


def test_of_runs_that_differ_in_the_grader_alone_the_whole_difference_is_the_graders(place: Path) -> None:
    one = made(place / "one", iterations=1)
    with graded_by(lenient, ", older"):
        other = made(place / "other", iterations=1)
    found = compared(one, other)
    assert found.differing == ("grader",) and not found.equal and found.pins == ()
    assert ("steps.grade.version" in {pin.field for pin in found.records}) and found.causes == ()
    (accuracy,) = [cell for cell in found.cells if (cell.metric, cell.split) == ("pass@1", "test")]
    assert accuracy.difference is not None and accuracy.difference > 0.1
    for cell in found.cells:
        assert cell.whole() == "grader" and effect(cell, "grader")[0] == cell.difference
    assert f"grader: the whole difference of {len(found.cells)} of {len(found.cells)} measurements" in found.words


@pytest.mark.slow
def test_where_a_grader_is_of_other_code_its_run_is_graded_by_the_installed_one_and_the_rest_is_said(
    base: Path, older: Path
) -> None:
    found = compared(older, base)
    assert found.differing == ("generations", "grader")
    assert [words.partition(":")[0] for words in found.cannot] == ["generations in A", "grader in B"]
    assert all("A's grader is of other code than is installed here" in words for words in found.cannot)
    for cell in found.cells:
        regraded, generations = effect(cell, "grader")[0], effect(cell, "generations")[1]
        if cell.difference is not None:
            assert cell.difference == pytest.approx((regraded or 0) + (generations or 0))
    assert [cell.whole() for cell in found.cells if (cell.metric, cell.iteration) == ("pass@1", 1)] == ["grader"] * 2
    assert found.words[-1] == "so the whole difference comes of one thing: grader"
    backwards = {(cell.metric, cell.split, cell.iteration): cell for cell in compared(base, older).cells}
    for cell in found.cells:
        turned = backwards[cell.metric, cell.split, cell.iteration]
        known = effect(cell, "grader")[0]
        assert effect(turned, "grader")[1] == (None if known is None else pytest.approx(-known))


def _accuracy(run: Path, grades: Callable[[str, Problem, bool], Outcome], iteration: int) -> float:
    """Greedy accuracy of both replicates by hand: completions from the store, judged by ``grades``."""
    right = total = 0
    store, record = run.parents[2] / "store", read_run(run).record
    folders = {step.id: store / step.fingerprint for step in record.steps}
    problems = {row["problem_id"]: row for row in read_table(folders["problems/test"] / "problems.parquet")}
    for name, folder in folders.items():
        if name.endswith(f"/t{iteration}/sample.greedy"):
            for row in read_table(folder / "samples.parquet"):
                problem = msgspec.convert(problems[row["problem_id"]], Problem)
                right += grades(row["completion"], problem, row["finish_reason"] == "length") is Outcome.CORRECT
                total += 1
    return right / total


def test_each_component_is_swapped_alone_from_both_sides_and_what_they_do_together_is_the_rest(place: Path) -> None:
    with graded_by(lenient, ""):
        strict = made(place / "strict")
        flexible = made(place / "flexible", change=lambda data: data["grading"].update(extraction="flexible"))
        found = compared(strict, flexible)
    assert found.differing == ("generations", "grader") and found.cannot == ()
    assert {(pin.component, pin.field) for pin in found.pins} == {("grader", "grading.extraction")}
    (cell,) = [each for each in found.cells if (each.metric, each.split, each.iteration) == ("pass@1", "test", 2)]

    def by(rule: str) -> Callable[[str, Problem, bool], Outcome]:
        return lambda text, problem, cut: getattr(lenient(text, problem, truncated=cut), rule).outcome

    value = {(run, rule): _accuracy(run, by(rule), 2) for run in (strict, flexible) for rule in ("strict", "flexible")}
    assert (cell.a, cell.b) == (value[strict, "strict"], value[flexible, "flexible"])
    grader = (
        value[strict, "flexible"] - value[strict, "strict"],
        value[flexible, "flexible"] - value[flexible, "strict"],
    )
    wrote = (
        value[flexible, "strict"] - value[strict, "strict"],
        value[flexible, "flexible"] - value[strict, "flexible"],
    )
    assert effect(cell, "grader") == pytest.approx(grader) and effect(cell, "generations") == pytest.approx(wrote)
    assert cell.difference is not None and grader[0] != grader[1]
    assert cell.rest_from_a == pytest.approx(cell.difference - grader[0] - wrote[0])
    assert cell.rest_from_b == pytest.approx(cell.difference - grader[1] - wrote[1])


@pytest.mark.slow
def test_what_other_problems_change_is_the_datas_and_the_rest_is_told_on_those_in_common(
    base: Path, place: Path
) -> None:
    found = compared(base, made(place / "more", test=30))
    assert {pin.component for pin in found.pins} == {"data"} and found.differing == ("data", "generations")
    assert found.cannot == () and len(found.cells) > 5
    for cell in found.cells:
        if cell.difference is not None:  # the fake model says of a problem what it said of it before
            assert effect(cell, "data") == (pytest.approx(cell.difference), pytest.approx(cell.difference))
            assert effect(cell, "generations") == (0, 0) and cell.whole() == "data"


def test_a_bundle_and_a_folder_without_its_home_are_compared_as_far_as_they_go(
    base: Path, older: Path, tmp_path: Path
) -> None:
    judge_study(base)
    written = write_bundle(base, base.parents[2], tmp_path / "run.zip", key=None, with_data=False)
    assert compared(Path(written.path), base).equal
    alone = shutil.copytree(older, tmp_path / "alone")
    found = compared(base, alone)
    assert found.cells and all(cell.difference is None or cell.rest_from_a is None for cell in found.cells)
    assert any("the store with what its models wrote is not here" in words for words in found.cannot)


@pytest.mark.slow
def test_the_other_protocol_is_compared_by_its_verdicts_and_what_is_measured_of_them(tmp_path: Path) -> None:
    maker = GapManifestMaker(folder=tmp_path)
    one = maker(problems=6, samples=4, change=maker.improving)

    def other_seed(data: dict[str, Any]) -> None:
        maker.improving(data)
        data["seed"] += 7

    (tmp_path / "b").mkdir()
    two = GapManifestMaker(folder=tmp_path / "b")(problems=6, samples=4, change=other_seed)
    runs = [
        execute(open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1), tmp_path / name, Silent())
        for path, name in ((one, "one"), (two, "two"))
    ]
    found = compared(*runs)
    assert found.differing == ("generations",) and {each.component for each in found.causes} == {"seeds"}
    assert found.cells and {cell.whole() for cell in found.cells} == {"generations"}


def test_a_study_is_compared_by_its_experiments_and_with_no_single_run(study_file: Path, tmp_path: Path) -> None:
    folder = run_study(_open(study_file), tmp_path / "home", SILENT)
    found = diff_runs(str(folder), str(folder), tmp_path / "home")
    assert len(found) > 1 and all(each.equal for each in found)
    single = tmp_path / "home" / "runs" / found[0].a
    with pytest.raises(InputError, match="expected two runs, or two studies"):
        diff_runs(str(folder), str(single), tmp_path / "home")


def test_the_command_says_it_in_eighty_columns_and_refuses_what_was_edited(
    base: Path, older: Path, tmp_path: Path
) -> None:
    done = CliRunner().invoke(cli, ["diff", str(older), str(base)], env={"COLUMNS": "80"})
    assert done.exit_code == 0 and max(map(len, done.output.splitlines())) <= 80
    assert "swapped in B" in done.output and "grader: the whole difference of" in done.output
    plain = CliRunner().invoke(cli, ["diff", str(older), str(base), "--json"])
    assert json.loads(plain.output)[0]["words"] and plain.exit_code == 0
    home = shutil.copytree(base.parents[2], tmp_path / "home")
    edited = home / base.relative_to(base.parents[2])
    (edited / "measurements.parquet").write_bytes(b"")
    for wrong in (str(edited), "nothing-of-this-name"):
        refused = CliRunner().invoke(cli, ["diff", str(base), wrong])
        assert refused.exit_code == 2 and "Traceback" not in refused.output
