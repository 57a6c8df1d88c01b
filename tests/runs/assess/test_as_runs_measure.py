"""What `assess` measures of a run's own samples is what the run measured: every value, error and count."""

import shutil
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gap_support import GapManifestMaker
from support import ManifestMaker

from selfimp_bench import assess
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.judge import judge_study, read_run
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.runs.verifying.bundle import write_bundle
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.rows import PROBLEMS, SAMPLES

_NEEDS_AN_ENCODER = "sbert-diversity"


@pytest.mark.parametrize("engine", ["fake", pytest.param("real", marks=pytest.mark.slow)])
def test_a_runs_samples_give_the_runs_measurements(tmp_path, engine):
    manifest = ManifestMaker(folder=tmp_path)(engine=engine)
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=1)
    home = tmp_path / "home"
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


def _are_equal(found, run):
    own = {(each.metric, each.split, each.checkpoint): each for each in found.measurements}
    compared = 0
    for each in run.measurements:
        if each.split == "train" or each.metric.startswith(_NEEDS_AN_ENCODER):
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
