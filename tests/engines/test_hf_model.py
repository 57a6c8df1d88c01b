"""Decoding against transformers' own ``generate`` and against the distribution it should draw from."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from support import slow_but

from selfimp_bench.engines.base import Completion, Decoding, LabelPrompt, Prompt, SamplerSettings
from selfimp_bench.engines.hf.model import HfModel, choose, forward, load_model
from selfimp_bench.engines.tokens import stop_ids
from selfimp_bench.errors import InputError

from .conftest import BOS

GREEDY = Decoding(temperature=0.0, top_p=1.0, top_k=-1, max_tokens=24, stop=())
RANDOM = replace(GREEDY, temperature=0.9)
FILTERED = Decoding(temperature=1.5, top_p=0.9, top_k=30, max_tokens=1, stop=())


@cache
def loaded(folder: Path, rows: int) -> HfModel:
    """The model with batches of so many rows; nothing that it does changes it."""
    model = HfModel(SamplerSettings(device="cpu", precision="float32", max_batch_rows=rows, threads=1, vllm=None))
    model.load(folder)
    return model


def run(folder: Path, prompts: Sequence[Prompt], decoding: Decoding, *, rows: int) -> dict[tuple[str, int], Completion]:
    model = loaded(folder, rows)
    completions = [each for batch in model.generate(prompts, decoding) for each in batch]
    return {(each.problem_id, each.sample_index): each for each in completions}


def test_greedy_is_what_generate_gives_for_each_prompt_alone(model_folder: Path, prompts: Sequence[Prompt]) -> None:
    model = load_model(model_folder, torch.float32)
    stops = stop_ids(model_folder)
    ours = run(model_folder, prompts, GREEDY, rows=48)
    for prompt in prompts:
        token_ids = torch.tensor([prompt.token_ids])
        theirs = model.generate(  # type: ignore[operator]
            token_ids, attention_mask=torch.ones_like(token_ids), do_sample=False, max_new_tokens=GREEDY.max_tokens
        )[0, len(prompt.token_ids) :].tolist()
        expected = theirs[:-1] if theirs[-1] in stops else theirs
        assert list(ours[prompt.problem_id, 0].token_ids) == expected


@pytest.fixture(scope="module")
def thirteen_at_a_time(
    model_folder: Path, prompts: Sequence[Prompt]
) -> dict[Decoding, dict[tuple[str, int], Completion]]:
    """What both decodings give in batches of 13 rows."""
    return {decoding: run(model_folder, prompts, decoding, rows=13) for decoding in (GREEDY, RANDOM)}


@pytest.mark.parametrize("decoding", slow_but([RANDOM], [GREEDY, RANDOM]), ids=["greedy", "random"])
@pytest.mark.parametrize("rows", slow_but([5], [1, 5, 48]))
def test_the_batch_changes_no_token(
    thirteen_at_a_time: dict[Decoding, dict[tuple[str, int], Completion]],
    model_folder: Path,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    rows: int,
) -> None:
    some = prompts if rows > 1 else prompts[::4]
    assert run(model_folder, some, decoding, rows=rows).items() <= thirteen_at_a_time[decoding].items()


def test_a_prompt_is_read_once_for_all_its_completions(
    model_folder: Path, prompts: Sequence[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counting(*given: Any, **named: Any) -> torch.Tensor:
        read.append(given[1].numel())
        return forward(*given, **named)

    monkeypatch.setattr("selfimp_bench.engines.hf.model.forward", counting)
    several = Prompt(problem_id="p", token_ids=prompts[0].token_ids, seeds=tuple(range(16)))
    batches = list(loaded(model_folder, 48).generate([several], replace(RANDOM, max_tokens=2)))
    assert [len(batch) for batch in batches] == [16]
    assert read[0] == len(several.token_ids)  # not sixteen times as many
    assert sum(read[1:]) <= 16


@pytest.mark.slow
def test_rows_leave_at_several_steps_and_generation_goes_on(model_folder: Path, prompts: Sequence[Prompt]) -> None:
    lengths = {len(each.token_ids) for each in run(model_folder, prompts, RANDOM, rows=48).values()}
    assert len(lengths) > 8  # so the tests above saw the batch shrink
    assert GREEDY.max_tokens in lengths


def filtered(logits: np.ndarray, decoding: Decoding) -> np.ndarray:
    """The distribution after temperature, top-k, then top-p, computed the slow way."""
    scores = logits.astype(np.float64) / decoding.temperature
    order = np.argsort(-scores)
    kept = order if decoding.top_k == -1 else order[: decoding.top_k]
    chances = np.exp(scores[kept] - scores[kept].max())
    chances /= chances.sum()
    before = np.cumsum(chances) - chances
    inside = before < decoding.top_p  # the smallest set of likeliest tokens that reaches top_p
    result = np.zeros_like(scores)
    result[kept[inside]] = chances[inside] / chances[inside].sum()
    return result


@pytest.mark.parametrize(
    "decoding",
    slow_but(
        [FILTERED],
        [
            Decoding(temperature=1.0, top_p=1.0, top_k=-1, max_tokens=1, stop=()),
            Decoding(temperature=0.7, top_p=1.0, top_k=-1, max_tokens=1, stop=()),
            Decoding(temperature=1.5, top_p=1.0, top_k=20, max_tokens=1, stop=()),
            Decoding(temperature=1.2, top_p=0.8, top_k=-1, max_tokens=1, stop=()),
            FILTERED,
        ],
    ),
    ids=str,
)
def test_next_tokens_have_the_frequencies_of_the_filtered_model(model_folder: Path, decoding: Decoding) -> None:
    """Chi-square at 0.001 on 20,000 draws.

    Power: moving 2 points of probability between two of the likelier tokens (p <= 0.2) has a noncentrality of at
    least 20,000 * 0.02**2 / 0.2 * 2 = 80, which is found with probability above 0.999 at up to 40 bins.
    """
    count = 20_000
    prompt = Prompt(problem_id="p", token_ids=(BOS, 50, 60, 70), seeds=tuple(range(count)))
    completions = run(model_folder, [prompt], decoding, rows=count).values()
    model = load_model(model_folder, torch.float32)
    with torch.inference_mode():
        logits = model(torch.tensor([prompt.token_ids])).logits[0, -1].numpy()
    expected = filtered(logits, decoding) * count
    stops = sorted(stop_ids(model_folder))
    observed = np.zeros_like(expected)
    for completion in completions:
        if completion.token_ids:
            observed[completion.token_ids[0]] += 1
    drawn = np.setdiff1d(np.arange(len(expected)), stops)
    assert observed[expected == 0].sum() == 0  # nothing from outside the filter
    bins = drawn[expected[drawn] >= count / 100]
    others = count - observed[bins].sum(), count - expected[bins].sum()  # rare tokens and stops in one bin
    assert len(bins) > 3
    pairs = [(observed[bin_], expected[bin_]) for bin_ in bins] + ([others] if others[1] > 5 else [])
    seen, wanted = np.array(pairs).T
    assert stats.chisquare(seen, wanted * seen.sum() / wanted.sum()).pvalue > 0.001


def label_logprobs(
    folder: Path, prompts: Sequence[Prompt], labels: Sequence[int], *, rows: int
) -> dict[str, tuple[float, ...]]:
    model = loaded(folder, rows)
    asked = [LabelPrompt(prompt_id=prompt.problem_id, token_ids=prompt.token_ids) for prompt in prompts]
    return {each.prompt_id: each.logprobs for batch in model.label_logprobs(asked, labels) for each in batch}


@pytest.mark.parametrize("rows", slow_but([5], [1, 5, 48]))
def test_label_scores_are_the_whole_softmax_of_each_prompt_alone(
    model_folder: Path, prompts: Sequence[Prompt], rows: int
) -> None:
    labels = (250, 3, 17)  # any order
    ours = label_logprobs(model_folder, prompts, labels, rows=rows)
    model = load_model(model_folder, torch.float32)
    for prompt in prompts:
        with torch.inference_mode():
            logits = model(torch.tensor([prompt.token_ids])).logits[0, -1].double().numpy()
        expected = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
        assert ours[prompt.problem_id] == pytest.approx(expected[list(labels)], abs=1e-5)


def test_the_labels_of_a_whole_vocabulary_have_a_mass_of_one(model_folder: Path, prompts: Sequence[Prompt]) -> None:
    for logprobs in label_logprobs(model_folder, prompts, range(300), rows=48).values():
        assert np.exp(logprobs).sum() == pytest.approx(1, abs=1e-12)


def test_a_label_outside_the_vocabulary_and_a_prompt_beyond_the_positions_are_refused(
    model_folder: Path, prompts: Sequence[Prompt]
) -> None:
    with pytest.raises(InputError, match=r"vocabulary of 300, found \[300\]"):
        label_logprobs(model_folder, prompts, (5, 300), rows=4)
    whole = replace(prompts[0], token_ids=(5,) * 128)
    assert label_logprobs(model_folder, [whole], (5,), rows=4)
    with pytest.raises(InputError, match=r"129 prompt tokens .* exceed the model's 128 positions"):
        label_logprobs(model_folder, [replace(whole, token_ids=(5,) * 129)], (5,), rows=4)


def test_the_draw_never_leaves_the_possible_tokens() -> None:
    logits = torch.tensor([[0.0, 1.0, -torch.inf, -torch.inf]]).repeat(3, 1)
    uniforms = torch.tensor([0.0, 0.5, 1 - 2**-53], dtype=torch.float64)
    assert choose(logits, uniforms, RANDOM).tolist() == [0, 1, 1]
    impossible_first = torch.tensor([[-torch.inf, 1.0]])
    assert choose(impossible_first, torch.zeros(1, dtype=torch.float64), RANDOM).tolist() == [1]


def test_a_prompt_that_does_not_fit_the_model_is_refused(model_folder: Path) -> None:
    def refused(*token_ids: int, max_tokens: int = 4) -> None:
        prompt = Prompt(problem_id="p", token_ids=token_ids, seeds=(1,))
        run(model_folder, [prompt], replace(RANDOM, max_tokens=max_tokens), rows=2)

    with pytest.raises(InputError, match="no tokens"):
        refused()
    with pytest.raises(InputError, match="outside the model's vocabulary of 300"):
        refused(BOS, 300)
    with pytest.raises(InputError, match="exceed the model's 128 positions"):
        refused(BOS, 5, max_tokens=127)


def test_weights_that_do_not_fit_the_configuration_are_refused(model_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model_folder, tmp_path / "wrong")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(InputError, match=r"do not fit config\.json"):
        load_model(folder, torch.float32)
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors not found, nor"):
        load_model(folder, torch.float32)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_without_a_device_is_refused(model_folder: Path) -> None:
    model = HfModel(SamplerSettings(device="cuda", precision="bfloat16", max_batch_rows=4, threads=1, vllm=None))
    with pytest.raises(InputError, match=r"no CUDA device.*engines.device"):
        model.load(model_folder)
