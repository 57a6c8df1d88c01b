"""What `assess` measures of a run's own samples is what the run measured: every value, error and count."""

import json
import shutil
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gap_support import GapManifestMaker
from support import ManifestMaker

from selfimp_bench import assess
from selfimp_bench.canonical import file_sha256, pretty_json
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.directions import directions
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.inspect_form import write_inspect_logs
from selfimp_bench.runs.judge import judge_study, read_run
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.runs.verifying.bundle import _step_files, write_bundle
from selfimp_bench.seals import seal_of
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.rows import GRADES, PROBLEMS, SAMPLES

_NEEDS_AN_ENCODER = "sbert-diversity"
_COUNTS = (20, 40, 24)


@pytest.mark.parametrize("engine", ["fake", pytest.param("real", marks=pytest.mark.slow)])
def test_a_runs_samples_give_the_runs_measurements(tmp_path, common_home, engine):
    manifest = ManifestMaker(folder=tmp_path)(engine=engine, counts=_COUNTS)
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=1)
    home = common_home
    run = read_run(execute(experiment, home, Silent()))
    steps = {step.id: home / "store" / step.fingerprint for step in run.record.steps}
    problems = [pq.read_table(steps[f"problems/{split}"] / PROBLEMS) for split in ("test", "ood")]
    pq.write_table(pa.concat_tables(problems), tmp_path / "problems.parquet")
    files = []
    for t in sorted({each.iteration for each in run.measurements}):
        sets = [pq.read_table(_step(steps, f"t{t}/sample.{role}") / SAMPLES) for role in ("greedy", "sample", "ood")]
        pq.write_table(pa.concat_tables(sets), tmp_path / f"t{t}.parquet")
        files.append(tmp_path / f"t{t}.parquet")
    _are_equal(assess(files, problems=tmp_path / "problems.parquet"), run)
    assert {each.metric for each in run.measurements if each.split == "train"} <= {
        "coverage",
        "pass@2",
        "pass@4",
        "pass@8",
    }
    _are_equal(assess([run.folder]), run)


@pytest.mark.parametrize("engine", ["fake", pytest.param("real", marks=pytest.mark.slow)])
@pytest.mark.parametrize("looked_at", [None, 5])
def test_a_runs_report_and_assess_of_the_run_have_one_headline(tmp_path, common_home, engine, looked_at):
    manifest = ManifestMaker(folder=tmp_path)(engine=engine, counts=_COUNTS)
    if looked_at is not None:
        manifest.write_text(manifest.read_text().replace("ngram_max:", f"diversity_samples: {looked_at}\n  ngram_max:"))
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=1)
    run = read_run(execute(experiment, common_home, Silent()))
    found = assess([run.folder])
    (own,) = directions(run)
    assert found.headline == own.headline
    embedded = {"sbert-diversity.correct"} if engine == "fake" else set()
    assert {each.metric for each in own.family} >= {"pass@8", "distinct-n.correct.equal", *embedded}
    _are_equal(found, run, but=())


def _are_equal(found, run, but=(_NEEDS_AN_ENCODER,)):
    own = {(each.metric, each.split, each.checkpoint): each for each in found.measurements}
    compared = 0
    for each in run.measurements:
        if each.split == "train" or each.metric.startswith(but):
            continue
        measured = own[each.metric, each.split, each.iteration]
        assert (measured.value, measured.standard_error) == (each.value, each.standard_error), each.metric
        assert (measured.n, measured.undefined) == (each.n, each.undefined), each.metric
        compared += 1
    assert compared > 20


def _step(steps, end):
    (found,) = [path for name, path in steps.items() if name.endswith(end)]
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two replicates of the fake engines, with the rule of extraction that is not the usual one."""
    place = tmp_path_factory.mktemp("finished")
    manifest = ManifestMaker(folder=place)(counts=(12, 20, 6), schedule=("sft-gold", "sft"))
    manifest.write_text(manifest.read_text().replace("extraction: strict", "extraction: flexible"))
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=2)
    return read_run(execute(experiment, place / "home", Silent()))


def test_a_run_and_its_bundle_are_checkpoints_of_one_seed(finished, tmp_path):
    first, second = finished.record.seeds
    with pytest.raises(InputError, match=f"2 seeds; give --only seed={first} or --only seed={second}$"):
        assess([finished.folder])
    measured = [each for each in finished.measurements if each.replicate == 1]
    found = assess([finished.folder], only=[f"seed={second}"])
    _are_equal(found, replace(finished, measurements=tuple(measured)))
    assert "pass@1.strict" in {each.metric for each in found.measurements}
    assert [each.files[0].partition(": ")[2] for each in found.checkpoints] == [
        f"tiny-gsm-base/seed{second}/t{t}" for t in (1, 2)
    ]
    home = finished.folder.parent.parent.parent
    judge_study(finished.folder)
    write_bundle(finished.folder, home, tmp_path / "b.zip", key=None, with_data=False)
    assert assess([tmp_path / "b.zip"], only=[f"seed={second}"]).measurements == found.measurements


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"task": "gsm8k"}, "a run, with problems and grades of its own; leave out --task$"),
        ({"only": ["seed=99"]}, r"none is of seed=99; give --only seed=\d+ or --only seed=\d+$"),
        ({"only": ["model=x"]}, "none is of model=x; give --only model=tiny-gsm-base$"),
        ({"only": ["sead=1"]}, r"--only sead=1: expected model=\.\.\., seed=\.\.\., temperature=\.\.\.$"),
    ],
)
def test_what_a_run_does_not_need_or_have_is_said(finished, options, said):
    with pytest.raises(InputError, match=said):
        assess([finished.folder], **options)
    with pytest.raises(InputError, match="a run, whose iterations are several checkpoints; give it alone"):
        assess([finished.folder, finished.folder])


def test_a_run_without_its_store_or_with_samples_that_were_changed_is_refused(finished, tmp_path):
    home = finished.folder.parent.parent.parent
    alone = shutil.copytree(finished.folder, tmp_path / "alone")
    with pytest.raises(InputError, match="the store with what its models wrote is not here"):
        assess([alone], only=["seed=1"])
    shutil.copytree(home, tmp_path / "home")
    step = next(each for each in finished.record.steps if each.id.endswith("t2/sample.greedy"))
    path = tmp_path / "home" / "store" / step.fingerprint / SAMPLES
    table = pq.read_table(path)
    pq.write_table(table.set_column(2, "completion", pa.array(["#### 1"] * len(table))), path)
    with pytest.raises(InputError, match=r"changed since step tiny-gsm-base/seed.*/t2/sample.greedy wrote it"):
        assess([tmp_path / "home" / finished.folder.relative_to(home)], only=["seed=1"])


def test_models_that_only_verify_gaps_give_their_answers(tmp_path):
    manifest = GapManifestMaker(folder=tmp_path)()
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=1)
    folder = execute(experiment, tmp_path / "home", Silent())
    with pytest.raises(InputError, match=r"2 models; give --only model=300-base or --only model=700-base$"):
        assess([folder])
    found = assess([folder], only=["model=700-base"])
    (own,) = [
        each.value
        for each in read_run(folder).measurements
        if (each.model, each.metric, each.iteration) == ("700-base", "accuracy", 0)
    ]
    assert found.value("coverage", 1) == own
    assert "the checkpoints are t = 0 of the run" in found.left_out


def _forged(finished, place, end, name, change, *, keep=True):
    """The run with one table changed, which its record names; with ``keep`` false, without the step."""
    home = finished.folder.parent.parent.parent
    folder = shutil.copytree(home, place / "home") / finished.folder.relative_to(home)
    record = json.loads((folder / "record.json").read_bytes())
    (step,) = [each for each in record["steps"] if each["id"].endswith(end)]
    path = place / "home" / "store" / step["fingerprint"] / name
    pq.write_table(change(pq.read_table(path)), path)
    for each in step["artifacts"]:
        each |= {"sha256": file_sha256(path), "bytes": path.stat().st_size} if each["path"] == name else {}
    if not keep:
        record["steps"].remove(step)
    record["seal"] = seal_of(pretty_json(record))
    (folder / "record.json").write_bytes(pretty_json(record))
    return folder


def _foo(table):
    return table.set_column(table.column_names.index("outcome"), "outcome", pa.array(["foo"] * len(table)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.slice(1), "KeyError"),
        (_foo, "'foo' is not a valid Outcome"),
        (lambda table: table.drop_columns(["extracted"]), "extracted"),
    ],
)
def test_grades_that_are_not_of_the_samples_are_refused_whatever_the_record_says(finished, tmp_path, change, said):
    first = finished.record.seeds[0]
    folder = _forged(finished, tmp_path, f"seed{first}/t2/grade.greedy", GRADES, change)
    with pytest.raises(InputError, match=rf"{folder}: .*seed{first}/t2: .*/grades.parquet are no .*{said}.*verify"):
        assess([folder], only=[f"seed={first}"])


def test_a_run_of_other_code_that_planned_other_steps_is_refused(finished, tmp_path):
    first = finished.record.seeds[0]
    end = f"seed{first}/t2/grade.greedy"
    folder = _forged(finished, tmp_path, end, GRADES, lambda table: table, keep=False)
    with pytest.raises(InputError, match=rf"its record lacks 1 step that the installed version plans, .*{end} first"):
        assess([folder], only=[f"seed={first}"])
    with pytest.raises(InputError, match="its record lacks 1 step"):
        write_inspect_logs(read_run(folder), tmp_path / "home" / "store", tmp_path / "logs")
    record = json.loads((folder / "record.json").read_bytes())
    record["steps"][-1]["id"] = "of/another/version"
    (folder / "record.json").write_bytes(pretty_json(record | {"seal": seal_of(pretty_json(record))}))
    with pytest.raises(InputError, match="its record has step of/another/version, which the installed version does"):
        list(_step_files(folder, tmp_path / "home", with_data=True))
