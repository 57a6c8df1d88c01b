"""The page of an assessment: one self-contained file in the style of a run's."""

import json
from pathlib import Path
from typing import Final

from selfimp_bench.durable import write_atomically
from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Measurement
from selfimp_bench.report.answer import answers
from selfimp_bench.report.curves import curves_of
from selfimp_bench.report.figures import draw, draw_png
from selfimp_bench.report.measured import model_tables
from selfimp_bench.report.samples import Place, Samples, samples_of
from selfimp_bench.report.takeaway import file_url
from selfimp_bench.report.templates import template
from selfimp_bench.report.write import as_drawing
from selfimp_bench.runs.assess.assess import Read
from selfimp_bench.runs.assess.completions import completions_of
from selfimp_bench.runs.assess.essentials import family_of
from selfimp_bench.runs.assess.measuring import MODEL
from selfimp_bench.runs.assess.results import Assessment, Direction
from selfimp_bench.runs.directions import Direction as Moved
from selfimp_bench.verdict.findings import Findings

_STYLES: Final = {
    Direction.PROGRESS: "reproduced",
    Direction.REGRESS: "not-reproduced",
    Direction.REVERSAL: "not-reproduced",
    Direction.NO_CHANGE_SHOWN: "inconclusive",
    Direction.MEASURED: "none",
}


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
    measurements = _measurements(found)
    moved = _directions(found)
    tables = model_tables(measurements, moved, models=[MODEL], seeds=[])
    figures = curves_of(measurements, Findings(schema=2, findings=()), x="checkpoint")
    return template("assessment.html.j2").render(
        found=found,
        style=_STYLES[found.headline.direction],
        answers=answers(measurements, moved),
        tables=tables,
        figures=[(figure, as_drawing(draw(figure), draw_png(figure))) for figure in figures],
        files={"assessment.json": file_url(json.dumps(found.as_json(), indent=2) + "\n", "json")},
        samples=samples,
    )


def _directions(found: Assessment) -> list[Moved]:
    """As a run of one model has it; none of one checkpoint."""
    if not found.changes:
        return []
    family, last = family_of(found.changes), len(found.checkpoints)
    return [Moved(model=MODEL, first=1, last=last, headline=found.headline, changes=found.changes, family=family)]


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
