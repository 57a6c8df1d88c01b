"""The blocks of one post-training experiment, out of a study file."""

from typing import Final

import msgspec

from selfimp_bench.manifest.measured import MeasuredCell
from selfimp_bench.manifest.model import Datasets, Grading, Measure, Method, PostTraining, Sampling
from selfimp_bench.manifest.study import (
    Entry,
    dataset_of,
    head,
    layered,
    models_of,
    of_task,
    ood_task,
    part,
    shared_words,
    with_hub,
    without_reasons,
)
from selfimp_bench.manifest.study_tree import Node, made, mapping, merged
from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.protocols.post_training.cells import cells_of

BLOCKS: Final = ("rationales", "sampling", "evaluation", "post_training", "sft", "dpo", "lora", "engines", "measure")
"""What a study, a task, a method and an experiment may hold besides what all protocols share."""

_OF_DPO = ("dpo_reference", "pairing", "pairs_per_problem", "without_pair")


def post_training_blocks(entry: Entry) -> dict[str, Node | None]:
    """The resolved manifest of one experiment, less its claims and figures. Raises Misfit."""
    procedure = layered(entry, "post_training")
    uses_dpo = procedure is not None and _uses_dpo(procedure)
    ood = ood_task(entry)
    return head(entry) | {
        "models": models_of(entry),
        "datasets": _datasets(entry, ood),
        "rationales": _rationales(entry),
        "prompt": _prompt(entry),
        "grading": of_task(entry.task_node, "grading"),
        "ood_grading": None if ood is None else of_task(ood[1], "grading"),
        "sampling": layered(entry, "sampling"),
        "evaluation": _shared(layered(entry, "evaluation"), ("greedy", "sampled")),
        "post_training": procedure if procedure is None or uses_dpo else without_reasons(procedure, _OF_DPO),
        "sft": layered(entry, "sft"),
        "dpo": _dpo(entry) if uses_dpo else None,
        "lora": layered(entry, "lora"),
        "engines": _engines(layered(entry, "engines")),
        "measure": _measure(_shared(layered(entry, "measure"), ("encoder",), keeps=True)),
    }


def post_training_blocks_cells(data: dict[str, Json]) -> tuple[MeasuredCell, ...]:
    """What a run of these blocks measures; nothing where they are flawed."""
    try:
        return cells_of(
            msgspec.convert(data.get("measure"), Measure),
            msgspec.convert(data.get("datasets"), Datasets),
            msgspec.convert(data.get("sampling"), Sampling),
            msgspec.convert(data.get("post_training"), PostTraining),
            msgspec.convert(data.get("grading"), Grading),
            msgspec.convert(data.get("ood_grading"), Grading | None),
        )
    except msgspec.ValidationError:
        return ()


def _uses_dpo(procedure: Node) -> bool:
    schedule = procedure.get("schedule")
    return schedule is not None and any(item.value == Method.DPO for item in schedule.items)


def _datasets(entry: Entry, ood: tuple[str, Node] | None) -> Node:
    task = entry.task_node
    given = {split: dataset_of(entry.task, task, split) for split in ("train", "test")}
    given["ood"] = None if ood is None else dataset_of(*ood, "test")
    return mapping({split: merged(data, part(entry.node, split)) for split, data in given.items() if data}, task)


def _rationales(entry: Entry) -> Node | None:
    """The rationales of the task; null takes those away that a layer below gives."""
    given = layered(entry, "rationales")
    if given is None or given.value is None:
        return None
    block = shared_words(given, ("data",), keeps=True)
    data = dataset_of(entry.task, block, "data")
    if data is None:
        return block
    named = made(f"{entry.task}-rationales", data)
    own = Node(value=data.entries | ({} if "id" in block.need("data").entries else {"id": named}), place=data.place)
    return Node(value=block.entries | {"data": own}, place=block.place)


def _prompt(entry: Entry) -> Node | None:
    """The task's prompt; what its tokens are with each model need not be known."""
    prompt = merged(of_task(entry.task_node, "prompt"), part(entry.node, "prompt"))
    if prompt is None:
        return None
    return Node(value={"canaries": made([], prompt)} | prompt.entries, place=prompt.place)


def _dpo(entry: Entry) -> Node | None:
    """What dpo does not say of its optimisation is as for sft; what it says itself does not have sft's reason."""
    dpo = layered(entry, "dpo")
    if dpo is None:
        return None
    whole = shared_words(dpo, ("optimisation",), keeps=True)
    sft, own = layered(entry, "sft"), whole.get("optimisation")
    below = sft if sft is None or own is None else without_reasons(sft, tuple(own.entries))
    optimisation = merged(below, own) or dpo
    return Node(value=whole.entries | {"optimisation": optimisation}, place=dpo.place)


def _engines(engines: Node | None) -> Node | None:
    """Without the settings of vLLM where it does not sample."""
    shared = _shared(engines, ("vllm", "probe"), keeps=True)
    if shared is None or shared.need("sampler").value == "vllm":
        return shared
    return Node(value={key: item for key, item in shared.entries.items() if key != "vllm"}, place=shared.place)


def _measure(measure: Node | None) -> Node | None:
    """With the encoder's repository and revision apart."""
    encoder = None if measure is None else measure.get("encoder")
    if measure is None or encoder is None or encoder.value is None:
        return measure
    return Node(value=measure.entries | {"encoder": with_hub(encoder)}, place=measure.place)


def _shared(block: Node | None, children: tuple[str, ...], *, keeps: bool = False) -> Node | None:
    return None if block is None else shared_words(block, children, keeps=keeps)
