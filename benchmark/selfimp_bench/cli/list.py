"""`list`: the experiments."""

from selfimp_bench.cli.command import command, print_json


@command("list")
def list_command(*, as_json: bool) -> None:
    """The experiments, with paper, section, claims and size."""
    from selfimp_bench.cli.screen import console, table
    from selfimp_bench.manifest.catalog import entries, suites
    from selfimp_bench.protocols.load import load_manifest
    from selfimp_bench.protocols.load_suite import load_suite
    from selfimp_bench.runs.describe import size_words

    manifests = [load_manifest(entry.path) for entry in entries()]
    several = [load_suite(entry.path) for entry in suites()]
    if as_json:
        fields = ("name", "version", "title", "summary")
        print_json(
            [
                {field: getattr(manifest, field) for field in fields}
                | {"paper": manifest.paper, "claims": len(manifest.claims), "models": [m.id for m in manifest.models]}
                for manifest in manifests
            ]
            + [
                {field: getattr(suite, field) for field in fields}
                | {"paper": suite.paper, "claims": len(suite.claims), "suite": [m.name for m in suite.experiments]}
                for suite in several
            ]
        )
        return
    screen = console()
    sizes = [(each, size_words(each)) for each in manifests]
    listed = [*sizes, *((each, f"suite of {len(each.experiments)} experiments") for each in several)]
    for paper, title in dict.fromkeys((each.paper.id, each.paper.title) for each, _ in listed):
        lines = [
            (each.name, f"v{each.version}", each.paper.section, str(len(each.claims)), size)
            for each, size in listed
            if (each.paper.id, each.paper.title) == (paper, title)
        ]
        screen.print(table(f"\n{title} ({paper})", ("experiment", "version", "from", "claims", "size"), lines))
