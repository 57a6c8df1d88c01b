"""A sampler and a trainer that need no torch: a "model" is a memory of completions and a skill.

They make the whole pipeline run in seconds with the shape of the real thing: training on gold solutions yields a
model whose samples of those problems are sometimes right and sometimes wrong, more often right with every training
run. They say nothing about any paper.
"""

import hashlib
import json
import math
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from selfimp_bench.engines.base import (
    Checkpoint,
    Completion,
    Decoding,
    FinishReason,
    LabelPrompt,
    LabelScores,
    OnProgress,
    Prompt,
    TrainFolders,
    TrainJob,
)
from selfimp_bench.engines.tokens import load_codec, read_json
from selfimp_bench.engines.trl.training_set import TrainingRow, check_job, read_training_set, training_work
from selfimp_bench.errors import InputError

# Bump when a completion or a checkpoint of the fake engines changes.
REVISION: Final = 1
LIBRARIES: Final = ()

MEMORY_FILE: Final = "fake.json"
CARRIED_FILES: Final = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")

# Skill is the probability (per mille) that a sample of a remembered prompt is a remembered completion.
UNTRAINED_SKILL: Final = 200
LARGEST_SKILL: Final = 950
GAIN: Final = {"sft": 400, "dpo": 500}  # per mille of what is still missing

RUNAWAY_SHARE: Final = 0.1  # of the wrong samples: they never end
ECHO_TOKENS: Final = 4
CANDIDATES: Final = 16

LABEL_MASS: Final = 0.9  # what the labels' probabilities sum to


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a fake model knows: for each prompt its completions without EOS, sorted; and its skill per mille."""

    skill: int
    completions: dict[tuple[int, ...], tuple[tuple[int, ...], ...]]


class FakeSampler:
    """Answers from a memory. Every completion follows from the checkpoint's content, the prompt and the seed."""

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:
        """See ``Sampler.sample``."""
        load_codec(checkpoint)  # a folder without a tokenizer is no checkpoint
        memory = read_memory(checkpoint)
        # Not every token can end an answer; these did.
        endings = sorted({known[-1] for all_known in memory.completions.values() for known in all_known if known})
        prompts_known = sorted(memory.completions)
        for prompt in prompts:
            for index, seed in enumerate(prompt.seeds):
                rng = _content_random(prompt.token_ids, seed if decoding.temperature > 0 else None)
                tokens = _answer(memory, prompts_known, endings, prompt.token_ids, rng)
                wants_more = tokens is None or len(tokens) > decoding.max_tokens
                shown = _runaway(prompt.token_ids, decoding.max_tokens) if tokens is None else tokens
                yield Completion(
                    problem_id=prompt.problem_id,
                    sample_index=index,
                    token_ids=shown[: decoding.max_tokens],
                    finish_reason=FinishReason.LENGTH if wants_more else FinishReason.STOP,
                )

    def label_logprobs(
        self, checkpoint: Path, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]
    ) -> Iterator[LabelScores]:
        """See ``Sampler.label_logprobs``. The first label stands for "right": likelier where the prompt quotes a
        completion that is remembered, the more so the greater the skill."""
        load_codec(checkpoint)
        if not label_ids:
            raise InputError("labels: expected at least one token id, found none")
        memory = read_memory(checkpoint)
        remembered = [_quotable(known) for all_known in memory.completions.values() for known in all_known if known]
        for prompt in prompts:
            text = _quotable(prompt.token_ids)
            knows = any(known in text for known in remembered)
            yield LabelScores(
                prompt_id=prompt.prompt_id,
                logprobs=_label_logprobs(memory.skill, knows, len(label_ids), _content_random(prompt.token_ids, None)),
            )

    def close(self) -> None:
        """Nothing is open."""


class FakeTrainer:
    """Adds the training set to the memory of the start (any model folder with a tokenizer) and raises its skill."""

    def train(self, job: TrainJob, folders: TrainFolders, on_progress: OnProgress) -> Checkpoint:
        """See ``Trainer.train``."""
        began = time.monotonic()
        check_job(job)
        eos_id = load_codec(job.start).eos_id
        rows = read_training_set(job.training_set, job.method, max_length=job.optimisation.max_length)
        memory = learn(read_memory(job.start), rows, job, eos_id)
        for name in CARRIED_FILES:
            if (job.start / name).is_file():
                shutil.copyfile(job.start / name, folders.out / name)
        write_memory(folders.out, memory)
        work = training_work(rows, job.optimisation)
        _write_log(folders.out / "train_log.jsonl", work.steps, job.optimisation.learning_rate)
        on_progress(work.steps, work.steps)
        return Checkpoint(
            path=folders.out,
            optimizer_steps=work.steps,
            rows=work.rows,
            tokens=work.tokens,
            processes=1,
            seconds=time.monotonic() - began,
        )


def learn(memory: Memory, rows: Sequence[TrainingRow], job: TrainJob, eos_id: int) -> Memory:
    """The memory after training: completions to imitate added, rejected ones forgotten, skill grown."""
    completions = {prompt: set(known) for prompt, known in memory.completions.items()}
    for row in rows:
        wanted, *rejected = (_without_eos(completion, eos_id) for completion in row.completions)
        known = completions.setdefault(tuple(row.prompt_ids), set())
        known.difference_update(rejected)
        known.add(wanted)
    skill = memory.skill + (LARGEST_SKILL - memory.skill) * GAIN[job.method] // 1000
    return replace(
        memory, skill=skill, completions={prompt: tuple(sorted(known)) for prompt, known in completions.items()}
    )


def read_memory(folder: Path) -> Memory:
    """The memory of a checkpoint; that of a folder no fake trainer wrote is empty."""
    content = read_json(folder / MEMORY_FILE)
    if content and content["revision"] != REVISION:
        raise InputError(f"{folder / MEMORY_FILE}: revision {content['revision']}, expected {REVISION}; train it again")
    return Memory(
        skill=content.get("skill", UNTRAINED_SKILL),
        completions={
            tuple(entry["prompt"]): tuple(map(tuple, entry["completions"])) for entry in content.get("memory", [])
        },
    )


def write_memory(folder: Path, memory: Memory) -> None:
    """Write ``fake.json``; equal memories give equal bytes."""
    entries = [{"prompt": prompt, "completions": known} for prompt, known in sorted(memory.completions.items())]
    content = {"revision": REVISION, "skill": memory.skill, "memory": entries}
    (folder / MEMORY_FILE).write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


def _answer(
    memory: Memory,
    prompts_known: Sequence[tuple[int, ...]],
    endings: Sequence[int],
    prompt: tuple[int, ...],
    rng: random.Random,
) -> tuple[int, ...] | None:
    """A completion, or None for one that never ends."""
    is_right = rng.randrange(1000) < memory.skill
    if not prompts_known:
        return prompt[-ECHO_TOKENS:]
    source = prompt if prompt in memory.completions else _most_alike(prompts_known, prompt, rng)
    remembered = rng.choice(memory.completions[source])
    if is_right:
        return remembered
    if rng.random() < RUNAWAY_SHARE:
        return None
    others = [ending for ending in endings if remembered and ending != remembered[-1]]
    return (*remembered[:-1], rng.choice(others)) if others else (*remembered, *remembered[-1:])


def _most_alike(known: Sequence[tuple[int, ...]], prompt: tuple[int, ...], rng: random.Random) -> tuple[int, ...]:
    """Of a few known prompts, the one with most tokens in common."""
    drawn = rng.sample(known, min(CANDIDATES, len(known)))
    return max(drawn, key=lambda candidate: (len(set(candidate) & set(prompt)), candidate))


def _runaway(prompt: tuple[int, ...], length: int) -> tuple[int, ...]:
    return tuple(prompt[index % len(prompt)] for index in range(length)) if prompt else ()


def _quotable(token_ids: Sequence[int]) -> str:
    """Token ids as text in which one sequence is found in another exactly where it is a part of it."""
    return " " + "".join(f"{token} " for token in token_ids)


def _label_logprobs(skill: int, knows: bool, labels: int, rng: random.Random) -> tuple[float, ...]:
    """Of LABEL_MASS, the first label has about its ``skill`` when the answer is known, and the others share the rest.

    An unknown answer mirrors a known one; the noise is uniform and makes every prompt's score its own.
    """
    certainty = 0.5 + (skill / 1000 - 0.5) / 2 + rng.uniform(-0.2, 0.2)
    first = LABEL_MASS * (certainty if knows else 1 - certainty) if labels > 1 else LABEL_MASS
    return (math.log(first), *(math.log((LABEL_MASS - first) / (labels - 1)) for _ in range(labels - 1)))


def _without_eos(completion: Sequence[int], eos_id: int) -> tuple[int, ...]:
    return tuple(completion[:-1] if completion[-1] == eos_id else completion)


def _content_random(prompt: tuple[int, ...], seed: int | None) -> random.Random:
    digest = hashlib.sha256(json.dumps(["fake", prompt, seed]).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def _write_log(path: Path, steps: int, learning_rate: float) -> None:
    lines = (
        {"step": step, "loss": 1 / step, "learning_rate": learning_rate, "grad_norm": 1.0}
        for step in range(1, steps + 1)
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
