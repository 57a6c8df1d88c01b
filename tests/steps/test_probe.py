"""The probe: completions compared by hand, and engines that do and do not depend on their batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.engines.base import (
    Completion,
    Decoding,
    FinishReason,
    LabelPrompt,
    LabelScores,
    Prompt,
    Sampler,
    SamplerSettings,
)
from selfimp_bench.engines.fake import FakeSampler
from selfimp_bench.engines.hf.sampler import hf_sampler
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.errors import StepFailed
from selfimp_bench.manifest.model import TooLong
from selfimp_bench.measurement import Split
from selfimp_bench.places import ASSETS
from selfimp_bench.steps.probe import ProbeBlock, Probed, Stamp, compare, probe, probe_words, shuffled, spread
from selfimp_bench.steps.rows import Role
from selfimp_bench.steps.sample import SampleBlock
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.tiny_gsm import generate

BASE = ASSETS / "tiny-gsm-base"
CODEC = load_codec(BASE)
SETTINGS = SamplerSettings(device="cpu", precision="float32", max_batch_rows=5, threads=1, vllm=None)
BLOCK = ProbeBlock(
    sample=SampleBlock(
        engine="hf",
        settings=SETTINGS,
        role=Role.SAMPLE,
        iteration=0,
        seed=7,
        samples_per_problem=3,
        decoding=Decoding(temperature=0.8, top_p=1.0, top_k=-1, max_tokens=12, stop=()),
        prompt_template="Question: {question}\nAnswer:",
        add_bos=False,
        too_long=TooLong.COUNTED_WRONG,
    ),
    prompts=4,
)
PROBLEMS = generate(Split.TEST, count=12, seed=3)


def completion(*token_ids: int, end: FinishReason = FinishReason.STOP) -> Completion:
    return Completion(problem_id="p", sample_index=0, token_ids=token_ids, finish_reason=end)


NATURAL = {("a", 0): completion(1, 2, 3), ("a", 1): completion(4, 5), ("b", 0): completion(6), ("b", 1): completion(7)}
SCORES = {"a": (-0.5, -1.5), "b": (-0.25, -2.0)}


def test_equal_answers_and_bits_are_bitwise() -> None:
    assert compare(NATURAL, [dict(NATURAL), dict(NATURAL)], SCORES, dict(SCORES)) == Probed(
        prompts=2,
        completions=4,
        diverged=0,
        divergence_rate=0.0,
        first_divergence_positions=(),
        logprob_max_difference=0.0,
        stamp=Stamp.BITWISE,
    )


def test_equal_tokens_from_other_bits_are_token_stable() -> None:
    found = compare(NATURAL, [NATURAL], SCORES, {"a": (-0.5, -1.25), "b": (-0.375, -2.0)})
    assert found.stamp is Stamp.TOKEN_STABLE
    assert found.logprob_max_difference == 0.25


def test_a_completion_that_differs_in_several_replays_counts_once_at_its_first_place() -> None:
    one = NATURAL | {("a", 0): completion(1, 2, 9)}
    two = NATURAL | {("a", 0): completion(1, 8, 3), ("b", 1): completion(7, 7)}
    found = compare(NATURAL, [one, two], SCORES, SCORES)
    assert found.stamp is Stamp.DISTRIBUTIONAL
    assert (found.diverged, found.divergence_rate) == (2, 0.5)
    assert found.first_divergence_positions == (1, 1)


@pytest.mark.parametrize(
    ("other", "place"),
    [
        (completion(4), 1),
        (completion(4, 5, 6), 2),
        (completion(9, 5), 0),
        (completion(4, 5, end=FinishReason.LENGTH), 2),
        (completion(), 0),
    ],
)
def test_shorter_longer_and_otherwise_ended_completions_differ(other: Completion, place: int) -> None:
    found = compare(NATURAL, [NATURAL | {("a", 1): other}], SCORES, SCORES)
    assert (found.diverged, found.first_divergence_positions) == (1, (place,))


def test_only_the_same_requests_can_be_compared() -> None:
    with pytest.raises(ValueError, match="the same requests"):
        compare(NATURAL, [{("a", 0): completion(1)}], SCORES, SCORES)
    with pytest.raises(ValueError, match="the same requests"):
        compare({}, [{}], SCORES, SCORES)
    with pytest.raises(ValueError, match="the same requests"):
        compare(NATURAL, [NATURAL], SCORES, {"a": (-0.5, -1.5)})


@given(st.integers(1, 40), st.data())
def test_problems_are_spread_evenly_from_the_first_and_each_once(rows: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, rows))
    problems = [Problem(problem_id=str(row), question="?") for row in range(rows)]
    chosen = [int(problem.problem_id) for problem in spread(problems, count)]
    assert chosen[0] == 0
    steps = {after - before for before, after in zip(chosen, [*chosen[1:], rows], strict=True)}
    assert steps <= {rows // count, rows // count + 1}


def test_the_shuffled_order_is_another_and_always_the_same() -> None:
    prompts = tuple(Prompt(problem_id=str(i), token_ids=(i,), seeds=(i,)) for i in range(20))
    assert shuffled(prompts, 1) == shuffled(prompts, 1) != prompts
    assert sorted(shuffled(prompts, 1), key=lambda prompt: prompt.seeds) == list(prompts)


@dataclass
class Watched:
    """A sampler that notes its calls."""

    sampler: Sampler
    calls: list[list[str]] = field(default_factory=list)

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:
        self.calls.append([prompt.problem_id for prompt in prompts])
        yield from self.sampler.sample(checkpoint, prompts, decoding)

    def label_logprobs(
        self, checkpoint: Path, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]
    ) -> Iterator[LabelScores]:
        yield from self.sampler.label_logprobs(checkpoint, prompts, label_ids)

    def close(self) -> None:
        self.calls.append([])
        self.sampler.close()


class BatchDependent(Watched):
    """Writes one token more for the first prompt of every batch."""

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:
        for made in super().sample(checkpoint, prompts, decoding):
            first = made.problem_id == prompts[0].problem_id
            yield replace(made, token_ids=(*made.token_ids, 5)) if first else made


class Rounding(Watched):
    """Weighs prompts that come alone a little differently."""

    def label_logprobs(
        self, checkpoint: Path, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]
    ) -> Iterator[LabelScores]:
        for scores in super().label_logprobs(checkpoint, prompts, label_ids):
            shift = 1e-6 if len(prompts) == 1 else 0.0
            yield replace(scores, logprobs=tuple(each - shift for each in scores.logprobs))


class Forgetful(Watched):
    """Leaves the last completion out."""

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:
        yield from list(super().sample(checkpoint, prompts, decoding))[:-1]


def run_probe(sampler: Sampler, told: list[int] | None = None) -> Probed:
    return probe(BLOCK, PROBLEMS, CODEC, sampler, BASE, (told if told is not None else []).append)


def test_the_fake_engine_is_bitwise() -> None:
    told: list[int] = []
    found = run_probe(FakeSampler(), told)
    assert (found.stamp, found.prompts, found.completions) == (Stamp.BITWISE, 4, 12)
    assert told == list(range(1, 37))


def test_prompts_come_together_then_backwards_one_by_one_then_shuffled_each_in_a_fresh_engine() -> None:
    watched = Watched(FakeSampler())
    run_probe(watched)
    together, _, *alone, _, mixed, _ = watched.calls
    assert together == [PROBLEMS[place].problem_id for place in (0, 3, 6, 9)]
    assert alone == [[name] for name in reversed(together)]
    assert sorted(mixed) == sorted(together)
    assert [place for place, call in enumerate(watched.calls) if not call] == [1, 6, 8]


def test_an_engine_whose_tokens_depend_on_the_batch_is_caught() -> None:
    found = run_probe(BatchDependent(FakeSampler()))
    assert found.stamp is Stamp.DISTRIBUTIONAL
    assert found.diverged >= 9  # of the 12, those of the three prompts that were not first at first
    assert all(4 <= place <= 12 for place in found.first_divergence_positions)


def test_an_engine_whose_last_bits_depend_on_the_batch_is_no_more_than_token_stable() -> None:
    found = run_probe(Rounding(FakeSampler()))
    assert found.stamp is Stamp.TOKEN_STABLE
    assert found.logprob_max_difference == pytest.approx(1e-6)
    assert probe_words(found) == (
        "token-stable: 0 of 12 completions of 4 problems differ in other batches and orders; log-probabilities are up "
        "to 1e-06 apart"
    )


def test_an_engine_that_leaves_completions_out_fails_the_step() -> None:
    with pytest.raises(StepFailed, match="11 of 12"):
        run_probe(Forgetful(FakeSampler()))


@pytest.mark.slow
def test_torch_on_a_cpu_gives_every_token_again_and_a_batch_dependent_wrapper_of_it_is_caught() -> None:
    sampler = hf_sampler(SETTINGS)
    try:
        found = run_probe(sampler)
        assert found.stamp in (Stamp.BITWISE, Stamp.TOKEN_STABLE)
        assert found.logprob_max_difference < 1e-4
        assert run_probe(BatchDependent(sampler)).stamp is Stamp.DISTRIBUTIONAL
    finally:
        sampler.close()
