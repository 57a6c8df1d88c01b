"""Event files of TensorBoard, by its own package: scalars by iteration, and findings as text."""

import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from selfimp_bench.runs.trackers.tracked import Tracked


def write_tensorboard(runs: Sequence[Tracked], findings: str | None, into: Path) -> list[Path]:
    """A folder of event files for each run, ``EXPERIMENT/MODEL-seedS``; those of the same run before are replaced.

    findings: Markdown, in the text of every run.
    """
    event = import_module("tensorboard.compat.proto.event_pb2").Event
    summary = import_module("tensorboard.compat.proto.summary_pb2").Summary
    open_file = import_module("tensorboard.summary.writer.event_file_writer").EventFileWriter
    written = []
    for run in runs:
        folder = into / run.experiment / run.name
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        writer = open_file(str(folder))
        for iteration, values in run.points:
            scalars = [summary.Value(tag=name, simple_value=value) for name, value in values.items()]
            writer.add_event(event(wall_time=time.time(), step=iteration, summary=summary(value=scalars)))
        texts = {f"verdicts/{each.claim}": f"**{each.verdict}** {each.reason}" for each in run.findings}
        texts |= {} if findings is None else {"findings": findings}
        for tag, text in texts.items():
            writer.add_event(event(wall_time=time.time(), step=0, summary=_text(tag, text)))
        writer.close()
        written += sorted(folder.glob("events.out.tfevents.*"))
    return written


def _text(tag: str, text: str) -> Any:
    proto = "tensorboard.compat.proto"
    summaries, shapes = import_module(f"{proto}.summary_pb2"), import_module(f"{proto}.tensor_shape_pb2")
    shape = shapes.TensorShapeProto(dim=[shapes.TensorShapeProto.Dim(size=1)])
    tensor = import_module(f"{proto}.tensor_pb2").TensorProto(
        dtype="DT_STRING", string_val=[text.encode()], tensor_shape=shape
    )
    plugin = import_module("tensorboard.plugins.text.metadata").PLUGIN_NAME
    metadata = summaries.SummaryMetadata(plugin_data=summaries.SummaryMetadata.PluginData(plugin_name=plugin))
    value = summaries.Summary.Value(tag=f"{tag}/text_summary", metadata=metadata, tensor=tensor)
    return summaries.Summary(value=[value])
