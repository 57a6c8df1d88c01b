"""Which prompts do not fit, before there is a run: counted where model and data are at hand, else as once recorded."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from selfimp_bench.engines.hub.fetched import hub_folder
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import DatasetRef, ModelRef
from selfimp_bench.measurement import Split
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.dataset import ProblemsBlock, load_dataset
from selfimp_bench.steps.gold import ANSWERS_ALONE, GoldSolutions, gold_solutions
from selfimp_bench.steps.model import ModelBlock, locate_model
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.prompts import (
    LongPrompt,
    PromptLengths,
    PromptsBlock,
    PromptUse,
    TrainingUse,
    prompt_lengths,
    too_long_words,
)
from selfimp_bench.steps.room import Room, room_of
from selfimp_bench.tasks.problem import Problem

Found = TypeVar("Found")


class Basis(StrEnum):
    """How the lengths of prompts are known: counted here, recorded in the manifest, or not known."""

    COUNTED = "counted"
    RECORDED = "recorded"
    UNKNOWN = "not known"


@dataclass(frozen=True, kw_only=True)
class PromptFit:
    """What is known of one use of a model before a run.

    lengths: None where nothing is known. at_least: whether more prompts than those listed may not fit.
    """

    model: str
    use: PromptUse | TrainingUse
    basis: Basis
    lengths: PromptLengths | None
    at_least: bool

    def words(self) -> str:
        """What does not fit, in a sentence; "" where all do, or nothing is known."""
        if self.lengths is None or not self.lengths.too_long:
            return ""
        said = too_long_words(self.lengths, did="does not fit" if len(self.lengths.too_long) == 1 else "do not fit")
        recorded = f" (as recorded{', and perhaps more' if self.at_least else ''})"
        return f"{self.model}, {said}{recorded if self.basis is Basis.RECORDED else ''}"


_NAMED: Final = 6
"""Models that a line names; of more it says how many."""


def prompt_fits(experiments: Iterable[Experiment], home: Path) -> tuple[PromptFit, ...]:
    """Every use of every model of these experiments, each once, and the training rows that can be counted here."""
    found: dict[tuple[str, PromptUse | TrainingUse], PromptFit] = {}
    for experiment in experiments:
        finder = _Finder(experiment=experiment, steps=experiment.plan().by_id(), hub=hub_folder(home))
        for step in experiment.plan().steps:
            if isinstance(step.block, PromptsBlock):
                found |= {(fit.model, fit.use): fit for fit in finder.fits(step, step.block)}
    return tuple(found.values())


@dataclass(frozen=True, kw_only=True)
class _Finder:
    """One experiment's plan and what lies here."""

    experiment: Experiment
    steps: Mapping[str, Step]
    hub: Path

    def fits(self, step: Step, block: PromptsBlock) -> list[PromptFit]:
        """Counted where tokenizer and problems are here; training rows only then."""
        model = self._model(step)
        folder = _tried(partial(locate_model, model, self.experiment.path.parent, self.hub))
        here = {} if folder is None else self._problems(step, block)
        solutions = self._solutions(step, block, here)
        training = [use for use in block.training if solutions is not None or use.max_tokens is not None]
        counted: dict[PromptUse | TrainingUse, PromptLengths] = {}
        if folder is not None:
            uses: list[PromptUse | TrainingUse] = [*block.uses, *training]
            uses = [use for use in uses if use.split in here]
            room, countable = room_of(folder, block.settings, block.too_long), replace(block, training=tuple(training))
            lengths = prompt_lengths(countable, here, load_codec(folder), room, solutions or ANSWERS_ALONE)
            counted = dict(zip(uses, lengths, strict=True))
        trained = [
            PromptFit(model=model.id, use=use, basis=Basis.COUNTED, lengths=counted[use], at_least=False)
            for use in block.training
            if use in counted
        ]
        return [*(self._fit(step, block, use, model, counted.get(use)) for use in block.uses), *trained]

    def _fit(
        self, step: Step, block: PromptsBlock, use: PromptUse, model: ModelRef, counted: PromptLengths | None
    ) -> PromptFit:
        if counted is not None:
            return PromptFit(model=model.id, use=use, basis=Basis.COUNTED, lengths=counted, at_least=False)
        recorded = recorded_lengths(self._dataset(step, use.split).dataset, model.id, use, block)
        if recorded is None:
            return PromptFit(model=model.id, use=use, basis=Basis.UNKNOWN, lengths=None, at_least=False)
        return recorded

    def _model(self, step: Step) -> ModelRef:
        block = self.steps[step.inputs["model"]].block
        assert isinstance(block, ModelBlock)
        return block.model

    def _dataset(self, step: Step, split: Split) -> ProblemsBlock:
        block = self.steps[step.inputs[f"problems.{split}"]].block
        assert isinstance(block, ProblemsBlock)
        return block

    def _solutions(
        self, step: Step, block: PromptsBlock, here: Mapping[Split, Sequence[Problem]]
    ) -> GoldSolutions | None:
        """What a model is trained on first; None where that is made of rationales that are not here."""
        if "rationales" not in step.inputs:
            return ANSWERS_ALONE
        asked = self.steps[step.inputs["rationales"]].block
        assert isinstance(asked, ProblemsBlock)
        base, train = self.experiment.path.parent, here.get(Split.TRAIN)
        rows = _tried(partial(load_dataset, asked.dataset, asked.task, base, self.hub))
        return None if rows is None or train is None else gold_solutions(block.gold_template, rows, train)

    def _problems(self, step: Step, block: PromptsBlock) -> dict[Split, Sequence[Problem]]:
        """The problems of every split that are here."""
        base = self.experiment.path.parent
        found: dict[Split, Sequence[Problem]] = {}
        for split in {*(use.split for use in block.uses), *(use.split for use in block.training)}:
            asked = self._dataset(step, split)
            problems = _tried(partial(load_dataset, asked.dataset, asked.task, base, self.hub))
            if problems is not None:
                found[split] = problems
        return found


def recorded_lengths(dataset: DatasetRef, model: str, use: PromptUse, block: PromptsBlock) -> PromptFit | None:
    """What a manifest records of a data set's prompts with a model's tokenizer, against the engine's limit.

    None where it records nothing, where the engine has no limit of its own, and for prompts that hold responses.
    """
    counted = next((each for each in dataset.prompt_tokens or () if each.model == model), None)
    limit = None if block.settings.vllm is None else block.settings.vllm.max_model_len
    if counted is None or limit is None or use.response_tokens:
        return None
    room = Room(limit=limit, rule=block.too_long)
    given = [(each, room.new_tokens(each.tokens, use.max_tokens)) for each in counted.longest]
    long = [
        LongPrompt(problem_id=each.problem_id, tokens=each.tokens, new_tokens=new_tokens)
        for each, new_tokens in given
        if new_tokens != use.max_tokens
    ]
    lengths = PromptLengths(
        what=use.what,
        split=use.split,
        prompts=dataset.rows,
        longest=counted.longest[0].tokens,
        at_most=False,
        limit=limit,
        rule=block.too_long,
        too_long=tuple(long),
    )
    listed = len(counted.longest)
    return PromptFit(
        model=model, use=use, basis=Basis.RECORDED, lengths=lengths, at_least=len(long) == listed < dataset.rows
    )


def _tried(look: Callable[[], Found]) -> Found | None:
    """What is found; None where it is not here."""
    try:
        return look()
    except InputError:
        return None


@dataclass(frozen=True, kw_only=True)
class FitLine:
    """What a person is told of some prompts; ``sound``: they are known to fit."""

    sound: bool
    words: str


def fit_lines(fits: Sequence[PromptFit]) -> Iterator[FitLine]:
    """What does not fit, what fits, and what nobody knows yet."""
    yield from (FitLine(sound=False, words=said) for fit in fits if (said := fit.words()))
    fitting = [fit for fit in fits if fit.lengths is not None and not fit.lengths.too_long]
    unknown = [fit for fit in fits if fit.lengths is None]
    yield from (FitLine(sound=True, words=f"all prompts fit: {each}") for each in _by_uses(fitting))
    if unknown:
        words = (
            f"not known whether all prompts fit: {'; '.join(_by_uses(unknown))}: the tokenizer or the problems are not "
            "here, and no count is recorded; the step MODEL/prompts says it before anything is trained or sampled"
        )
        yield FitLine(sound=False, words=words)


def _by_uses(fits: Iterable[PromptFit]) -> Iterator[str]:
    """Models by what they are asked: ``a, b (greedy test, train train)``."""
    uses: dict[str, dict[str, None]] = {}
    for fit in fits:
        uses.setdefault(fit.model, {})[f"{fit.use.what} {fit.use.split}"] = None
    models: dict[str, list[str]] = {}
    for model, own in uses.items():
        models.setdefault(", ".join(own), []).append(model)
    for asked, names in models.items():
        yield f"{', '.join(names) if len(names) <= _NAMED else f'{len(names)} models'} ({asked})"
