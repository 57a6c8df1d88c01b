"""The stages of this protocol: each is a module with its block, what it does, and its rows."""

from typing import Final

from selfimp_bench.protocols.post_training import choose, embed, measure, more, own_rules, unlabelled, weigh
from selfimp_bench.steps import dataset, grade, model, probe, prompts, sample, select, train
from selfimp_bench.steps.plan import stages_by_block

STAGES: Final = stages_by_block(
    dataset.STAGE,
    model.STAGE,
    prompts.STAGE,
    probe.STAGE,
    sample.STAGE,
    choose.CHOOSE,
    choose.CHOSEN_SAMPLE,
    more.STAGE,
    grade.STAGE,
    embed.STAGE,
    weigh.STAGE,
    select.STAGE,
    unlabelled.VOTE,
    unlabelled.REWARD,
    own_rules.STAGE,
    train.STAGE,
    measure.STAGE,
)
