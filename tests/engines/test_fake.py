"""The fake model: it learns, and stays fallible."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support import quiet

from selfimp_bench.engines.base import Decoding, LabelPrompt, Prompt, TrainJob
from selfimp_bench.engines.fake import FakeSampler, FakeTrainer, read_memory
from selfimp_bench.errors import InputError

from .conftest import BOS, EOS, MakeJob, dpo_rows, folders_in, sft_rows

DECODING = Decoding(temperature=0.7, top_p=1.0, top_k=-1, max_tokens=20, stop=())


def trained(job: TrainJob, folder: Path) -> Path:
    return FakeTrainer().train(job, folders_in(folder), quiet).path


def right_share(folder: Path, job_rows: Sequence[tuple[list[int], ...]]) -> float:
    gold = {f"p{index}": tuple(row[1][:-1]) for index, row in enumerate(job_rows)}
    prompts = [
        Prompt(problem_id=f"p{index}", token_ids=tuple(row[0]), seeds=tuple(range(index, index + 50)))
        for index, row in enumerate(job_rows)
    ]
    completions = list(FakeSampler().sample(folder, prompts, DECODING))
    return sum(each.token_ids == gold[each.problem_id] for each in completions) / len(completions)


def distinct(count: int) -> list[tuple[list[int], ...]]:
    return [([BOS, 10 + row], [40 + row, 60 + row % 7, EOS]) for row in range(count)]


def test_training_on_gold_leaves_right_and_wrong_samples_and_more_training_fewer_wrong(
    make_job: MakeJob, model_folder: Path, tmp_path: Path
) -> None:
    rows = distinct(30)
    job = make_job(rows)
    once = trained(job, tmp_path / "once")
    twice = trained(replace(job, start=once), tmp_path / "twice")
    shares = [right_share(folder, rows) for folder in (model_folder, once, twice)]
    assert shares[0] == 0
    assert 0.3 < shares[1] < shares[2] < 0.95


def test_dpo_forgets_what_was_rejected(make_job: MakeJob, tmp_path: Path) -> None:
    rows = dpo_rows(6)
    first = trained(make_job([(prompt, rejected) for prompt, _, rejected in rows]), tmp_path / "first")
    after = trained(replace(make_job(rows), start=first), tmp_path / "after")
    known = read_memory(after).completions
    for prompt, chosen, rejected in rows:
        assert tuple(chosen[:-1]) in known[tuple(prompt)]
        assert tuple(rejected[:-1]) not in known[tuple(prompt)]


def test_unseen_prompts_get_answers_too(make_job: MakeJob, tmp_path: Path) -> None:
    folder = trained(make_job(sft_rows(6)), tmp_path / "trained")
    unseen = Prompt(problem_id="new", token_ids=(BOS, 10, 200), seeds=tuple(range(30)))
    texts = {completion.token_ids for completion in FakeSampler().sample(folder, [unseen], DECODING)}
    assert len(texts) > 3


def test_a_memory_of_another_revision_is_refused(make_job: MakeJob, tmp_path: Path) -> None:
    folder = trained(make_job(sft_rows(4)), tmp_path / "trained")
    (folder / "fake.json").write_text('{"revision": 0}')
    with pytest.raises(InputError, match="revision 0"):
        read_memory(folder)


def test_a_trained_fake_finds_remembered_answers_likelier_to_be_right(make_job: MakeJob, tmp_path: Path) -> None:
    rows = distinct(30)
    folder = trained(make_job(rows), tmp_path / "trained")

    def mean_first_label(prompts: Sequence[LabelPrompt]) -> float:
        scores = list(FakeSampler().label_logprobs(folder, prompts, (50, 51)))
        assert all(sum(map(math.exp, each.logprobs)) == pytest.approx(0.9) for each in scores)
        return sum(math.exp(each.logprobs[0]) for each in scores) / len(scores)

    right = [LabelPrompt(prompt_id=str(n), token_ids=(*row[0], *row[1][:-1], 9)) for n, row in enumerate(rows)]
    wrong = [LabelPrompt(prompt_id=str(n), token_ids=(*row[0], 250, *row[1][:-2], 9)) for n, row in enumerate(rows)]
    assert mean_first_label(right) > mean_first_label(wrong)
