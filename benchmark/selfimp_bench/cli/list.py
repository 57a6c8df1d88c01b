"""`list`: the studies."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from selfimp_bench.cli.command import command, print_json
from selfimp_bench.plural import plural

if TYPE_CHECKING:
    from selfimp_bench.cli.console import Table
    from selfimp_bench.manifest.suite_model import Suite
    from selfimp_bench.protocols.protocol import AnyManifest

_FIRST = "tiny"
"""Names of what runs on any machine in minutes begin so: it is listed first, the whole of it before all."""


@command("list")
def list_command(*, as_json: bool) -> None:
    """The experiments, alone and several together, with paper, section, claims and size."""
    from selfimp_bench.cli.console import show
    from selfimp_bench.manifest.catalog import entries, studies
    from selfimp_bench.protocols.load import read_across, read_experiment
    from selfimp_bench.runs.describe import size_words

    manifests = [read_experiment(entry.place) for entry in entries()]
    several = [each for entry in studies() if (each := read_across(entry.place)) is not None]
    if as_json:
        alone = [_entry(each, [each.name], [model.id for model in each.models]) for each in manifests]
        print_json([*alone, *(_entry(each, [m.name for m in each.experiments], _models(each)) for each in several)])
        return
    listed: list[tuple[AnyManifest | Suite, str]] = [(each, size_words(each)) for each in manifests]
    listed += [(each, plural(len(each.experiments), "experiment")) for each in several]
    papers = dict.fromkeys((each.paper.id, each.paper.title) for each, _ in listed)
    tables = [[each for each in listed if (each[0].paper.id, each[0].paper.title) == paper] for paper in papers]
    show(_table(of_paper) for of_paper in sorted(tables, key=_place))


def _place(listed: "Sequence[tuple[AnyManifest | Suite, str]]") -> tuple[bool, bool]:
    names = [each.name for each, _ in listed]
    return _FIRST not in names, not names[0].startswith(_FIRST)


def _table(listed: "Sequence[tuple[AnyManifest | Suite, str]]") -> "Table":
    """Those of one paper."""
    from selfimp_bench.cli.console import Column, Table

    columns = (
        Column(name="experiment", room="whole"),
        Column(name="claims", room="whole", right=True),
        Column(name="size"),
        Column(name="title", room="cut", at_least=40),
        Column(name="from", room="cut", at_least=20),
        Column(name="version", room="cut", at_least=7),
    )
    rows = [
        (each.name, str(len(each.claims)), size, each.title, each.paper.section, f"v{each.version}")
        for each, size in listed
    ]
    paper = listed[0][0].paper
    return Table(f"\n{paper.title} ({paper.id})", columns, rows)


def _entry(each: "AnyManifest | Suite", experiments: Sequence[str], models: Sequence[str]) -> dict[str, Any]:
    return {
        "name": each.name,
        "version": each.version,
        "title": each.title,
        "summary": each.summary,
        "paper": each.paper,
        "claims": len(each.claims),
        "models": models,
        "experiments": experiments,
    }


def _models(across: "Suite") -> list[str]:
    return list(dict.fromkeys(model for member in across.experiments for model in member.models))
