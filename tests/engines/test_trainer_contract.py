"""What every trainer promises (engines/base.py), over the fake one and the real one on one and on several devices."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file
from support import quiet

from selfimp_bench.engines.base import Checkpoint, OnProgress, Trainer, TrainFolders, TrainJob, TrainOptions
from selfimp_bench.engines.fake import FakeTrainer
from selfimp_bench.engines.trl import TrlTrainer
from selfimp_bench.errors import InputError

from .conftest import EOS, MakeJob, Rows, dpo_rows, folders_in, options, sft_rows


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A trainer and the jobs it is for; ``distributed`` is what a job says of it."""

    make: Callable[[TrainOptions], Trainer]
    distributed: Literal["ddp", "deepspeed-zero3"] | None = None
    processes: int = 1

    def train(
        self, job: TrainJob, folders: TrainFolders, on_progress: OnProgress = quiet, *, save_every: int = 1000
    ) -> Checkpoint:
        trainer = self.make(options(save_every=save_every, processes=self.processes))
        return trainer.train(replace(job, distributed=self.distributed), folders, on_progress)


SETUPS = {
    "fake": Setup(make=lambda _options: FakeTrainer()),
    "trl": Setup(make=TrlTrainer),
    "trl-ddp-2": Setup(make=TrlTrainer, distributed="ddp", processes=2),
    "trl-zero3-1": Setup(make=TrlTrainer, distributed="deepspeed-zero3"),
}
TRL = [name for name in SETUPS if name != "fake"]


@pytest.fixture(params=["fake", *(pytest.param(name, marks=pytest.mark.slow) for name in TRL)])
def any_setup(request: pytest.FixtureRequest) -> Setup:
    return SETUPS[request.param]


@pytest.fixture(params=["fake", "trl"])
def setup(request: pytest.FixtureRequest) -> Setup:
    """For what is refused before any process starts, which is the same code for all."""
    return SETUPS[request.param]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


ROWS = [pytest.param(sft_rows(11), id="sft"), pytest.param(dpo_rows(11), id="dpo")]


@pytest.mark.parametrize("rows", ROWS)
def test_a_checkpoint_holds_model_tokenizer_and_log_and_nothing_else(
    any_setup: Setup, make_job: MakeJob, rows: Rows, tmp_path: Path
) -> None:
    job = make_job(rows, epochs=2)
    checkpoint = any_setup.train(job, folders_in(tmp_path))
    assert checkpoint.path == tmp_path / "out"
    assert checkpoint.processes == any_setup.processes
    assert checkpoint.optimizer_steps == 2 * 3  # 11 rows in batches of 4
    assert checkpoint.rows == 22
    assert checkpoint.tokens == 2 * sum(len(prompt) + len(answer) for prompt, *answers in rows for answer in answers)
    found = contents(checkpoint.path)
    model = "fake.json" if any_setup is SETUPS["fake"] else "model.safetensors"
    carried = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    assert found.keys() == carried | {model, "train_log.jsonl"}
    assert {name: found[name] for name in carried} == {name: (job.start / name).read_bytes() for name in carried}
    log = read_log(checkpoint.path / "train_log.jsonl")
    assert [line["step"] for line in log] == [1, 2, 3, 4, 5, 6]
    assert all(line.keys() == {"step", "loss", "learning_rate", "grad_norm"} for line in log)


@pytest.mark.parametrize("rows", ROWS)
def test_a_training_that_is_killed_ends_like_an_undisturbed_one(
    any_setup: Setup, make_job: MakeJob, rows: Rows, tmp_path: Path
) -> None:
    job = make_job(rows, epochs=2)
    undisturbed, disturbed = folders_in(tmp_path / "undisturbed"), folders_in(tmp_path / "disturbed")
    any_setup.train(job, undisturbed)
    told: list[int] = []

    def watch(step: int, steps: int) -> None:
        assert steps == 6
        told.append(step)
        if len(told) == 5:  # after the checkpoint of step 4, in the middle of the second epoch
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):  # the fake trainer is too fast for it
        any_setup.train(job, disturbed, watch, save_every=2)
    any_setup.train(job, disturbed, watch, save_every=2)
    assert told == ([6, 6] if any_setup is SETUPS["fake"] else [1, 2, 3, 4, 5, 5, 6])
    assert contents(disturbed.out) == contents(undisturbed.out)


@pytest.mark.slow
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("name", ["trl-ddp-2", "trl-zero3-1"])
def test_several_devices_train_what_one_does(name: str, make_job: MakeJob, rows: Rows, tmp_path: Path) -> None:
    """Also in the last batch of an epoch, whose 3 rows two devices cannot share equally."""
    job = make_job(rows, epochs=2, micro_batch_size=4 if name == "trl-ddp-2" else 2)
    one, several = folders_in(tmp_path / "one"), folders_in(tmp_path / "several")
    SETUPS["trl"].train(job, one)
    SETUPS[name].train(job, several)
    expected, found = (load_file(folders.out / "model.safetensors") for folders in (one, several))
    assert expected.keys() == found.keys()
    start = load_file(job.start / "model.safetensors")
    moved = max((expected[each] - start[each]).abs().max().item() for each in start)
    apart = max((expected[each] - found[each]).abs().max().item() for each in start)
    assert apart < 0.01 * moved
    logs = [read_log(folders.out / "train_log.jsonl") for folders in (one, several)]
    for column in ("loss", "learning_rate", "grad_norm"):
        first, second = ([line[column] for line in log] for log in logs)
        assert second == pytest.approx(first, rel=2e-3), column


def read_log(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_row_too_long_is_named_and_nothing_is_cut(setup: Setup, make_job: MakeJob, tmp_path: Path) -> None:
    rows = sft_rows(5)
    rows[3] = (rows[3][0], [*range(40, 80), EOS])
    with pytest.raises(InputError, match=r"rows.parquet[\s\S]*row 3: 48 tokens, more than max_length 32"):
        setup.train(make_job(rows), folders_in(tmp_path))
    assert contents(tmp_path / "out") == {}


@pytest.mark.parametrize("place", [0, 1])
def test_a_row_without_prompt_or_completion_is_refused(
    setup: Setup, make_job: MakeJob, place: int, tmp_path: Path
) -> None:
    rows = sft_rows(3)
    rows[1] = ([], rows[1][1]) if place == 0 else (rows[1][0], [])
    with pytest.raises(InputError, match=r"row 1: (prompt|completion)_ids is empty"):
        setup.train(make_job(rows), folders_in(tmp_path))


def test_a_batch_that_is_no_multiple_of_the_micro_batch_is_refused(
    setup: Setup, make_job: MakeJob, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"batch_size 4 is not a multiple of engines.micro_batch_size 3"):
        setup.train(make_job(sft_rows(4), micro_batch_size=3), folders_in(tmp_path))


def test_a_preference_job_without_reference_is_refused(setup: Setup, make_job: MakeJob, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="reference"):
        setup.train(replace(make_job(dpo_rows(4)), reference=None), folders_in(tmp_path))


def test_a_training_set_of_the_other_method_is_refused(setup: Setup, make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job(sft_rows(4))
    other = make_job(dpo_rows(4))  # writes over the rows
    with pytest.raises(InputError, match="not a training set for sft"):
        setup.train(replace(job, training_set=other.training_set), folders_in(tmp_path))


def test_an_empty_training_set_is_refused(setup: Setup, make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job(sft_rows(4))
    ids = pa.array([], type=pa.list_(pa.int64()))
    pq.write_table(pa.table({"prompt_ids": ids, "completion_ids": ids}), job.training_set)
    with pytest.raises(InputError, match="empty"):
        setup.train(job, folders_in(tmp_path))


@pytest.mark.parametrize("ratio", [-0.1, 1.0])
def test_a_warm_up_ratio_outside_its_range_is_refused(
    setup: Setup, make_job: MakeJob, ratio: float, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="warmup_ratio"):
        setup.train(make_job(sft_rows(4), warmup_ratio=ratio), folders_in(tmp_path))


@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (None, None)])
def test_a_run_of_two_lengths_or_of_none_is_refused(
    setup: Setup, make_job: MakeJob, epochs: int | None, steps: int | None, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="exactly one of epochs and steps"):
        setup.train(make_job(sft_rows(4), epochs=epochs, steps=steps), folders_in(tmp_path))
