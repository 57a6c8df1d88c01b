"""Writing the report of a checked run folder: report.html and figures/."""

from functools import cache
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from selfimp_bench.claims import Findings, from_json
from selfimp_bench.errors import InputError
from selfimp_bench.judge import FINDINGS, RunFiles, read_run
from selfimp_bench.report.curves import Figure, figures_of
from selfimp_bench.report.figures import draw, inputs_digest
from selfimp_bench.report.measured import model_tables
from selfimp_bench.report.provenance import provenance_view
from selfimp_bench.report.svg import inline, is_current
from selfimp_bench.report.verdicts import verdict_view, web_link
from selfimp_bench.store import write_atomically

REPORT = "report.html"
FIGURES = "figures"


def write_report(folder: Path) -> Path:
    """Write the report of a checked run and return its path; the same run folder gives the same bytes.

    Raises InputError when the folder is no finished run, or was not checked.
    """
    run, findings = read_run(folder), _read_findings(folder)
    drawings = {figure.name: _drawing(folder, figure) for figure in figures_of(run, findings)}
    page = render(run, findings, drawings)
    path = folder / REPORT
    write_atomically(path, page.encode())
    return path


def render(run: RunFiles, findings: Findings, drawings: dict[str, str]) -> str:
    """The page. ``drawings`` holds an SVG for every figure's name."""
    figures = figures_of(run, findings)
    return _template().render(
        manifest=run.manifest,
        paper_link=web_link(run.manifest.paper.url),
        record=run.record,
        verdict=verdict_view(run, findings),
        tables=model_tables(run),
        figures=[(figure, Markup(inline(drawings[figure.name]))) for figure in figures],  # checked or drawn here
        provenance=provenance_view(run),
    )


def _read_findings(folder: Path) -> Findings:
    path = folder / FINDINGS
    try:
        return from_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `selfimp-bench check {folder}` writes it") from None
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: not findings of this version ({error}); `selfimp-bench check {folder}`") from None


def _drawing(folder: Path, figure: Figure) -> str:
    """The file that is there when it shows these numbers, else a new one: drawing takes longer than all the rest."""
    path = folder / FIGURES / f"{figure.name}.svg"
    found = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if is_current(found, inputs_digest(figure)):
        return found
    drawn = draw(figure)
    write_atomically(path, drawn.encode())
    return drawn


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")
