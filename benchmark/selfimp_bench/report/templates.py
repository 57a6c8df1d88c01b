"""The pages' templates, and what they are made of: files beside this module."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from selfimp_bench.plural import plural
from selfimp_bench.report.answer import by_name
from selfimp_bench.report.names import titled
from selfimp_bench.report.takeaway import csv_of, file_stem, file_url

_FOLDER = Path(__file__).parent


@cache
def template(name: str) -> Template:
    """A page's template, beside this module."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plural": plural, "by_name": by_name, "sentence": titled, "csv": _csv, "stem": file_stem}
    return environment.get_template(name)


def _csv(html: str) -> str:
    return file_url(csv_of(html), "csv")


@cache
def source(name: str) -> str:
    """A file beside this module, as it is."""
    return (_FOLDER / name).read_text(encoding="utf-8")
