"""Which claims an experiment can decide, before it runs: faithful runs are simulated and judged as real ones are.

A faithful run is one of the world that the paper publishes, on as many problems as there are, with the spread over
seeds that the priors expect. A claim can be decided with K replicates where at least 80 of 100 such runs do so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final

from selfimp_bench.canonical import derive_seed
from selfimp_bench.manifest.catalog import find_table
from selfimp_bench.manifest.model import Apart, Cell, Profile
from selfimp_bench.manifest.priors import Priors, find_priors
from selfimp_bench.manifest.reference_table import ReferenceTable, read_table
from selfimp_bench.protocols.registry import protocol_of
from selfimp_bench.runs.study import Experiment
from selfimp_bench.verdict import check
from selfimp_bench.verdict.bench import Bench, Equal, Question, Values
from selfimp_bench.verdict.contrast import Contrast
from selfimp_bench.verdict.findings import Verdict, brief
from selfimp_bench.verdict.logic import AtLeast, Leaf, Node, Not, judge
from selfimp_bench.verdict.ranking import Problems
from selfimp_bench.verdict.simulated import Design, Spread, first_replicates, simulate
from selfimp_bench.verdict.truths import keys_of
from selfimp_bench.verdict.words import expected_effect
from selfimp_bench.verdict.worlds import Claimed, Publication, publication, worlds

REPLICATES: Final = (1, 3, 5)
DRAWS: Final = 20
POWER: Final = 0.8
"""Of faithful runs that many must decide a claim for it to count as one that can be decided."""


@dataclass(frozen=True, kw_only=True)
class Prospect:
    """What becomes of a claim in ``draws`` simulated faithful runs with so many replicates.

    smallest_effect: how far from its bound (a value: from what would refute it) the truth must lie for 80 of 100 runs
    to reproduce it, in the measurement's unit (a value: its table's), with the spread over seeds that the priors expect
    and the mean of the error over problems in all draws; None for a claim of several parts.
    """

    replicates: int
    draws: int
    reproduced: int
    contradicted: int
    smallest_effect: float | None

    @property
    def decided(self) -> bool:
        """Whether at least 80 of 100 come out the same way."""
        return max(self.reproduced, self.contradicted) >= POWER * self.draws


@dataclass(frozen=True, kw_only=True)
class Decidability:
    """Whether a claim about a model can be decided, by the number of replicates.

    unit: of the smallest effects. prospects: none where nothing is published of what it is about. untold: what a run
    must be told from.
    """

    claim: str
    model: str
    unit: str
    prospects: tuple[Prospect, ...]
    untold: str


def decidable_claims(experiment: Experiment) -> tuple[Decidability, ...]:
    """Every claim about every model that is to run; none for a smoke run, which judges none.

    Raises InputError for claims that cannot be judged, or a setting of priors that is not there.
    """
    manifest = experiment.manifest
    if experiment.profile is Profile.SMOKE or manifest.priors is None:
        return ()
    tables = check.tables_of(manifest.claims, lambda name: read_table(find_table(name, experiment.path), name))
    asked = {model.id for model in experiment.models}
    claims = [
        each for each in check.trees(manifest.claims, sorted(asked), tables, manifest.name) if each.model in asked
    ]
    priors = find_priors(manifest.priors, experiment.path)
    return tuple(_prospects(experiment, claims, tables, priors))


def _prospects(
    experiment: Experiment, claims: Sequence[check.OwnClaim], tables: Sequence[ReferenceTable], priors: Priors
) -> Iterator[Decidability]:
    verdicts: dict[int, list[list[Verdict]]] = {count: [] for count in REPLICATES}
    effects: dict[int, list[list[float | None]]] = {count: [] for count in REPLICATES}
    published = _published(experiment, claims, tables)
    world, design = worlds(published)[0], _design(experiment, published, priors)
    for draw in range(DRAWS):
        run = simulate(world, design, derive_seed("decide", experiment.manifest.name, draw))
        for count in REPLICATES:
            bench = Bench(first_replicates(run, count), priors)
            judged = [judge(each.node, bench.ask) for each in claims]
            verdicts[count].append([each.verdict for each in judged])
            effects[count].append([expected_effect(each, bench.tester, count) for each in judged])
    scale = protocol_of(experiment.manifest).scale
    for number, each in enumerate(claims):
        keys = keys_of(each.node)
        prospects = tuple(
            _prospect(count, [one[number] for one in verdicts[count]], [one[number] for one in effects[count]])
            for count in REPLICATES
        )
        yield Decidability(
            claim=each.claim.id,
            model=each.model,
            unit=_unit(each.node) or " or ".join(sorted({scale(key[2].metric).unit for key in keys})),
            prospects=prospects if keys <= world.means.keys() else (),
            untold=untold(each.node),
        )


def _unit(node: Node[Question]) -> str | None:
    """That of the published numbers that a claim is about; None where it is about none."""
    if isinstance(node, Leaf):
        question = node.question
        if isinstance(question, Values):
            return question.numbers[0].row.unit
        return question.number.row.unit if isinstance(question, Equal) else None
    parts = (node.part,) if isinstance(node, Not) else node.parts if isinstance(node, AtLeast) else ()
    return next(filter(None, map(_unit, parts)), None)


def _prospect(count: int, verdicts: Sequence[Verdict], effects: Sequence[float | None]) -> Prospect:
    known = [each for each in effects if each is not None]
    return Prospect(
        replicates=count,
        draws=len(verdicts),
        reproduced=verdicts.count(Verdict.REPRODUCED),
        contradicted=verdicts.count(Verdict.NOT_REPRODUCED),
        smallest_effect=fmean(known) if len(known) == len(effects) else None,
    )


def _published(
    experiment: Experiment, claims: Sequence[check.OwnClaim], tables: Sequence[ReferenceTable]
) -> Publication:
    """The numbers of the cells that the claims ask of."""
    manifest = experiment.manifest
    models = tuple(model.id for model in experiment.models)
    found = publication([Claimed(experiment=manifest.name, models=models, claims=manifest.claims)], None, tables)
    asked = frozenset(key for each in claims for key in keys_of(each.node))
    return replace(found, numbers={key: number for key, number in found.numbers.items() if key in asked})


def _design(experiment: Experiment, published: Publication, priors: Priors) -> Design:
    manifest = experiment.manifest
    problems = {
        (manifest.name, split): Problems(digest=data.digest, name=f"{manifest.name} {split}", count=data.rows)
        for split, data in manifest.datasets.by_split().items()
    }

    def spread(_experiment: str, cell: Cell) -> Spread:
        prior = priors.of(cell.metric, cell.split, cell.iteration)
        return Spread(sd=prior.sd, df=prior.df)

    return Design(problems=problems, spread=spread, replicates=max(REPLICATES), published=published)


def untold(node: Node[Question]) -> str:
    """What a run must be told from for the claim to be reproduced, in words; of several parts each."""
    return " and ".join(dict.fromkeys(_untold(node)))


def _untold(node: Node[Question]) -> Iterator[str]:
    if isinstance(node, Not):
        yield from _untold(node.part)
    elif isinstance(node, AtLeast):
        for part in node.parts:
            yield from _untold(part)
    elif isinstance(node, Leaf):
        yield _of_question(node.question)


def _of_question(question: Question) -> str:
    if isinstance(question, Values | Equal):
        against = question.against
        if isinstance(against, Apart):
            return f"a run {brief(against.apart)} off"
        return "a model that stays as it was" if against == "frozen" else "a run that gives 0"
    if isinstance(question, Contrast) and len(question.weights) > 1 and question.bound == 0:
        return "no difference"
    return f"{brief(question.bound)}"
