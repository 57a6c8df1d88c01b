"""One loss of the global batch, however it is shared out: against the same written out in plain torch, row by row."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from accelerate.data_loader import SeedableRandomSampler
from safetensors.torch import load_file
from support import quiet, slow_but
from torch.nn import functional
from transformers import AutoModelForCausalLM

from selfimp_bench.engines.base import OnProgress, TrainFolders, TrainJob
from selfimp_bench.engines.trl.order import PADDING_LOGP
from selfimp_bench.engines.trl.trainer import TrlTrainer
from selfimp_bench.engines.trl.trainers import pair_losses
from selfimp_bench.engines.trl.worker import run as run_worker

from .conftest import BOS, EOS, Rows, folders_in, job_of, options, work_with, worker_job

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, not ours

# Prompt and completion of 2 to 400 tokens, 19 rows: two whole batches of 8, and 3 rows that no split divides.
LENGTHS = [(1, 1), (150, 250), (3, 40), (7, 2), (60, 90), (1, 12), (20, 20), (5, 1), (2, 130), (90, 4)]
BATCH = 8
EPOCHS = 3
Weights = dict[str, torch.Tensor]


def tokens(count: int, first: int) -> list[int]:
    return [(first + 7 * place) % 290 + 5 for place in range(count)]


def rows_of(method: str) -> Rows:
    """SFT's (prompt, completion), or pairs whose rejected completion has another length."""
    rows: Rows = []
    for number in range(19):
        prompt, answer = LENGTHS[number % len(LENGTHS)]
        row = [[BOS, *tokens(prompt - 1, number)], [*tokens(answer - 1, 3 * number), EOS]]
        if method != "sft":
            row.append([*tokens(max(1, answer // 2 + number % 3), 11 * number), EOS])
        rows.append(tuple(row))
    return rows


@pytest.fixture(scope="module")
def job(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], TrainJob]:
    """The job of a method: three passes, a cosine with warm-up, clipping and decay that act."""
    start = tmp_path_factory.mktemp("start")
    for path in model_folder.iterdir():
        (start / path.name).write_bytes(path.read_bytes())
    config = json.loads((start / "config.json").read_text()) | {"max_position_embeddings": 512}
    (start / "config.json").write_text(json.dumps(config))

    @cache
    def build(method: str) -> TrainJob:
        return job_of(
            start,
            tmp_path_factory.mktemp(method),
            rows_of(method),
            sft_coefficient=0.7 if method == "rpo" else None,
            scheduler="cosine",
            warmup_ratio=0.25,
            weight_decay=0.1,
            max_grad_norm=1.0,
            batch_size=BATCH,
            epochs=EPOCHS,
            max_length=512,
        )

    return build


def logprobs(model: Any, prompt: list[int], completion: list[int]) -> torch.Tensor:
    """Log-probabilities of the completion's tokens: one row at a time, without padding."""
    logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
    return functional.log_softmax(logits, dim=-1).gather(1, torch.tensor(completion)[:, None])[:, 0]


def margin(model: Any, row: tuple[list[int], ...]) -> torch.Tensor:
    prompt, chosen, rejected = row
    return logprobs(model, prompt, chosen).sum() - logprobs(model, prompt, rejected).sum()


def batch_loss(model: Any, batch: Rows, frozen: list[float], job: TrainJob) -> torch.Tensor:
    """The loss of a global batch, from its definition."""
    if job.preference is None:
        return -torch.cat([logprobs(model, *row) for row in batch]).mean()
    beta, weight = job.preference.beta, job.preference.sft_coefficient or 0.0
    losses = [
        -functional.logsigmoid(beta * (margin(model, row) - before)) - weight * logprobs(model, *row[:2]).mean()
        for row, before in zip(batch, frozen, strict=True)
    ]
    return torch.stack(losses).mean()


def rate(step: int, steps: int, job: TrainJob) -> float:
    """A share of the learning rate: linear warm-up from 0, then half a cosine down to 0."""
    warm = math.ceil(job.optimisation.warmup_ratio * steps)
    if step < warm:
        return step / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def by_hand(job: TrainJob, rows: Rows) -> tuple[Weights, list[float]]:
    """The weights after AdamW on whole batches, and the loss of every step."""
    settings = job.optimisation
    model = AutoModelForCausalLM.from_pretrained(job.start, dtype=torch.float32)
    with torch.no_grad():
        frozen = [margin(model, row).item() if job.preference else 0.0 for row in rows]
    groups = [
        {"params": [each for each in model.parameters() if each.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [each for each in model.parameters() if each.ndim == 1], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.999), eps=settings.adam_epsilon)
    order = SeedableRandomSampler(range(len(rows)), generator=torch.Generator(), data_seed=job.seed)
    steps, losses = EPOCHS * math.ceil(len(rows) / BATCH), []
    for epoch in range(EPOCHS):
        order.set_epoch(epoch)
        numbers = list(order)
        for batch in (numbers[at : at + BATCH] for at in range(0, len(numbers), BATCH)):
            for group in adam.param_groups:
                group["lr"] = settings.learning_rate * rate(len(losses), steps, job)
            adam.zero_grad()
            loss = batch_loss(model, [rows[number] for number in batch], [frozen[number] for number in batch], job)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
            adam.step()
            losses.append(loss.item())
    return {name: each.detach() for name, each in model.named_parameters()}, losses


@pytest.fixture(scope="module")
def expected(job: Callable[[str], TrainJob]) -> Callable[[str], tuple[Weights, list[float]]]:
    """What the hand-written training makes of a method, made once."""
    return cache(lambda method: by_hand(job(method), rows_of(method)))


@dataclass(frozen=True, kw_only=True)
class Split:
    """How the batch is shared out."""

    micro: int
    processes: int = 1
    distributed: Literal["ddp", "deepspeed-zero3"] | None = None

    def train(
        self, job: TrainJob, folders: TrainFolders, on_progress: OnProgress = quiet, *, save_minutes: float = 60
    ) -> None:
        """One plain process is this one, because a child takes seconds to start."""
        if self.distributed is None:
            run_worker(
                worker_job(replace(job, micro_batch_size=self.micro), folders), ("reference", "train"), folders.work
            )
            return
        with pytest.MonkeyPatch.context() as patch:
            if self.distributed == "deepspeed-zero3":
                work_with("zero3_on_cpus", patch)
            split = replace(job, micro_batch_size=self.micro, distributed=self.distributed)
            trainer = TrlTrainer(options(processes=self.processes, save_minutes=save_minutes))
            trainer.train(split, folders, on_progress)


def distance(found: Weights, expected: Weights, start: Weights) -> float:
    """How far apart two trainings ended, as a share of the distance that the second one moved."""
    apart = sum(((found[name] - expected[name]) ** 2).sum().item() for name in expected)
    moved = sum(((start[name] - expected[name]) ** 2).sum().item() for name in expected)
    return math.sqrt(apart / moved)


def measure(split: Split, job: TrainJob, expected: tuple[Weights, list[float]], folder: Path) -> tuple[float, float]:
    """The distance from the hand-written training, and the largest relative difference of a step's loss."""
    folders = folders_in(folder)
    split.train(job, folders)
    weights, losses = expected
    log = [json.loads(line)["loss"] for line in (folders.out / "train_log.jsonl").read_text().splitlines()]
    worst = max(abs(found / loss - 1) for found, loss in zip(log, losses, strict=True))
    found = load_file(folders.out / "model.safetensors")
    return distance(found, weights, load_file(job.start / "model.safetensors")), worst


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The child's environment sees to it; here TRL's own switch against telemetry does."""
    monkeypatch.setenv("CI", "1")
    yield
    torch.use_deterministic_algorithms(False)


METHODS = ("sft", "dpo", "rpo")


@pytest.mark.parametrize("micro", slow_but([1], [8, 1, 4, 2]))
@pytest.mark.parametrize("method", slow_but(["sft"], METHODS))
def test_one_process_trains_as_written_by_hand_whatever_the_micro_batch(
    method: str,
    micro: int,
    job: Callable[[str], TrainJob],
    expected: Callable[[str], tuple[Weights, list[float]]],
    tmp_path: Path,
) -> None:
    apart, worst = measure(Split(micro=micro), job(method), expected(method), tmp_path)
    assert apart < 1e-5
    assert worst < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "split"),
    [
        ("sft", Split(micro=4, processes=2, distributed="ddp")),
        ("rpo", Split(micro=1, processes=4, distributed="ddp")),
        ("sft", Split(micro=2, processes=2, distributed="deepspeed-zero3")),
        ("rpo", Split(micro=1, processes=4, distributed="deepspeed-zero3")),
    ],
    ids=str,
)
def test_several_processes_train_as_written_by_hand(
    method: str,
    split: Split,
    job: Callable[[str], TrainJob],
    expected: Callable[[str], tuple[Weights, list[float]]],
    tmp_path: Path,
) -> None:
    apart, worst = measure(split, job(method), expected(method), tmp_path)
    assert apart < 1e-5
    assert worst < 1e-5


def pairs(chosen: list[list[float]], *, settled: bool = False) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Pairs of chosen completions with these log-probabilities, after one prompt token; the rejected ones have 0."""
    length = 1 + max(map(len, chosen))
    logps, mask = torch.zeros(2 * len(chosen), length - 1), torch.zeros(2 * len(chosen), length, dtype=torch.long)
    for row, values in enumerate(chosen):
        logps[row, : len(values)] = torch.tensor(values)
        mask[row, 1 : 1 + len(values)] = 1
    reference = logps[: len(chosen)].sum(dim=1) if not settled else torch.full((len(chosen),), PADDING_LOGP)
    zero = torch.zeros(len(chosen))
    return logps, {"completion_mask": mask, "ref_chosen_logps": reference, "ref_rejected_logps": zero}


def test_the_sft_term_of_rpo_weighs_a_long_completion_like_a_short_one() -> None:
    """400 tokens of 0.1 nats and 40 of 1.0 are 0.55 on average by row; by token they would be 0.18."""
    logps, batch = pairs([[-0.1] * 400, [-1.0] * 40])
    losses = pair_losses(logps, batch, beta=0.1, sft_coefficient=2.0)  # margins of 0: log 2 each
    assert losses.tolist() == pytest.approx([math.log(2) + 2 * 0.1, math.log(2) + 2 * 1.0], rel=1e-6)
    assert pair_losses(logps, batch, beta=0.1, sft_coefficient=None).tolist() == pytest.approx([math.log(2)] * 2)


def test_a_pair_of_padding_has_neither_loss_nor_gradient() -> None:
    logps, batch = pairs([[-0.5, -0.5]], settled=True)
    logps.requires_grad_()
    loss = pair_losses(logps, batch, beta=0.1, sft_coefficient=None).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert logps.grad is not None
    assert logps.grad.abs().max() == 0
