"""Event files of TensorBoard, by its own package: scalars by iteration, and findings as text."""

import time
from collections.abc import Sequence
from pathlib import Path

from selfimp_bench.runs.trackers.tracked import Tracked


def write_tensorboard(runs: Sequence[Tracked], findings: str | None, into: Path) -> list[Path]:
    """A folder of event files for each run, ``EXPERIMENT/MODEL-seedS``; those of the same run before are replaced.

    findings: Markdown, in the text of every run.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    written = []
    for run in runs:
        folder = into / run.experiment / run.name
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        writer = EventFileWriter(str(folder))
        for iteration, values in run.points:
            scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
            writer.add_event(Event(wall_time=time.time(), step=iteration, summary=Summary(value=scalars)))
        texts = {f"verdicts/{each.claim}": f"**{each.verdict}** {each.reason}" for each in run.findings}
        texts |= {} if findings is None else {"findings": findings}
        for tag, text in texts.items():
            writer.add_event(Event(wall_time=time.time(), step=0, summary=_text(tag, text)))
        writer.close()
        written += sorted(folder.glob("events.out.tfevents.*"))
    return written


def _text(tag: str, text: str) -> object:
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.plugins.text.metadata import PLUGIN_NAME

    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=shape)
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME))
    return Summary(value=[Summary.Value(tag=f"{tag}/text_summary", metadata=metadata, tensor=tensor)])
