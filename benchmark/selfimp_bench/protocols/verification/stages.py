"""The stages of this protocol: each is a module with its block, what it does, and its rows."""

from typing import Final

from selfimp_bench.protocols.verification import keep, measure, score, tournament, verify
from selfimp_bench.steps import dataset, grade, model, prompts, sample, train
from selfimp_bench.steps.plan import stages_by_block

STAGES: Final = stages_by_block(
    dataset.STAGE,
    model.STAGE,
    prompts.STAGE,
    sample.STAGE,
    grade.STAGE,
    verify.STAGE,
    score.STAGE,
    tournament.STAGE,
    keep.STAGE,
    train.STAGE,
    measure.STAGE,
)
