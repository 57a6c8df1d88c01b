"""`list`: the studies."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from selfimp_bench.cli.command import command, print_json

if TYPE_CHECKING:
    from selfimp_bench.manifest.suite_model import Suite
    from selfimp_bench.protocols.protocol import AnyManifest


@command("list")
def list_command(*, as_json: bool) -> None:
    """The experiments, alone and several together, with paper, section, claims and size."""
    from selfimp_bench.cli.console import console, table
    from selfimp_bench.manifest.catalog import entries, studies
    from selfimp_bench.protocols.load import read_across, read_experiment
    from selfimp_bench.runs.describe import size_words

    manifests = [read_experiment(entry.place) for entry in entries()]
    several = [each for entry in studies() if (each := read_across(entry.place)) is not None]
    if as_json:
        alone = [_entry(each, [each.name], [model.id for model in each.models]) for each in manifests]
        print_json([*alone, *(_entry(each, [m.name for m in each.experiments], _models(each)) for each in several)])
        return
    screen = console()
    sizes = [(each, size_words(each)) for each in manifests]
    listed: list[tuple[AnyManifest | Suite, str]] = [*sizes]
    listed += [(each, f"{len(each.experiments)} experiments") for each in several]
    for paper, title in dict.fromkeys((each.paper.id, each.paper.title) for each, _ in listed):
        lines = [
            (each.name, f"v{each.version}", each.paper.section, str(len(each.claims)), size)
            for each, size in listed
            if (each.paper.id, each.paper.title) == (paper, title)
        ]
        screen.print(table(f"\n{title} ({paper})", ("experiment", "version", "from", "claims", "size"), lines))


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
