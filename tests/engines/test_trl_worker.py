"""What TRL computes, against the same written out in plain torch. In this process: a child starts in 5 s."""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from own_packages import install
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.nn import functional

from selfimp_bench.engines.base import TrainJob
from selfimp_bench.engines.trl import model as trl_model
from selfimp_bench.engines.trl.training_set import read_training_set
from selfimp_bench.engines.trl.worker import EngineCheck, check_engine, make_trainer
from selfimp_bench.engines.trl.worker import run as run_worker
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.manifest.model import Lora, OwnCode, Quantisation

from .conftest import MakeJob, Rows, dpo_rows, folders_in, sft_rows, worker_job

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, not ours

FOUR_BITS = Lora(
    rank=2,
    alpha=4,
    dropout=0.0,
    target_modules=("q_proj", "down_proj"),
    quantisation=Quantisation(format="nf4-4bit", double_quant=False, compute_dtype="float32"),
    evaluation="merged",
    source="test",
)
Loss = Callable[[Any], torch.Tensor]
EXAMPLE = Path(__file__).parents[2] / "benchmark" / "examples" / "own-method"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The child's environment sees to it; here TRL's own switch against telemetry does."""
    monkeypatch.setenv("CI", "1")
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def run(tmp_path: Path) -> Callable[[TrainJob], Path]:
    """Trains a job and returns its checkpoint folder."""
    numbers = iter(range(10))

    def run(job: TrainJob) -> Path:
        folders = folders_in(tmp_path / f"run{next(numbers)}")
        run_worker(worker_job(job, folders), ("reference", "train"), folders.work)
        return folders.out

    return run


def load_model(folder: Path) -> Any:
    return trl_model.load_model(folder, None, "cpu")


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "train_log.jsonl").read_text().splitlines()]


def completion_logprob(model: Any, prompt: list[int], completion: list[int]) -> torch.Tensor:
    """Log-probabilities of the completion's tokens, one row at a time, without padding."""
    logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
    return functional.log_softmax(logits, dim=-1).gather(1, torch.tensor(completion)[:, None])[:, 0]


def sft_loss(rows: Rows) -> Loss:
    """Mean over all completion tokens."""

    def loss(model: Any) -> torch.Tensor:
        return -torch.cat([completion_logprob(model, prompt, completion) for prompt, completion in rows]).mean()

    return loss


def row_loss(rows: Rows) -> Loss:
    """Mean over rows of each one's mean over its completion tokens."""

    def loss(model: Any) -> torch.Tensor:
        return -torch.stack([completion_logprob(model, *row).mean() for row in rows]).mean()

    return loss


def margins(model: Any, rows: Rows) -> torch.Tensor:
    return torch.stack(
        [
            completion_logprob(model, prompt, chosen).sum() - completion_logprob(model, prompt, rejected).sum()
            for prompt, chosen, rejected in rows
        ]
    )


def dpo_loss(rows: Rows, reference: Any, beta: float) -> Loss:
    """-log sigmoid(beta * (policy margin - reference margin)), mean over pairs (arXiv:2305.18290, equation 7)."""
    with torch.no_grad():
        frozen = margins(reference, rows)
    return lambda model: -functional.logsigmoid(beta * (margins(model, rows) - frozen)).mean()


def train_by_hand(model: Any, loss: Loss, job: TrainJob, *, steps: int) -> list[tuple[float, float]]:
    """AdamW on whole batches with constant learning rate: (loss, gradient norm) of every step."""
    settings = job.optimisation
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim == 1]  # normalisation: not decayed
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=settings.learning_rate,
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_epsilon,
    )
    record = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(model)
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
        optimizer.step()
        record.append((value.item(), norm.item()))
    return record


def assert_same_training(folder: Path, by_hand: list[tuple[float, float]], model: Any) -> None:
    lines = log(folder)
    assert [line["loss"] for line in lines] == pytest.approx([loss for loss, _ in by_hand], rel=1e-4, abs=1e-6)
    assert [line["grad_norm"] for line in lines] == pytest.approx([norm for _, norm in by_hand], rel=1e-3)
    for name, weights in load_model(folder).state_dict().items():
        torch.testing.assert_close(weights, model.state_dict()[name], atol=2e-4, rtol=1e-3, msg=name)


def test_sft_is_adamw_on_the_mean_loss_of_the_completion_tokens(
    make_job: MakeJob, run: Callable[[TrainJob], Path]
) -> None:
    rows = sft_rows(6)
    job = make_job(rows, batch_size=6, epochs=3, weight_decay=0.1, adam_epsilon=1e-4, max_grad_norm=0.5)
    model = load_model(job.start)
    by_hand = train_by_hand(model, sft_loss(rows), job, steps=3)
    assert by_hand[0][1] > 0.5  # the clipping acts
    assert_same_training(run(job), by_hand, model)


def test_dpo_is_adamw_on_the_mean_loss_of_the_pairs(make_job: MakeJob, run: Callable[[TrainJob], Path]) -> None:
    rows = dpo_rows(6)
    job = make_job(rows, batch_size=6, epochs=3, weight_decay=0.1, adam_epsilon=1e-4, beta=0.3)
    model, reference = load_model(job.start), load_model(job.start)
    before = margins(model, rows)
    by_hand = train_by_hand(model, dpo_loss(rows, reference, 0.3), job, steps=3)
    folder = run(job)
    assert_same_training(folder, by_hand, model)
    assert log(folder)[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert (margins(load_model(folder), rows) > before).all()


@pytest.mark.slow
def test_rpo_is_dpo_plus_the_weighted_sft_loss_of_the_chosen_completions(
    make_job: MakeJob, run: Callable[[TrainJob], Path]
) -> None:
    rows = dpo_rows(6)
    job = make_job(rows, batch_size=6, epochs=3, beta=0.05, sft_coefficient=0.7)
    model, reference = load_model(job.start), load_model(job.start)
    preference, likelihood = dpo_loss(rows, reference, 0.05), row_loss([row[:2] for row in rows])
    by_hand = train_by_hand(model, lambda policy: preference(policy) + 0.7 * likelihood(policy), job, steps=3)
    assert by_hand[0][0] > math.log(2) + 1  # the term is there
    assert_same_training(run(job), by_hand, model)


@pytest.mark.slow
def test_a_loss_of_another_package_is_trained_by_as_dpo_s_own(
    make_job: MakeJob, run: Callable[[TrainJob], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IPO of the example, a tenth of it by an option, against the same written out."""
    name = "a-tenth-of-ipo"
    source = (EXAMPLE / "selfimp_example_method" / "losses.py").read_text()
    source += "\n\ndef tenth(pairs, *, beta, part):\n    return part * ipo(pairs, beta=beta)\n"
    install(tmp_path, name, {"tenth.py": source}, {"selfimp_bench.pair_losses": {"tenth": "tenth:tenth"}})
    monkeypatch.syspath_prepend(tmp_path)
    rows = dpo_rows(5)
    job = make_job(rows, batch_size=6, epochs=3, beta=0.3)
    assert job.preference is not None
    own = OwnCode(package=name, version="1.0", name="tenth", options={"part": 0.1}, source="test")
    job = replace(job, preference=replace(job.preference, loss="own", pair_loss=own))
    model, reference = load_model(job.start), load_model(job.start)
    with torch.no_grad():
        frozen = margins(reference, rows)
    by_hand = train_by_hand(
        model, lambda policy: 0.1 * ((margins(policy, rows) - frozen - 1 / 0.6) ** 2).mean(), job, steps=3
    )
    assert by_hand[0][0] == pytest.approx(0.1 / 0.36)
    assert_same_training(run(job), by_hand, model)


@pytest.mark.slow
def test_steps_stop_in_the_middle_of_an_epoch_and_go_on_into_the_next(
    make_job: MakeJob, run: Callable[[TrainJob], Path]
) -> None:
    for steps in (2, 7):  # 10 rows in batches of 4 are 3 steps an epoch
        assert len(log(run(make_job(sft_rows(10), epochs=None, steps=steps)))) == steps


@pytest.mark.slow
def test_dpo_measures_against_the_reference_it_is_given(
    make_job: MakeJob, run: Callable[[TrainJob], Path], tmp_path: Path
) -> None:
    rows = dpo_rows(6)
    job = make_job(rows, batch_size=6)
    reference = load_model(job.start)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    folder = shutil.copytree(job.start, tmp_path / "reference")
    reference.save_pretrained(folder)
    expected = dpo_loss(rows, reference, 0.1)(load_model(job.start)).item()
    assert abs(expected - math.log(2)) > 1e-3
    assert log(run(replace(job, reference=folder)))[0]["loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_two_runs_write_the_same_bytes_and_another_seed_others(
    make_job: MakeJob, run: Callable[[TrainJob], Path]
) -> None:
    job = make_job(sft_rows(10), epochs=2)
    first, second, third = (run(each) for each in (job, job, replace(job, seed=6)))
    names = {path.name for path in first.iterdir()}
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    assert (first / "model.safetensors").read_bytes() != (third / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_gradient_checkpointing_and_micro_batches_change_no_result(
    make_job: MakeJob, run: Callable[[TrainJob], Path]
) -> None:
    plain = make_job(sft_rows(8), micro_batch_size=4)
    split = replace(plain, micro_batch_size=1, gradient_checkpointing=True)
    assert [line["loss"] for line in log(run(plain))] == pytest.approx(
        [line["loss"] for line in log(run(split))], rel=1e-4
    )


def test_warm_up_takes_the_ceiling_of_its_share_of_the_steps(
    make_job: MakeJob, run: Callable[[TrainJob], Path]
) -> None:
    rates = [line["learning_rate"] for line in log(run(make_job(sft_rows(40), warmup_ratio=0.25)))]
    assert rates == pytest.approx([0, 1e-3 / 3, 2e-3 / 3, *[1e-3] * 7])  # ceil(0.25 * 10) = 3, then constant


def test_a_row_of_exactly_max_length_loses_no_token(make_job: MakeJob, run: Callable[[TrainJob], Path]) -> None:
    rows = sft_rows(4)
    job = make_job(rows, max_length=max(len(prompt) + len(completion) for prompt, completion in rows))
    expected = sft_loss(rows)(load_model(job.start)).item()
    assert log(run(job))[0]["loss"] == pytest.approx(expected, rel=1e-5)


def test_bfloat16_computes_in_it_and_keeps_float32_weights(make_job: MakeJob, run: Callable[[TrainJob], Path]) -> None:
    folder = run(make_job(sft_rows(4), precision="bfloat16"))
    exact = sft_loss(sft_rows(4))(load_model(make_job(sft_rows(4)).start)).item()
    assert log(folder)[0]["loss"] == pytest.approx(exact, rel=0.02)
    assert log(folder)[0]["loss"] != pytest.approx(exact, rel=1e-6)
    weights = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


def test_divergence_stops_the_run(make_job: MakeJob, run: Callable[[TrainJob], Path]) -> None:
    with pytest.raises(StepFailed, match="diverged at step"):
        run(make_job(sft_rows(12), learning_rate=1e30, max_grad_norm=0.0))


def test_threads_are_set(make_job: MakeJob, run: Callable[[TrainJob], Path]) -> None:
    torch.set_num_threads(2)
    run(make_job(sft_rows(4)))
    assert torch.get_num_threads() == 1


def test_a_corrupt_start_is_refused(make_job: MakeJob, run: Callable[[TrainJob], Path], tmp_path: Path) -> None:
    job = make_job(sft_rows(4))
    start = shutil.copytree(job.start, tmp_path / "broken")
    (start / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"broken/model.safetensors: cannot be loaded"):
        run(replace(job, start=start))


def test_event_files_hold_the_losses_of_the_log_where_they_are_asked_for(make_job: MakeJob, tmp_path: Path) -> None:
    job, folders = make_job(sft_rows(8)), folders_in(tmp_path)
    work = msgspec.structs.replace(worker_job(job, folders), log_to="tensorboard")
    run_worker(work, ("reference", "train"), folders.work)
    events = EventAccumulator(str(folders.log)).Reload()
    found = [event.value for event in events.Scalars("train/loss")]
    assert found == pytest.approx([line["loss"] for line in log(folders.out)])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"processes": 2, "launched": True}, r"'processes': \(1, 2\).*'distribution': \('NO', 'MULTI_CPU'\)"),
        ({"distributed": "deepspeed-zero3"}, r"'distribution': \('NO', 'DEEPSPEED'\), 'ZeRO stage': \(0, 3\)"),
        ({"precision": "bfloat16"}, r"'mixed precision': \('no', 'bf16'\)"),
        ({"lora": True}, r"'4-bit weights': \(False, True\)"),
    ],
)
def test_an_engine_that_is_not_the_one_asked_for_is_found_out(
    make_job: MakeJob, tmp_path: Path, change: dict[str, Any], found: str
) -> None:
    work = worker_job(make_job(sft_rows(4)), folders_in(tmp_path))
    trainer = make_trainer(work, read_training_set(work.job.training_set, "sft", max_length=32))
    check_engine(trainer, work)
    job = work.job
    if "distributed" in change:
        job = replace(job, distributed=change["distributed"])
    if "precision" in change:
        job = replace(job, optimisation=replace(job.optimisation, precision=change["precision"]))
    if "lora" in change:
        job = replace(job, lora=FOUR_BITS)
    asked = {name: change[name] for name in ("processes", "launched") if name in change}
    with pytest.raises(StepFailed, match=found):
        check_engine(trainer, msgspec.structs.replace(work, job=job, **asked))


def test_a_model_that_nothing_wraps_is_found_out_before_the_first_step(make_job: MakeJob, tmp_path: Path) -> None:
    work = worker_job(make_job(sft_rows(4)), folders_in(tmp_path))
    trainer = make_trainer(work, read_training_set(work.job.training_set, "sft", max_length=32))
    EngineCheck(trainer, work).on_train_begin()
    with pytest.raises(StepFailed, match=r"2 process\(es\) were asked for; LlamaForCausalLM runs"):
        EngineCheck(trainer, msgspec.structs.replace(work, processes=2, launched=True)).on_train_begin()
    sharded = msgspec.structs.replace(work, job=replace(work.job, distributed="deepspeed-zero3"), launched=True)
    with pytest.raises(StepFailed, match="LlamaForCausalLM with ZeRO stage 0 runs"):
        EngineCheck(trainer, sharded).on_train_begin()
