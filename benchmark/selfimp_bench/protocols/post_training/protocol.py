"""Iterative post-training, as the registry knows it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from selfimp_bench.manifest.model import Cell, Manifest, ModelRef, PostTraining, ProfileBlocks
from selfimp_bench.manifest.schema_check import SCHEMA_FILE
from selfimp_bench.plural import plural
from selfimp_bench.protocols.post_training.cells import completions_behind, post_training_cells, scale_of
from selfimp_bench.protocols.post_training.checks import POST_TRAINING_BLOCK_RULES, POST_TRAINING_RULES
from selfimp_bench.protocols.post_training.smoke import smoke_blocks
from selfimp_bench.protocols.post_training.study import BLOCKS, post_training_blocks, post_training_blocks_cells
from selfimp_bench.protocols.protocol import Protocol, StudyForm
from selfimp_bench.protocols.words import optimisation_words, own_code_words, preference_words, sampling_words

if TYPE_CHECKING:
    from selfimp_bench.steps.plan import Plan


def _plan(manifest: Manifest, models: tuple[ModelRef, ...], replicates: int, _folder: Path) -> "Plan":
    from selfimp_bench.protocols.post_training.plan import post_training_plan

    return post_training_plan(manifest, models, replicates)


def _size_words(manifest: Manifest) -> str:
    problems = manifest.datasets.train.rows + manifest.datasets.test.rows
    iterations = plural(len(manifest.post_training.schedule), "iteration")
    return f"{plural(len(manifest.models), 'model')} x {iterations} x {problems} problems"


def _summary_lines(manifest: Manifest) -> Iterator[str]:
    yield f"schedule   {', '.join(f't={t} {m}' for t, m in enumerate(manifest.post_training.schedule, start=1))}"
    if manifest.rationales is not None:
        data = manifest.rationales.data
        yield f"gold       {data.id} ({data.rows}) with the answer: {manifest.rationales.template}"
    yield f"sampling   {sampling_words(manifest.sampling)}"
    yield f"training   {optimisation_words(manifest.sft)}"
    yield from _follow_up_lines(manifest.post_training)
    for what, own in (
        ("SFT takes", manifest.post_training.sample_rule),
        ("DPO takes", manifest.post_training.pair_rule),
    ):
        if own is not None:
            yield f"{what:<10} {own_code_words(own)}"
    if manifest.dpo is not None:
        yield f"DPO        {preference_words(manifest.dpo)}"


def _follow_up_lines(rules: PostTraining) -> Iterator[str]:
    if rules.resample is not None:
        yield f"resample   {rules.resample.most} more where fewer than {rules.resample.below} samples are correct"
    if rules.balance is not None:
        grid = f"temperatures {rules.balance.temperatures} x thresholds {rules.balance.thresholds}"
        yield f"balance    {grid} of {rules.balance.reward}, {rules.balance.problems} problems"
    if rules.majority is not None:
        yield f"majority   at least {rules.majority.share} with confidence {rules.majority.level}, no gold answers"


def _training_methods(manifest: Manifest) -> tuple[str, ...]:
    return manifest.post_training.schedule


def _completions_behind(manifest: Manifest, cell: Cell) -> int:
    return completions_behind(cell.metric, cell.split, manifest.evaluation, manifest.sampling, manifest.measure)


PROTOCOL: Final = Protocol(
    name="iterative-post-training",
    manifest=Manifest,
    profile_blocks=ProfileBlocks,
    schema=SCHEMA_FILE,
    block_rules=POST_TRAINING_BLOCK_RULES,
    rules=POST_TRAINING_RULES,
    study=StudyForm(blocks=BLOCKS, expand=post_training_blocks, cells=post_training_blocks_cells, smoke=smoke_blocks),
    cells=post_training_cells,
    plan=_plan,
    size_words=_size_words,
    summary_lines=_summary_lines,
    training_methods=_training_methods,
    completions_behind=_completions_behind,
    scale=scale_of,
)
