"""What the registry is told."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from selfimp_bench.manifest.cross_checks import ManifestRule, unique_claims, unique_models
from selfimp_bench.manifest.fault import Fault
from selfimp_bench.manifest.measured import MeasuredCell, Scale
from selfimp_bench.manifest.model import ModelRef
from selfimp_bench.manifest.study import Entry, dataset_of, head, layered, models_of, whole_block
from selfimp_bench.manifest.study_tree import Node, mapping
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.protocol import Protocol, StudyForm
from selfimp_bench.steps.plan import Plan, stages_by_block
from selfimp_bench.steps.versions import step_of
from third_protocol import draw, measure
from third_protocol.draw import DrawBlock
from third_protocol.manifest import LengthManifest, LengthProfileBlocks
from third_protocol.measure import METRICS, LengthBlock

_SMOKE_DRAWS: Final = 5
STAGES: Final = stages_by_block(draw.STAGE, measure.STAGE)


def _cells(_manifest: object) -> tuple[MeasuredCell, ...]:
    return tuple(MeasuredCell(metric=metric, split=Split.TEST, iterations=1) for metric in METRICS)


def _enough(datasets: object, draws: int) -> Iterator[Fault]:
    rows = datasets.test.rows  # type: ignore[attr-defined]
    if draws > rows:
        yield Fault(path=("draws",), message=f"expected at most {rows}, the problems there are, found {draws}")


def _blocks(entry: Entry) -> dict[str, Node | None]:
    test = dataset_of(entry.task, entry.task_node, "test")
    return head(entry) | {
        "models": models_of(entry),
        "datasets": mapping({"test": test}, entry.task_node),
        "draws": whole_block(entry, "draws"),
        "engines": layered(entry, "engines"),
    }


def _plan(manifest: LengthManifest, models: tuple[ModelRef, ...], replicates: int, _folder: Path) -> Plan:
    steps = []
    for replicate in range(replicates):
        seed = manifest.seed + replicate
        block = DrawBlock(dataset=manifest.datasets.test, seed=seed, draws=manifest.draws)
        drawn = step_of(STAGES, id=f"seed{seed}/draw", block=block, inputs={}, rows_at_most=manifest.draws)
        steps.append(drawn)
        for model in models:
            length = LengthBlock(model=model.id, replicate=replicate)
            steps.append(step_of(STAGES, id=f"{model.id}/seed{seed}/length", block=length, inputs={"drawn": drawn.id}))
    return Plan(steps=tuple(steps), stages=STAGES)


def _summary_lines(manifest: LengthManifest) -> Iterator[str]:
    yield f"draws      {manifest.draws} answers"


PROTOCOL: Final = Protocol(
    name="answer-length",
    manifest=LengthManifest,
    profile_blocks=LengthProfileBlocks,
    schema=Path(__file__).with_name("answer-length.v1.json"),
    block_rules={},
    rules=(
        ManifestRule(find=unique_models, needs=("models",)),
        ManifestRule(find=unique_claims, needs=("claims",)),
        ManifestRule(find=_enough, needs=("datasets", "draws")),
    ),
    study=StudyForm(
        blocks=("draws", "engines"), expand=_blocks, cells=_cells, smoke=lambda _blocks: {"draws": _SMOKE_DRAWS}
    ),
    cells=_cells,
    plan=_plan,
    size_words=lambda manifest: f"{manifest.draws} answers",
    summary_lines=_summary_lines,
    scale=lambda metric: Scale(unit=metric, high=math.inf, everywhere=False),
)
