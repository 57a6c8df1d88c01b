"""Does the engine give a request the same completion in any batch? Requests are replayed, and the answers compared.

Floating-point sums depend on their order, and the order in a kernel may depend on the batch (decision 20 says what is
replayed, and why).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final, TypeVar

from selfimp_bench.canonical import derive_seed
from selfimp_bench.engines.base import Completion, Decoding, LabelPrompt, Prompt, Sampler
from selfimp_bench.engines.tokens import TokenCodec
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.room import room_of
from selfimp_bench.steps.sample import SampleBlock, prompts_of
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.problem import Problem

PROBE: Final = "probe.json"

REPLAYS: Final = 3
"""Times that each completion is made: in natural order together, reversed and prompt by prompt, shuffled together."""

WEIGHED_PROMPTS: Final = 8
"""Of the prompts, those whose next-token probabilities are compared."""

LABELS: Final = 16
"""Tokens whose probabilities are compared, at most: any will do, for behind each stands the whole softmax."""


@dataclass(frozen=True, kw_only=True)
class ProbeBlock:
    """Sample ``prompts`` of the problems, spread evenly, in several batches and orders, and compare.

    Inputs: model, problems. ``sample`` is what would be asked of all problems; its iteration is 0, the base model.
    """

    sample: SampleBlock
    prompts: int


class Stamp(StrEnum):
    """What stays the same in other batches: every bit compared, every token, or only the distribution."""

    BITWISE = "bitwise"
    TOKEN_STABLE = "token-stable"
    DISTRIBUTIONAL = "distributional"


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What replaying found (probe.json).

    diverged: completions that another batch gave other tokens, or another reason to end, and ``divergence_rate`` their
    share of ``completions``. first_divergence_positions: the first token that differed in each of them, from 0.
    logprob_max_difference: the most that a label's log-probability differed.
    """

    prompts: int
    completions: int
    diverged: int
    divergence_rate: float
    first_divergence_positions: tuple[int, ...]
    logprob_max_difference: float
    stamp: Stamp

    def __post_init__(self) -> None:
        """Raises ValueError where the numbers contradict each other."""
        whole = 0 < self.prompts <= self.completions and 0 <= self.diverged == len(self.first_divergence_positions)
        if not whole or self.divergence_rate != self.diverged / self.completions or self.logprob_max_difference < 0:
            raise ValueError("the numbers of a probe contradict each other")
        expected = _stamp(diverged=self.diverged, furthest=self.logprob_max_difference)
        if self.stamp is not expected:
            raise ValueError(f"a probe with these numbers is {expected}, not {self.stamp}")


_Item = TypeVar("_Item")

Answers = Mapping[tuple[str, int], Completion]
"""Completions by problem and sample index."""

Logprobs = Mapping[str, tuple[float, ...]]
"""Labels' log-probabilities by prompt."""


def probe(
    block: ProbeBlock,
    problems: Sequence[Problem],
    codec: TokenCodec,
    sampler: Sampler,
    checkpoint: Path,
    on_progress: Callable[[int], None],
) -> Probed:
    """Replay and compare. The sampler is closed between replays, so that no cache of one answers another.

    ``on_progress`` is told the completions made so far, those of all replays. Raises StepFailed if the engine left any
    out.
    """
    prompts = spread(_fitting(block.sample, problems, codec, checkpoint), block.prompts)
    labels = sorted({codec.eos_id, *prompts[0].token_ids})[:LABELS]
    backwards = [[prompt] for prompt in reversed(prompts)]
    weighed = _logprobs(sampler, checkpoint, [prompts[:WEIGHED_PROMPTS]], labels)
    answers: list[Answers] = []
    for batches in ([prompts], backwards, [shuffled(prompts, block.sample.seed)]):
        if answers:
            sampler.close()
        made = _sampled(sampler, checkpoint, batches, block.sample.decoding)
        answers.append(_all_of(prompts, made, lambda done: on_progress(sum(map(len, answers)) + done)))
    sampler.close()
    again = _logprobs(sampler, checkpoint, backwards[-WEIGHED_PROMPTS:], labels)
    return compare(answers[0], answers[1:], weighed, again)


def _fitting(
    block: SampleBlock, problems: Sequence[Problem], codec: TokenCodec, checkpoint: Path
) -> tuple[Prompt, ...]:
    """The prompts that fit with the longest completion: others are asked in no batch, or in a shorter form.

    Raises InputError where there is none.
    """
    room, most = room_of(checkpoint, block.settings, block.too_long), block.decoding.max_tokens
    prompts = prompts_of(block, problems, codec)
    fitting = tuple(prompt for prompt in prompts if room.new_tokens(len(prompt.token_ids), most) == most)
    if not fitting:
        raise InputError(
            f"none of {len(prompts)} prompts fits the model with {most} new tokens: it takes {room.limit} in all; "
            "raise engines.vllm.max_model_len where it bounds them, or lower max_tokens"
        )
    return fitting


def spread(prompts: Sequence[_Item], count: int) -> tuple[_Item, ...]:
    """``count`` of the prompts (all, where there are fewer) at equal distances, the first among them: data sets may be
    sorted."""
    wanted = min(count, len(prompts))
    return tuple(prompts[place * len(prompts) // wanted] for place in range(wanted))


def shuffled(prompts: Sequence[Prompt], seed: int) -> tuple[Prompt, ...]:
    """The prompts in another order, always the same one."""
    order = list(prompts)
    Random(derive_seed(seed, "probe")).shuffle(order)
    return tuple(order)


def compare(natural: Answers, replays: Iterable[Answers], weighed: Logprobs, again: Logprobs) -> Probed:
    """What differs between ``natural`` and its ``replays``, and between log-probabilities and theirs ``again``.

    All have the same keys, at least one. Raises ValueError where they have not.
    """
    others = list(replays)
    if not natural or any(other.keys() != natural.keys() for other in others) or weighed.keys() != again.keys():
        raise ValueError("a probe compares the same requests, at least one")
    positions = []
    for key, completion in natural.items():
        found = [place for other in others if (place := _first_difference(completion, other[key])) is not None]
        positions += [min(found)] if found else []
    furthest = max(
        (
            abs(one - other)
            for key, logprobs in weighed.items()
            for one, other in zip(logprobs, again[key], strict=True)
        ),
        default=0.0,
    )
    return Probed(
        prompts=len({problem_id for problem_id, _ in natural}),
        completions=len(natural),
        diverged=len(positions),
        divergence_rate=len(positions) / len(natural),
        first_divergence_positions=tuple(positions),
        logprob_max_difference=furthest,
        stamp=_stamp(diverged=len(positions), furthest=furthest),
    )


def _stamp(*, diverged: int, furthest: float) -> Stamp:
    if diverged:
        return Stamp.DISTRIBUTIONAL
    return Stamp.TOKEN_STABLE if furthest else Stamp.BITWISE


def _first_difference(one: Completion, other: Completion) -> int | None:
    if (one.token_ids, one.finish_reason) == (other.token_ids, other.finish_reason):
        return None
    pairs = zip(one.token_ids, other.token_ids, strict=False)
    shorter = min(len(one.token_ids), len(other.token_ids))
    return next((place for place, (left, right) in enumerate(pairs) if left != right), shorter)


def _sampled(
    sampler: Sampler, checkpoint: Path, batches: Iterable[Sequence[Prompt]], decoding: Decoding
) -> Iterator[Completion]:
    for batch in batches:
        yield from sampler.sample(checkpoint, batch, decoding)


def _all_of(prompts: Iterable[Prompt], made: Iterable[Completion], on_progress: Callable[[int], None]) -> Answers:
    answers: dict[tuple[str, int], Completion] = {}
    for completion in made:
        answers[completion.problem_id, completion.sample_index] = completion
        on_progress(len(answers))
    wanted = {(prompt.problem_id, index) for prompt in prompts for index in range(len(prompt.seeds))}
    if answers.keys() != wanted:
        raise StepFailed(f"the sampler gave {len(answers)} of {len(wanted)} completions; run again to retry the step")
    return answers


def _logprobs(
    sampler: Sampler, checkpoint: Path, batches: Iterable[Sequence[Prompt]], labels: Sequence[int]
) -> Logprobs:
    found: dict[str, tuple[float, ...]] = {}
    for batch in batches:
        asked = [LabelPrompt(prompt_id=prompt.problem_id, token_ids=prompt.token_ids) for prompt in batch]
        for scores in sampler.label_logprobs(checkpoint, asked, labels):
            found[scores.prompt_id] = scores.logprobs
    return found


def probe_words(probed: Probed) -> str:
    """A probe in a sentence."""
    bits = "equal to the last bit"
    if probed.logprob_max_difference:
        bits = f"up to {probed.logprob_max_difference:.2g} apart"
    return (
        f"{probed.stamp}: {probed.diverged} of {probed.completions} completions of {probed.prompts} problems differ in "
        f"other batches and orders; log-probabilities are {bits}"
    )


def _do(block: ProbeBlock, work: Work) -> Counts:
    """Replays are never resumed: they are about one engine's life."""
    of = REPLAYS * block.prompts * block.sample.samples_per_problem
    checkpoint = work.inputs.checkpoint("model")
    probed = probe(
        block,
        work.inputs.problems(),
        work.inputs.codec("model"),
        work.engines.sampler(block.sample.engine, block.sample.settings),
        checkpoint,
        lambda done: work.on_progress(done, of),
    )
    work.folder.write_json(PROBE, probed)
    return {"prompts": probed.prompts, "completions": probed.completions, "diverged": probed.diverged}


def _engine(block: ProbeBlock) -> str:
    return block.sample.engine


STAGE: Final = Stage(
    name="probe", block=ProbeBlock, do=_do, engine=_engine, on_device=True, tokens="generated", rated_by_rows=True
)
