"""The page of an assessment: one self-contained file in the style of a run's."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from selfimp_bench.durable import write_atomically
from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Measurement
from selfimp_bench.report.curves import curves_of
from selfimp_bench.report.figures import draw, draw_png
from selfimp_bench.report.samples import Place, Samples, samples_of
from selfimp_bench.report.summary import UNDEFINED, number, undefined
from selfimp_bench.report.takeaway import file_url
from selfimp_bench.report.templates import template
from selfimp_bench.report.write import as_drawing
from selfimp_bench.runs.assess.assess import Read
from selfimp_bench.runs.assess.completions import completions_of
from selfimp_bench.runs.assess.measuring import MODEL
from selfimp_bench.runs.assess.results import Assessment, Change, Direction, Measured
from selfimp_bench.verdict.findings import Findings

_STYLES: Final = {
    Direction.PROGRESS: "reproduced",
    Direction.REGRESS: "not-reproduced",
    Direction.REVERSAL: "not-reproduced",
    Direction.UNDECIDED: "inconclusive",
    Direction.NO_CHANGE_SHOWN: "inconclusive",
    Direction.MEASURED: "none",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A metric: its values by checkpoint, and the change from the first to the last."""

    name: str
    values: tuple[tuple[str, str], ...]
    direction: str
    change: str
    detail: str


def write_assessment(found: Assessment, path: Path, read: Read | None = None, *, samples: bool | None = None) -> None:
    """Write the page.

    read: the generations, to browse; None: without them. samples: whether they are wanted (``samples_of``).
    Raises InputError for a name that is none of a page, or a place that cannot be written to.
    """
    if path.suffix not in (".html", ".htm"):
        raise InputError(f"--report {path}: expected a name ending in .html")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        browsed = None
        if read is not None:
            place = Place(report=path, title="Generations", command="`--samples` with `--report`")
            collected = [each for each in (read.test, read.ood) if each is not None]
            browsed = samples_of(lambda: completions_of(collected), place, samples)
        write_atomically(path, page(found, browsed).encode())
    except OSError as error:
        raise InputError(
            f"--report {path}: {error.strerror}; expected a file in a folder that can be written to"
        ) from None


def page(found: Assessment, samples: Samples | None = None) -> str:
    """The page; equal assessments give equal pages."""
    changes = {(each.metric, each.split): each for each in found.changes}
    essential = [
        each
        for each in found.changes
        if each.essential or (each.metric, each.split) == (found.headline.accuracy, "test")
    ]
    keys = dict.fromkeys((each.metric, each.split) for each in found.measurements)
    figures = curves_of(_measurements(found), Findings(schema=2, findings=()), x="checkpoint")
    return template("assessment.html.j2").render(
        found=found,
        style=_STYLES[found.headline.direction],
        essential=[_row(found, key, changes.get(key)) for key in [(each.metric, each.split) for each in essential]],
        rows=[_row(found, key, changes.get(key)) for key in keys],
        figures=[(figure, as_drawing(draw(figure), draw_png(figure))) for figure in figures],
        files={"assessment.json": file_url(json.dumps(found.as_json(), indent=2) + "\n", "json")},
        samples=samples,
    )


def _measurements(found: Assessment) -> list[Measurement]:
    return [
        Measurement(
            model=MODEL,
            metric=each.metric,
            split=each.split,
            iteration=each.checkpoint,
            replicate=0,
            value=each.value,
            unit=each.unit,
            n=each.n,
            undefined=each.undefined,
            standard_error=each.standard_error,
            reason=each.reason,
        )
        for each in found.measurements
    ]


def _row(found: Assessment, key: tuple[str, str], change: Change | None) -> Row:
    by_checkpoint = {each.checkpoint: each for each in found.measurements if (each.metric, each.split) == key}
    direction, words, detail = _moved(change)
    return Row(
        name=key[0] if key[1] == "test" else f"{key[0]} on {key[1]}",
        values=tuple(_entry(by_checkpoint.get(each.number)) for each in found.checkpoints),
        direction=direction,
        change=words,
        detail=detail,
    )


def _entry(measured: Measured | None) -> tuple[str, str]:
    if measured is None:
        return "not measured", ""
    if measured.value is None:
        return undefined(measured.reason), f"n {measured.n}"
    error = UNDEFINED if measured.standard_error is None else number(measured.standard_error)
    return number(measured.value), f"± {error}, n {measured.n}"


def _moved(change: Change | None) -> tuple[str, str, str]:
    """Direction, the change in words, and what is to be said of it."""
    if change is None or change.estimate is None:
        return "unknown", "not compared", "" if change is None else change.reason or ""
    interval = ""
    if change.low is not None and change.high is not None:
        interval = f" ({number(change.low)} to {number(change.high)})"
    sign = "+" if change.estimate > 0 else ""
    detail = change.reason or f"{change.n} problems"
    return change.shown or "unclear", f"{sign}{number(change.estimate)}{interval}", detail
