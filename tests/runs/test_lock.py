"""The lock of a study: what it pins, and what it refuses."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from selfimp_bench.cli.app import cli
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.priors import FILE
from selfimp_bench.places import MANIFESTS, REFERENCES
from selfimp_bench.protocols.load import load_file
from selfimp_bench.runs.lock import lock_flaws, lock_of, lock_path, write_lock

TINY = MANIFESTS / "tiny" / "tiny.v1.yaml"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of one's own: the shipped miniature in another folder."""
    return Path(shutil.copyfile(TINY, tmp_path / TINY.name))


def test_a_lock_has_a_digest_for_every_experiment_and_every_table_that_is_selected_from() -> None:
    lock = lock_of(load_file(TINY))
    names = ["tiny-iter-sft", "tiny-iter-dpo", "tiny-iter-sft-dpo", "tiny-iter-sft-vllm"]
    assert list(lock.experiments) == names
    assert list(lock.tables) == sorted(f"tiny/{name}.v1.csv" for name in names)
    assert list(lock.priors) == ["tiny-trained"]
    assert lock.across is not None


def test_a_study_of_ones_own_needs_no_lock_and_is_held_to_one_that_is_there(study: Path) -> None:
    assert list(lock_flaws(load_file(study))) == []
    assert write_lock(study) == lock_path(study)
    assert list(lock_flaws(load_file(study))) == []


def test_a_change_is_found_in_the_experiments_that_it_reaches_and_in_no_other(study: Path) -> None:
    write_lock(study)
    study.write_text(study.read_text().replace("learning_rate: 5e-5", "learning_rate: 6e-5"))
    found = [flaw.message.partition(":")[0] for flaw in lock_flaws(load_file(study))]
    assert found == ["experiment tiny-iter-dpo", "experiment tiny-iter-sft-dpo"]


def test_another_spread_over_seeds_is_a_change_of_the_study(study: Path) -> None:
    priors = study.with_name(FILE)
    shutil.copyfile(REFERENCES / FILE, priors)
    write_lock(study)
    rows = priors.read_text(encoding="utf-8")
    priors.write_text(rows.replace("fine-tuned-7b,coverage,any,any,0.011", "fine-tuned-7b,coverage,any,any,0.012"))
    assert list(lock_flaws(load_file(study))) == []
    priors.write_text(rows.replace("tiny-trained,coverage,test,any,0.015", "tiny-trained,coverage,test,any,0.016"))
    (flaw,) = lock_flaws(load_file(study))
    assert flaw.message.startswith("priors tiny-trained: expected sha256")


def test_validate_refuses_a_study_that_its_lock_does_not_match_and_lock_writes_it(study: Path) -> None:
    write_lock(study)
    study.write_text(study.read_text().replace("seed: 1\ntables", "seed: 2\ntables"))
    refused = CliRunner().invoke(cli, ["validate", str(study)])
    assert refused.exit_code == 2 and "selfimp-bench lock" in refused.output
    assert CliRunner().invoke(cli, ["lock", str(study)]).exit_code == 0
    assert CliRunner().invoke(cli, ["validate", str(study)]).exit_code == 0


def test_a_damaged_lock_is_said_and_a_flawed_study_gets_none(study: Path) -> None:
    lock_path(study).write_text("{")
    assert ["not a lock of this version" in flaw.message for flaw in lock_flaws(load_file(study))] == [True]
    study.write_text(study.read_text().replace("warmup_ratio: 0.03", "warmup_ratoi: 0.03"))
    with pytest.raises(InputError, match="did you mean"):
        write_lock(study)
