"""What `assess` measures of a run's own samples is what the run measured: every value, error and count."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import ManifestMaker

from selfimp_bench import assess
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.judge import read_run
from selfimp_bench.runs.study import open_experiment
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
    found = assess(files, problems=tmp_path / "problems.parquet")
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
    assert {each.metric for each in run.measurements if each.split == "train"} <= {
        "coverage",
        "pass@2",
        "pass@4",
        "pass@8",
    }


def _step(steps, end):
    (found,) = [path for name, path in steps.items() if name.endswith(end)]
    return found
