"""What every sampler promises (engines/base.py), over the fake one and the real one."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support import quiet

from selfimp_bench.engines.base import (
    NOT_ASKED,
    Completion,
    Decoding,
    FinishReason,
    LabelPrompt,
    LabelScores,
    Prompt,
    Sampler,
    SamplerSettings,
)
from selfimp_bench.engines.fake import FakeSampler, FakeTrainer
from selfimp_bench.engines.hf.sampler import hf_sampler
from selfimp_bench.engines.tokens import load_codec, stop_ids
from selfimp_bench.engines.vllm.sampler import can_follow, replicated, vllm_sampler
from selfimp_bench.engines.worker.sampler import WorkerSampler
from selfimp_bench.errors import InputError
from selfimp_bench.steps.sample import until_stop

from .conftest import DEVICE, EOS, VLLM, MakeJob, folders_in
from .test_vllm import BASE, assert_answers_for_itself, perturbed

RANDOM = Decoding(temperature=0.9, top_p=1.0, top_k=-1, max_tokens=12, stop=())
GREEDY = Decoding(temperature=0.0, top_p=1.0, top_k=-1, max_tokens=12, stop=())


@pytest.fixture(scope="module")
def hf() -> Iterator[WorkerSampler]:
    sampler = hf_sampler(SamplerSettings(device="cpu", precision="float32", max_batch_rows=7, threads=1, vllm=None))
    yield sampler
    sampler.close()


@pytest.fixture(scope="module")
def vllm() -> Iterator[Sampler]:
    sampler = vllm_sampler(SamplerSettings(device=DEVICE, precision="float32", max_batch_rows=7, threads=1, vllm=VLLM))
    yield sampler
    sampler.close()


@pytest.fixture(scope="module")
def two_vllm() -> Iterator[Sampler]:
    settings = SamplerSettings(device=DEVICE, precision="float32", max_batch_rows=7, threads=1, vllm=VLLM)
    sampler = replicated(settings, groups=[(), ()])
    yield sampler
    sampler.close()


@pytest.fixture(
    params=[
        "fake",
        pytest.param("hf", marks=pytest.mark.slow),
        pytest.param("vllm", marks=pytest.mark.slow, id=f"vllm-runner-{VLLM.model_runner}"),
        pytest.param("two_vllm", marks=pytest.mark.slow, id=f"two-vllm-runner-{VLLM.model_runner}"),
    ]
)
def sampler(request: pytest.FixtureRequest) -> Sampler:
    if request.param == "fake":
        return FakeSampler()
    sampler: Sampler = request.getfixturevalue(request.param)
    return sampler


@pytest.fixture
def checkpoint(
    sampler: Sampler, model_folder: Path, make_job: MakeJob, prompts: Sequence[Prompt], tmp_path: Path
) -> Path:
    """A model that answers: for the fake one, trained on some of the prompts."""
    if not isinstance(sampler, FakeSampler):
        return model_folder
    rows = [(list(prompt.token_ids), [50 + index, 60, 70 + index, EOS]) for index, prompt in enumerate(prompts[:6])]
    return FakeTrainer().train(make_job(rows), folders_in(tmp_path / "fake"), quiet).path


def by_key(completions: Iterator[Completion]) -> dict[tuple[str, int], Completion]:
    found = {(completion.problem_id, completion.sample_index): completion for completion in completions}
    return dict(sorted(found.items()))


def test_every_seed_of_every_prompt_gets_one_completion(
    sampler: Sampler, checkpoint: Path, prompts: Sequence[Prompt]
) -> None:
    completions = list(sampler.sample(checkpoint, prompts, RANDOM))
    assert sorted((each.problem_id, each.sample_index) for each in completions) == sorted(
        (prompt.problem_id, index) for prompt in prompts for index in range(4)
    )


def test_the_order_of_prompts_changes_no_completion(
    sampler: Sampler, checkpoint: Path, prompts: Sequence[Prompt]
) -> None:
    shuffled = random.Random(3).sample(prompts, len(prompts))
    assert by_key(sampler.sample(checkpoint, prompts, RANDOM)) == by_key(sampler.sample(checkpoint, shuffled, RANDOM))


def test_a_prompt_sampled_alone_gets_what_it_gets_among_others(
    sampler: Sampler, checkpoint: Path, prompts: Sequence[Prompt]
) -> None:
    together = by_key(sampler.sample(checkpoint, prompts, RANDOM))
    alone = by_key(sampler.sample(checkpoint, [prompts[3]], RANDOM))
    assert alone == {key: value for key, value in together.items() if key[0] == prompts[3].problem_id}


def test_the_same_seed_gives_the_same_text_and_other_seeds_other_texts(
    sampler: Sampler, checkpoint: Path, prompts: Sequence[Prompt]
) -> None:
    prompt = replace(prompts[2], seeds=(5, 5, *range(100, 120)))
    texts = [completion.token_ids for completion in by_key(sampler.sample(checkpoint, [prompt], RANDOM)).values()]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 2


def test_greedy_ignores_the_seed(sampler: Sampler, checkpoint: Path, prompts: Sequence[Prompt]) -> None:
    texts = {completion.token_ids for completion in sampler.sample(checkpoint, [prompts[2]], GREEDY)}
    assert len(texts) == 1


def test_a_completion_holds_no_eos_and_says_why_it_ended(
    sampler: Sampler, checkpoint: Path, prompts: Sequence[Prompt]
) -> None:
    completions = list(sampler.sample(checkpoint, prompts, RANDOM))
    stops = stop_ids(checkpoint)
    for completion in completions:
        assert EOS not in completion.token_ids
        assert len(completion.token_ids) <= RANDOM.max_tokens
        if completion.finish_reason is FinishReason.LENGTH:
            assert len(completion.token_ids) == RANDOM.max_tokens
    if not isinstance(sampler, FakeSampler):
        assert not any(stops.intersection(completion.token_ids) for completion in completions)
    assert {completion.finish_reason for completion in completions} == set(FinishReason) - NOT_ASKED


def test_max_tokens_cuts_and_nothing_else_changes(
    sampler: Sampler, checkpoint: Path, prompts: Sequence[Prompt]
) -> None:
    whole = by_key(sampler.sample(checkpoint, prompts, RANDOM))
    cut = by_key(sampler.sample(checkpoint, prompts, replace(RANDOM, max_tokens=2)))
    for key, completion in cut.items():
        assert completion.token_ids == whole[key].token_ids[:2]


def test_stop_texts_change_nothing_that_stands_before_them(
    sampler: Sampler, checkpoint: Path, prompts: Sequence[Prompt]
) -> None:
    long = replace(RANDOM, max_tokens=40)
    codec = load_codec(checkpoint)
    whole = by_key(sampler.sample(checkpoint, prompts, long))
    stop = max(map(codec.decode, (each.token_ids for each in whole.values())), key=len)[8:10]
    stopped = by_key(sampler.sample(checkpoint, prompts, replace(long, stop=(stop,))))
    for key, completion in stopped.items():
        assert until_stop(completion.token_ids, (stop,), codec) == until_stop(whole[key].token_ids, (stop,), codec)
    if not isinstance(sampler, FakeSampler):
        assert sum(len(each.token_ids) for each in stopped.values()) < sum(
            len(each.token_ids) for each in whole.values()
        )


@pytest.mark.slow
def test_two_engines_between_which_prompts_are_dealt_answer_what_one_does(
    vllm: Sampler, two_vllm: Sampler, model_folder: Path, prompts: Sequence[Prompt]
) -> None:
    many = [replace(prompt, problem_id=f"{part}-{prompt.problem_id}") for part in range(4) for prompt in prompts]
    one, two = (by_key(each.sample(model_folder, many, RANDOM)) for each in (vllm, two_vllm))
    assert one == two


@pytest.mark.slow
def test_weights_swapped_into_a_running_vllm_answer_like_those_of_a_fresh_one(
    vllm: Sampler, hf: Sampler, model_folder: Path, prompts: Sequence[Prompt], tmp_path: Path
) -> None:
    other = perturbed(model_folder, tmp_path / "untied")
    assert can_follow(model_folder, other)
    assert not can_follow(BASE, model_folder)
    many = [
        replace(each, problem_id=f"{each.problem_id}-{last}", token_ids=(*each.token_ids, last), seeds=(last,))
        for each in prompts
        for last in range(120, 125)
    ]
    before = assert_answers_for_itself(vllm, hf, model_folder, other, many, GREEDY)
    assert by_key(vllm.sample(model_folder, many, GREEDY)) == before


LABELS = (60, 70)


def weighed(scores: Iterator[LabelScores]) -> dict[str, tuple[float, ...]]:
    found = [(each.prompt_id, each.logprobs) for each in scores]
    assert len({prompt_id for prompt_id, _ in found}) == len(found)
    return dict(sorted(found))


@pytest.fixture
def label_prompts(prompts: Sequence[Prompt]) -> tuple[LabelPrompt, ...]:
    return tuple(LabelPrompt(prompt_id=prompt.problem_id, token_ids=prompt.token_ids) for prompt in prompts)


def test_every_prompt_gets_one_log_probability_a_label_and_together_they_are_at_most_one(
    sampler: Sampler, checkpoint: Path, label_prompts: Sequence[LabelPrompt]
) -> None:
    scores = weighed(sampler.label_logprobs(checkpoint, label_prompts, LABELS))
    assert set(scores) == {prompt.prompt_id for prompt in label_prompts}
    for logprobs in scores.values():
        assert len(logprobs) == len(LABELS)
        assert sum(map(math.exp, logprobs)) <= 1 + 1e-12
    assert len(set(scores.values())) > len(scores) // 2


def test_neither_order_nor_company_changes_a_score(
    sampler: Sampler, checkpoint: Path, label_prompts: Sequence[LabelPrompt]
) -> None:
    together = weighed(sampler.label_logprobs(checkpoint, label_prompts, LABELS))
    shuffled = random.Random(3).sample(label_prompts, len(label_prompts))
    for others in (shuffled, [label_prompts[3]]):
        for prompt_id, logprobs in weighed(sampler.label_logprobs(checkpoint, others, LABELS)).items():
            assert logprobs == pytest.approx(together[prompt_id], abs=1e-5)


def test_sampling_and_weighing_take_turns(
    sampler: Sampler, checkpoint: Path, prompts: Sequence[Prompt], label_prompts: Sequence[LabelPrompt]
) -> None:
    scores = weighed(sampler.label_logprobs(checkpoint, label_prompts[:3], LABELS))
    completions = by_key(sampler.sample(checkpoint, prompts[:2], RANDOM))
    assert weighed(sampler.label_logprobs(checkpoint, label_prompts[:3], LABELS)) == scores
    assert by_key(sampler.sample(checkpoint, prompts[:2], RANDOM)) == completions


def test_no_labels_and_a_folder_without_a_model_are_refused_and_the_next_call_works(
    sampler: Sampler, checkpoint: Path, prompts: Sequence[Prompt], label_prompts: Sequence[LabelPrompt], tmp_path: Path
) -> None:
    """The last of all: engines end at it. One prompt goes to one engine, many to all."""
    with pytest.raises(InputError, match="labels: expected"):
        list(sampler.label_logprobs(checkpoint, label_prompts[:1], ()))
    with pytest.raises(InputError, match=str(tmp_path)):
        list(sampler.label_logprobs(tmp_path, label_prompts[:1], LABELS))
    with pytest.raises(InputError, match=str(tmp_path)):
        list(sampler.sample(tmp_path, prompts, RANDOM))
    assert list(sampler.sample(checkpoint, prompts[:1], RANDOM))
