"""What every trainer promises (engines/base.py), over the fake one and the real one on one and on several devices."""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file
from support import quiet

from selfimp_bench.engines.base import Checkpoint, OnProgress, Trainer, TrainFolders, TrainJob, TrainOptions
from selfimp_bench.engines.fake import FakeTrainer
from selfimp_bench.engines.trl import trainer as trl
from selfimp_bench.engines.trl.trainer import TrlTrainer
from selfimp_bench.errors import InputError
from selfimp_bench.runs.hardware.footprint import RESUME_BYTES

from .conftest import EOS, MakeJob, dpo_rows, folders_in, job_of, options, sft_rows, work_with


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A trainer and the jobs it is for; ``distributed`` is what a job says of it. ``worker``: the workers' module."""

    make: Callable[[TrainOptions], Trainer]
    distributed: Literal["ddp", "deepspeed-zero3"] | None = None
    processes: int = 1
    worker: str = trl.WORKER

    def train(
        self, job: TrainJob, folders: TrainFolders, on_progress: OnProgress = quiet, *, save_minutes: float = 60
    ) -> Checkpoint:
        trainer = self.make(options(save_minutes=save_minutes, processes=self.processes))
        with pytest.MonkeyPatch.context() as patch:
            work_with(self.worker, patch)
            return trainer.train(replace(job, distributed=self.distributed), folders, on_progress)


SETUPS = {
    "fake": Setup(make=lambda _options: FakeTrainer()),
    "trl": Setup(make=TrlTrainer),
    "trl-ddp-2": Setup(make=TrlTrainer, distributed="ddp", processes=2),
    "trl-zero3-2": Setup(make=TrlTrainer, distributed="deepspeed-zero3", processes=2, worker="zero3_on_cpus"),
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in SETUPS if name != "fake"]
ROWS = {"sft": sft_rows(11), "dpo": dpo_rows(11)}
CHECKPOINT = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "train_log.jsonl"}


@pytest.fixture(params=["fake", "trl"])
def setup(request: pytest.FixtureRequest) -> Setup:
    """For what is refused before any process starts, which is the same code for all."""
    return SETUPS[request.param]


@pytest.fixture(scope="module")
def alone(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], TrainFolders]:
    """What one plain process makes of a method's rows, made once."""

    @cache
    def train(method: str) -> TrainFolders:
        folder = tmp_path_factory.mktemp(f"alone-{method}")
        folders = folders_in(folder)
        SETUPS["trl"].train(job_of(model_folder, folder, ROWS[method], micro_batch_size=4, epochs=2), folders)
        return folders

    return train


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def read_log(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_same_training(found: TrainFolders, expected: TrainFolders, start: Path) -> None:
    """The same but for the order of sums, also in the last batch of an epoch, whose 3 rows two devices cannot share."""
    before, one, several = (load_file(each / "model.safetensors") for each in (start, expected.out, found.out))
    assert several.keys() == one.keys()
    moved = sum(((one[name] - before[name]) ** 2).sum().item() for name in before)
    apart = sum(((one[name] - several[name]) ** 2).sum().item() for name in before)
    assert math.sqrt(apart / moved) < 1e-3  # a gradient that is nearly 0 moves a weight by its sign (epsilon is 1e-8)
    for column in ("loss", "learning_rate", "grad_norm"):
        first, second = ([line[column] for line in read_log(run.out / "train_log.jsonl")] for run in (expected, found))
        assert second == pytest.approx(first, rel=1e-4), column


@pytest.mark.parametrize("name", ["fake", *SLOW])
def test_a_checkpoint_holds_model_tokenizer_and_log_and_nothing_else(
    name: str, make_job: MakeJob, alone: Callable[[str], TrainFolders], tmp_path: Path
) -> None:
    job = make_job(ROWS["sft"], micro_batch_size=4, epochs=2)
    folders, setup = folders_in(tmp_path), SETUPS[name]
    checkpoint = setup.train(job, folders, save_minutes=0)
    assert checkpoint.path == folders.out
    assert checkpoint.processes == setup.processes
    assert checkpoint.optimizer_steps == 2 * 3  # 11 rows in batches of 4
    assert checkpoint.rows == 22
    assert checkpoint.tokens == 2 * sum(len(prompt) + len(answer) for prompt, answer in ROWS["sft"])
    found = contents(folders.out)
    assert found.keys() == CHECKPOINT | {"fake.json" if name == "fake" else "model.safetensors"}
    carried = CHECKPOINT - {"train_log.jsonl"}
    assert {each: found[each] for each in carried} == {each: (job.start / each).read_bytes() for each in carried}
    log = read_log(folders.out / "train_log.jsonl")
    assert [line["step"] for line in log] == [1, 2, 3, 4, 5, 6]
    assert all(line.keys() == {"step", "loss", "learning_rate", "grad_norm"} for line in log)
    if name != "fake":
        speed = read_log(folders.log / "train_speed.jsonl")
        assert [line["loss"] for line in speed] == [line["loss"] for line in log]
        assert all(line["tokens_per_second"] > 0 and line["peak_memory_bytes"] > 2**20 for line in speed)
        assert_same_training(folders, alone("sft"), job.start)
        assert_one_kept_to_resume_from(folders, job.start)
    if name == "trl":
        assert found == contents(alone("sft").out)


def assert_one_kept_to_resume_from(folders: TrainFolders, start: Path) -> None:
    """One checkpoint of weights and two moments, of the last step but one of six."""
    (kept,) = (folders.work / "checkpoints").glob("checkpoint-*")
    assert kept.name == "checkpoint-5"  # none after the last
    assert (kept / "whole").is_file()
    held = sum(path.stat().st_size for path in kept.rglob("*") if path.suffix in (".pt", ".safetensors", ".bin"))
    parameters = sum(each.numel() for each in load_file(start / "model.safetensors").values())
    assert held / parameters == pytest.approx(RESUME_BYTES, rel=0.1)


@pytest.mark.parametrize("name", ["fake", *SLOW])
def test_a_training_that_is_killed_ends_like_an_undisturbed_one(
    name: str, make_job: MakeJob, alone: Callable[[str], TrainFolders], tmp_path: Path
) -> None:
    job = make_job(ROWS["dpo"], micro_batch_size=4, epochs=2)
    folders, setup = folders_in(tmp_path), SETUPS[name]
    told: list[int] = []

    def watch(step: int, steps: int) -> None:
        assert steps == 6
        told.append(step)
        if len(told) == 5:  # in the middle of the second epoch; the checkpoint of step 5 may be begun, or whole
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):  # the fake trainer is too fast for it
        setup.train(job, folders, watch, save_minutes=0)
    checkpoint = setup.train(job, folders, watch, save_minutes=0)
    assert told in ([[6, 6]] if name == "fake" else [[1, 2, 3, 4, 5, 5, 6], [1, 2, 3, 4, 5, 6]])
    assert checkpoint.rows == 22
    assert checkpoint.tokens == 2 * sum(len(row[0]) + len(answer) for row in ROWS["dpo"] for answer in row[1:])
    if name != "fake":
        assert [line["step"] for line in read_log(folders.log / "train_speed.jsonl")] == [1, 2, 3, 4, 5, 6]
        assert_same_training(folders, alone("dpo"), job.start)
    if name == "trl":
        assert contents(folders.out) == contents(alone("dpo").out)


@pytest.mark.slow
def test_a_training_shorter_than_the_time_between_checkpoints_writes_none(
    alone: Callable[[str], TrainFolders],
) -> None:
    assert not list((alone("sft").work / "checkpoints").glob("checkpoint-*"))


@pytest.mark.slow
def test_checkpoints_of_another_number_of_processes_are_not_resumed(make_job: MakeJob, tmp_path: Path) -> None:
    job, folders = make_job(ROWS["sft"]), folders_in(tmp_path)
    (folders.work / "processes").write_text("2")
    (folders.work / "checkpoints" / "checkpoint-2").mkdir(parents=True)
    (folders.work / "checkpoints" / "checkpoint-2" / "whole").touch()
    told: list[int] = []
    SETUPS["trl"].train(job, folders, lambda step, _: told.append(step))
    assert told == [1, 2, 3]


def test_a_batch_that_the_devices_cannot_share_is_refused(make_job: MakeJob, tmp_path: Path) -> None:
    job = replace(make_job(sft_rows(4)), distributed="ddp")
    with pytest.raises(InputError, match=r"4 rows cannot be shared equally by 3 devices[\s\S]*one of 1, 2, 4"):
        TrlTrainer(options(processes=3)).train(job, folders_in(tmp_path), quiet)


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
