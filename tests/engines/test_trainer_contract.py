"""What every trainer promises (engines/base.py), over the fake one and the real one."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import quiet

from selfimp_bench.engines.base import Trainer
from selfimp_bench.engines.fake import FakeTrainer
from selfimp_bench.engines.trl import TrlTrainer
from selfimp_bench.errors import InputError

from .conftest import EOS, MakeJob, Rows, dpo_rows, sft_rows

TRAINERS: dict[str, Callable[[], Trainer]] = {"fake": FakeTrainer, "trl": TrlTrainer}


@pytest.fixture(params=TRAINERS)
def trainer(request: pytest.FixtureRequest) -> Trainer:
    return TRAINERS[request.param]()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    "rows", [pytest.param(sft_rows(10), id="sft"), pytest.param(dpo_rows(10), id="dpo", marks=pytest.mark.slow)]
)
def test_a_checkpoint_holds_model_tokenizer_and_log_and_nothing_else(
    trainer: Trainer, make_job: MakeJob, rows: Rows, tmp_path: Path
) -> None:
    job = make_job(rows, epochs=2)
    checkpoint = trainer.train(job, empty(tmp_path / "out"), quiet)
    assert checkpoint.path == tmp_path / "out"
    assert checkpoint.optimizer_steps == 2 * 3  # 10 rows in batches of 4
    assert checkpoint.rows == 20
    assert checkpoint.tokens == 2 * sum(len(prompt) + len(answer) for prompt, *answers in rows for answer in answers)
    found = contents(checkpoint.path)
    model = "fake.json" if isinstance(trainer, FakeTrainer) else "model.safetensors"
    carried = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    assert found.keys() == carried | {model, "train_log.jsonl"}
    assert {name: found[name] for name in carried} == {name: (job.start / name).read_bytes() for name in carried}
    log = [json.loads(line) for line in found["train_log.jsonl"].splitlines()]
    assert [line["step"] for line in log] == [1, 2, 3, 4, 5, 6]
    assert all(line.keys() == {"step", "loss", "learning_rate", "grad_norm"} for line in log)


@pytest.mark.parametrize(
    "method", [pytest.param("sft", marks=pytest.mark.slow), pytest.param("dpo", marks=pytest.mark.slow)]
)
def test_two_runs_of_a_job_write_the_same_bytes(
    trainer: Trainer, make_job: MakeJob, method: str, tmp_path: Path
) -> None:
    job = make_job(sft_rows(10) if method == "sft" else dpo_rows(10), epochs=2)
    first, second = (trainer.train(job, empty(tmp_path / name), quiet) for name in ("a", "b"))
    assert contents(first.path) == contents(second.path)


def test_a_row_too_long_is_named_and_nothing_is_cut(trainer: Trainer, make_job: MakeJob, tmp_path: Path) -> None:
    rows = sft_rows(5)
    rows[3] = (rows[3][0], [*range(40, 80), EOS])
    with pytest.raises(InputError, match=r"rows.parquet[\s\S]*row 3: 48 tokens, more than max_length 32"):
        trainer.train(make_job(rows), empty(tmp_path / "out"), quiet)
    assert contents(tmp_path / "out") == {}


@pytest.mark.parametrize("place", [0, 1])
def test_a_row_without_prompt_or_completion_is_refused(
    trainer: Trainer, make_job: MakeJob, place: int, tmp_path: Path
) -> None:
    rows = sft_rows(3)
    rows[1] = ([], rows[1][1]) if place == 0 else (rows[1][0], [])
    with pytest.raises(InputError, match=r"row 1: (prompt|completion)_ids is empty"):
        trainer.train(make_job(rows), empty(tmp_path / "out"), quiet)


def test_a_batch_that_is_no_multiple_of_the_micro_batch_is_refused(
    trainer: Trainer, make_job: MakeJob, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"batch_size 4 is not a multiple of engines.micro_batch_size 3"):
        trainer.train(make_job(sft_rows(4), micro_batch_size=3), empty(tmp_path / "out"), quiet)


def test_a_preference_job_without_reference_is_refused(trainer: Trainer, make_job: MakeJob, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="reference"):
        trainer.train(replace(make_job(dpo_rows(4)), reference=None), empty(tmp_path / "out"), quiet)


def test_a_training_set_of_the_other_method_is_refused(trainer: Trainer, make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job(sft_rows(4))
    other = make_job(dpo_rows(4))  # writes over the rows
    with pytest.raises(InputError, match="not a training set for sft"):
        trainer.train(replace(job, training_set=other.training_set), empty(tmp_path / "out"), quiet)


def test_an_empty_training_set_is_refused(trainer: Trainer, make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job(sft_rows(4))
    ids = pa.array([], type=pa.list_(pa.int64()))
    pq.write_table(pa.table({"prompt_ids": ids, "completion_ids": ids}), job.training_set)
    with pytest.raises(InputError, match="empty"):
        trainer.train(job, empty(tmp_path / "out"), quiet)


@pytest.mark.parametrize("ratio", [-0.1, 1.0])
def test_a_warm_up_ratio_outside_its_range_is_refused(
    trainer: Trainer, make_job: MakeJob, ratio: float, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="warmup_ratio"):
        trainer.train(make_job(sft_rows(4), warmup_ratio=ratio), empty(tmp_path / "out"), quiet)


@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (None, None)])
def test_a_run_of_two_lengths_or_of_none_is_refused(
    trainer: Trainer, make_job: MakeJob, epochs: int | None, steps: int | None, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="exactly one of epochs and steps"):
        trainer.train(make_job(sft_rows(4), epochs=epochs, steps=steps), empty(tmp_path / "out"), quiet)
