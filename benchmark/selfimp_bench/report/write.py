"""Writing the report of a checked run folder: report.html and figures/."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from selfimp_bench.durable import write_atomically
from selfimp_bench.manifest.reference_table import ReferenceTable
from selfimp_bench.report.answer import answers, grid_columns, summed_up
from selfimp_bench.report.best import best_view
from selfimp_bench.report.chart import Figure
from selfimp_bench.report.curves import figures_of
from selfimp_bench.report.figures import draw, draw_png, inputs_digest, is_current_png
from selfimp_bench.report.measured import model_tables
from selfimp_bench.report.paper_figures import paper_figures
from selfimp_bench.report.paper_tables import PaperTable, paper_tables
from selfimp_bench.report.provenance import provenance_view
from selfimp_bench.report.samples import Place, Samples, samples_of
from selfimp_bench.report.svg import inline, is_current
from selfimp_bench.report.takeaway import file_url
from selfimp_bench.report.templates import template
from selfimp_bench.report.verdicts import verdict_view, web_link
from selfimp_bench.runs.case_studies import CaseStudies, read_case_studies
from selfimp_bench.runs.completions import completions_of
from selfimp_bench.runs.directions import directions
from selfimp_bench.runs.findings_file import read_findings
from selfimp_bench.runs.forms import csv_form
from selfimp_bench.runs.judge import RunFiles, read_run, run_table
from selfimp_bench.verdict.figure_rows import table_names
from selfimp_bench.verdict.findings import Findings, to_json

REPORT = "report.html"
FIGURES = "figures"


def write_report(
    folder: Path, findings: Findings | None = None, into: Path | None = None, *, samples: bool | None = None
) -> Path:
    """Write the report of a run and return its path; the same run gives the same bytes.

    findings: as just judged; None: those that the last check left. into: where page and figures go; None: the run's.
    samples: whether what models wrote is there to browse; None: where it is little (``samples.py``).
    Raises InputError when the folder is no finished run, or was not checked.
    """
    into = folder if into is None else into
    material = _read(folder, findings)
    path = into / REPORT
    manifest = material.run.manifest
    place = Place(report=path, title=manifest.title, command=f"`selfimp-bench report {manifest.name} --samples`")
    page = _render(
        material,
        {figure.name: drawing(into, figure) for figure in material.figures},
        samples_of(lambda: completions_of(folder), place, samples),
    )
    write_atomically(path, page.encode())
    return path


@dataclass(frozen=True, kw_only=True)
class _Material:
    """A run folder, read: what the page is made of. ``tables`` are those that the manifest's figures name."""

    run: RunFiles
    findings: Findings
    studies: CaseStudies
    tables: Mapping[str, ReferenceTable]

    @property
    def tables_of_paper(self) -> tuple[PaperTable, ...]:
        return paper_tables(self.run, self.tables)

    @property
    def of_paper(self) -> tuple[Figure, ...]:
        return paper_figures(self.run, self.findings, self.tables)

    @property
    def of_metrics(self) -> tuple[Figure, ...]:
        return figures_of(self.run, self.findings)

    @property
    def figures(self) -> tuple[Figure, ...]:
        return (*self.of_paper, *self.of_metrics)


def _read(folder: Path, findings: Findings | None) -> _Material:
    run = read_run(folder)
    return _Material(
        run=run,
        findings=_last_findings(folder) if findings is None else findings,
        studies=read_case_studies(folder),
        tables={name: run_table(folder, name) for name in table_names(run.manifest.figures or ())},
    )


def _render(material: _Material, drawings: Mapping[str, "Drawing"], samples: Samples | None) -> str:
    """The page. ``drawings`` holds a drawing for every figure's name."""
    run = material.run
    iterations = {each.iteration for each in run.measurements}
    moved = directions(run)
    found = answers(run.measurements, moved)
    return template("report.html.j2").render(
        manifest=run.manifest,
        paper_link=web_link(run.manifest.paper.url),
        record=run.record,
        verdict=verdict_view(run, material.findings),
        answers=found,
        columns=grid_columns(found),
        summed_up=summed_up(found),
        best=best_view(run, material.tables),
        paper_figures=[(figure, drawings[figure.name]) for figure in material.of_paper],
        paper_tables=material.tables_of_paper,
        iterates=len(iterations) > 1,
        starts_at_0=0 in iterations,
        tables=model_tables(run.measurements, moved, models=run.record.models, seeds=run.record.seeds),
        figures=[(figure, drawings[figure.name]) for figure in material.of_metrics],
        studies=material.studies.studies,
        samples=samples,
        provenance=provenance_view(run),
        files=_files(material),
    )


def _last_findings(folder: Path) -> Findings:
    found = read_findings(folder)
    return Findings(schema=found.schema, findings=found.findings)


def _files(material: _Material) -> Mapping[str, str]:
    """The run's numbers and findings as files: name to address."""
    whole = csv_form(material.run)
    return {
        **{name: file_url(text, "csv") for name, text in whole.items()},
        "findings.json": file_url(to_json(material.findings), "json"),
    }


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure for a page: inside of it, themed; and as files, their addresses."""

    inlined: Markup
    svg: str
    png: str


def drawing(folder: Path, figure: Figure) -> Drawing:
    """A figure's drawing, which lies in figures/: the files there when they show these numbers, else new ones.

    Drawing takes longer than all the rest.
    """
    path = folder / FIGURES / f"{figure.name}.svg"
    svg = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if not is_current(svg, inputs_digest(figure)):
        svg = draw(figure)
        write_atomically(path, svg.encode())
    path = folder / FIGURES / f"{figure.name}.png"
    png = path.read_bytes() if path.is_file() else b""
    if not is_current_png(png, figure):
        png = draw_png(figure)
        write_atomically(path, png)
    return as_drawing(svg, png)


def as_drawing(svg: str, png: bytes) -> Drawing:
    """For a page, from an SVG that was checked or drawn here."""
    return Drawing(inlined=Markup(inline(svg)), svg=file_url(svg, "svg"), png=file_url(png, "png"))
