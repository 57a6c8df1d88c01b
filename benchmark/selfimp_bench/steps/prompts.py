"""The prompts of a model, counted in tokens before anything is trained or sampled: which of them do not fit.

What does not fit is found again where it is asked (``room.py``) and where training rows are made; this step says it
first.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from selfimp_bench.engines.base import SamplerSettings
from selfimp_bench.engines.tokens import TokenCodec
from selfimp_bench.manifest.model import TooLong
from selfimp_bench.measurement import Split
from selfimp_bench.steps.gold import ANSWERS_ALONE, GoldSolutions, gold_solutions
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.room import Room, room_of
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.problem import Problem

PROMPTS: Final = "prompts.json"

_SHOWN: Final = 5
"""Problems that a message names."""

_RESPONSES: Final = re.compile(r"\{(response|response_a|response_b)\}")


@dataclass(frozen=True, kw_only=True)
class PromptUse:
    """One thing that a model is asked about every problem of a split: ``what``, in a word or two.

    max_tokens: of a completion. response_tokens: of the responses that are put into the prompt, at most; 0 for none.
    """

    what: str
    split: Split
    template: str
    max_tokens: int
    response_tokens: int


@dataclass(frozen=True, kw_only=True)
class TrainingUse:
    """What a model is trained on: gold solutions (``max_tokens`` None), or own samples of so many tokens at most."""

    what: str
    split: Split
    template: str
    completion_prefix: str
    max_tokens: int | None
    max_length: int


@dataclass(frozen=True, kw_only=True)
class PromptsBlock:
    """Count the tokens of every prompt of one model. Inputs: model, ``problems.<split>`` of every split, rationales.

    ``gold_template`` makes gold solutions of rationales, where those are an input.
    """

    settings: SamplerSettings
    add_bos: bool
    too_long: TooLong
    uses: tuple[PromptUse, ...]
    training: tuple[TrainingUse, ...]
    gold_template: str = ""


@dataclass(frozen=True, kw_only=True)
class LongPrompt:
    """A prompt that does not fit with the longest completion (and the longest response put into it).

    new_tokens: what its completion is cut to; None where nothing is asked.
    """

    problem_id: str
    tokens: int
    new_tokens: int | None


@dataclass(frozen=True, kw_only=True)
class PromptLengths:
    """The prompts of one use: how many, the tokens of the longest, and those that do not fit ``limit`` tokens.

    Or the training rows of one method, each with its completion: ``rule`` is None, for what is too long is left out.
    at_most: whether tokens are a bound, because a response that is not written yet is part of them.
    """

    what: str
    split: Split
    prompts: int
    longest: int
    at_most: bool
    limit: int | None
    rule: TooLong | None
    too_long: tuple[LongPrompt, ...]


def prompt_lengths(
    block: PromptsBlock,
    problems: Mapping[Split, Sequence[Problem]],
    codec: TokenCodec,
    room: Room,
    solutions: GoldSolutions = ANSWERS_ALONE,
) -> tuple[PromptLengths, ...]:
    """The lengths of every use of the block whose problems are here, in order; then those of the training rows."""
    asked = [
        _lengths(use, block.add_bos, problems[use.split], codec, room) for use in block.uses if use.split in problems
    ]
    trained = [
        _row_lengths(
            _RowTokens(use=use, add_bos=block.add_bos, codec=codec, room=room, solutions=solutions), problems[use.split]
        )
        for use in block.training
        if use.split in problems
    ]
    return (*asked, *trained)


def _lengths(
    use: PromptUse, add_bos: bool, problems: Sequence[Problem], codec: TokenCodec, room: Room
) -> PromptLengths:
    template = _RESPONSES.sub("", use.template) if use.response_tokens else use.template
    tokens = {
        problem.problem_id: len(codec.encode_prompt(render_prompt(template, problem), add_bos=add_bos))
        + use.response_tokens
        for problem in problems
    }
    given = {name: room.new_tokens(count, use.max_tokens) for name, count in tokens.items()}
    return PromptLengths(
        what=use.what,
        split=use.split,
        prompts=len(tokens),
        longest=max(tokens.values(), default=0),
        at_most=use.response_tokens > 0,
        limit=room.limit,
        rule=room.rule,
        too_long=tuple(
            LongPrompt(problem_id=name, tokens=count, new_tokens=given[name])
            for name, count in sorted(tokens.items(), key=lambda item: -item[1])
            if given[name] != use.max_tokens
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _RowTokens:
    """Counts the tokens of one use's training rows."""

    use: TrainingUse
    add_bos: bool
    codec: TokenCodec
    room: Room
    solutions: GoldSolutions

    def longest(self, problem: Problem) -> int:
        """Of the rows that a problem can give, with the token that ends each; 0 where it gives none."""
        prompt = len(self.codec.encode_prompt(render_prompt(self.use.template, problem), add_bos=self.add_bos))
        if self.use.max_tokens is None:
            texts = (self.use.completion_prefix + solution for solution in self.solutions.of(problem))
            return max((prompt + len(self.codec.encode(text)) + 1 for text in texts), default=0)
        sampled = self.room.new_tokens(prompt, self.use.max_tokens)
        return 0 if sampled is None else prompt + sampled


def _row_lengths(count: _RowTokens, problems: Sequence[Problem]) -> PromptLengths:
    use = count.use
    tokens = {problem.problem_id: count.longest(problem) for problem in problems}
    return PromptLengths(
        what=use.what,
        split=use.split,
        prompts=len(tokens),
        longest=max(tokens.values(), default=0),
        at_most=use.max_tokens is not None,
        limit=use.max_length,
        rule=None,
        too_long=tuple(
            LongPrompt(problem_id=name, tokens=long, new_tokens=None)
            for name, long in sorted(tokens.items(), key=lambda item: -item[1])
            if long > use.max_length
        ),
    )


def too_long_words(found: PromptLengths, did: str = "did not fit") -> str:
    """What does not fit of one use, in a sentence; ``did`` says it of a run that is over."""
    rows = "rows" if found.rule is None else "prompts"
    if not found.too_long:
        most = "at most " if found.at_most else ""
        return f"{found.what}: all {found.prompts} {found.split} {rows} fit (longest {most}{found.longest:,} tokens)"
    named = ", ".join(f"{each.problem_id} ({each.tokens:,} tokens)" for each in found.too_long[:_SHOWN])
    more = " ..." if len(found.too_long) > _SHOWN else ""
    did = "may not fit" if found.at_most else did
    limit = "" if found.limit is None else f" {found.limit:,} tokens"
    became = "left out of training" if found.rule is None else RULE_WORDS[found.rule]
    of = f"{len(found.too_long)} of {found.prompts} {found.split} {rows}"
    return f"{found.what}: {of} {did}{limit}: {became}: {named}{more}"


RULE_WORDS: Final[Mapping[TooLong, str]] = {
    TooLong.COUNTED_WRONG: "counted wrong",
    TooLong.SHORTENED: "completions shortened",
    TooLong.DROPPED: "left out",
}
"""What becomes of a prompt that does not fit, in words."""


def _do(block: PromptsBlock, work: Work) -> Counts:
    inputs = work.inputs
    splits = {Split(name.removeprefix("problems.")): name for name in inputs.named("problems.")}
    problems = {split: inputs.problems_of(name) for split, name in splits.items()}
    room, solutions = room_of(inputs.kept("model"), block.settings, block.too_long), ANSWERS_ALONE
    if inputs.has("rationales"):
        solutions = gold_solutions(block.gold_template, inputs.problems_of("rationales"), problems[Split.TRAIN])
    found = prompt_lengths(block, problems, inputs.codec("model"), room, solutions)
    work.folder.write_json(PROMPTS, found)
    return {"prompts": sum(each.prompts for each in found if each.rule is not None)} | dict(_misfits(found))


def _misfits(found: Sequence[PromptLengths]) -> Iterator[tuple[str, int]]:
    for each in found:
        if each.too_long:
            yield f"{each.what}, {each.split}: {'may not fit' if each.at_most else 'did not fit'}", len(each.too_long)


STAGE: Final = Stage(name="prompts", block=PromptsBlock, do=_do)
