"""The panel of worlds for a study's claims: what their files say, made into worlds and runs that show them exactly."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from selfimp_bench.manifest.model import Cell
from selfimp_bench.manifest.priors import Priors
from selfimp_bench.manifest.reference_table import ReferenceTable
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.protocols.protocol import AnyManifest
from selfimp_bench.protocols.registry import protocol_of
from selfimp_bench.verdict import check, groups
from selfimp_bench.verdict.evidence import Evidence
from selfimp_bench.verdict.panel import Asserted, Judge, Paneled, judged_exactly, panel
from selfimp_bench.verdict.ranking import Problems
from selfimp_bench.verdict.simulated import Design, Spread, simulate
from selfimp_bench.verdict.truths import keys_of
from selfimp_bench.verdict.worlds import Claimed, Publication, World, publication, worlds

_SEED: Final = 1
"""Which problems have the high values; the means are exact whatever it is."""


def panel_within(manifest: AnyManifest, tables: Sequence[ReferenceTable], priors: Priors | None) -> tuple[Paneled, ...]:
    """An experiment's own claims in every world. ``tables``: those that they need. priors: to judge them there, too."""
    models = tuple(model.id for model in manifest.models)
    claims = [
        Asserted(claim=each.claim.id, model=each.model, node=each.node)
        for each in check.trees(manifest.claims, models, tables, manifest.name)
    ]
    claimed = Claimed(experiment=manifest.name, models=models, claims=manifest.claims)
    return _panel(claims, publication([claimed], None, tables), [manifest], priors)


def panel_across(
    suite: Suite, manifests: Sequence[AnyManifest], tables: Sequence[ReferenceTable], priors: Priors | None
) -> tuple[Paneled, ...]:
    """A study's claims across its experiments; ``manifests`` are those of them that are there, one at least."""
    claims = [
        Asserted(claim=each.claim.id, model=groups.ALL_MODELS, node=each.node) for each in groups.trees(suite, tables)
    ]
    return _panel(claims, publication([], suite, tables), manifests, priors)


def _panel(
    claims: Sequence[Asserted], found: Publication, manifests: Sequence[AnyManifest], priors: Priors | None
) -> tuple[Paneled, ...]:
    asked = frozenset(key for each in claims for key in keys_of(each.node))
    kept = [
        replace(world, means={key: mean for key, mean in world.means.items() if key in asked})
        for world in worlds(found)
        if world.points is None
    ]
    judge: Judge | None = None if priors is None else judged_exactly(claims, _exactly(manifests), priors)
    return panel(claims, kept, protocol_of(manifests[0]).scale, judge)


def _exactly(manifests: Iterable[AnyManifest]) -> Callable[[World], Evidence]:
    """Runs of one replicate whose seeds move nothing, so that their means are the world's."""
    problems = {
        (manifest.name, split): Problems(digest=data.digest, name=f"{manifest.name} {split}", count=data.rows)
        for manifest in manifests
        for split, data in manifest.datasets.by_split().items()
    }
    design = Design(problems=problems, spread=_unmoved, replicates=1, sd_known=True)

    def run(world: World) -> Evidence:
        there = {key: mean for key, mean in world.means.items() if (key[0], key[2].split) in problems}
        return simulate(replace(world, means=there), design, _SEED)

    return run


def _unmoved(_experiment: str, _cell: Cell) -> Spread:
    return Spread(sd=0.0, df=1.0)
