"""How often the verdicts on a study's claims are right: simulated runs of every world through the real checker.

A draw is one run of a world with as many replicates as are asked for at most; its first 1, 3, 5 are judged. Every claim
is held against what is true in that world (``verdict/truths.py``). Two bars: where a claim is false it is REPRODUCED in
at most 1 run of 100, and an honest run is NOT_REPRODUCED in at most 5 of 100.
"""

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import partial
from io import StringIO
from typing import Final

from selfimp_bench.canonical import derive_seed
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import find_table
from selfimp_bench.manifest.model import Cell
from selfimp_bench.manifest.priors import Priors, find_priors
from selfimp_bench.manifest.reference_table import ReferenceTable, read_table
from selfimp_bench.measurement import Split
from selfimp_bench.runs.study import Experiment, Study
from selfimp_bench.verdict import check, groups
from selfimp_bench.verdict.at_once import Answers, AtOnce, side_by_side
from selfimp_bench.verdict.bench import Question
from selfimp_bench.verdict.evidence import Evidence, Key
from selfimp_bench.verdict.findings import AGAINST_LEVEL, FOR_LEVEL, Verdict
from selfimp_bench.verdict.logic import Node
from selfimp_bench.verdict.paper_check import suite_tables
from selfimp_bench.verdict.ranking import Problems, Ranking
from selfimp_bench.verdict.simulated import Design, Run, Spread, simulated_run
from selfimp_bench.verdict.truths import is_published, is_true, keys_of
from selfimp_bench.verdict.worlds import PUBLISHED, Claimed, Publication, World, publication, worlds

HONEST: Final = "honest"
"""The column of the published world: a faithful run, which differs from the paper's by its seeds."""
MISSED_AT: Final = 0.001
"""A bar counts as missed where so many runs beyond it would come up so rarely at the bar itself."""
_CHUNK: Final = 10
"""Draws that a process does at a time."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What became of one claim in one column of worlds: counts of findings, a run and a model each.

    truth: whether the claim is true there; None where that is not known. column: ``honest``, the points of a
    bias (above and below in turn), or a world.
    """

    claim: str
    kind: str
    column: str
    replicates: int
    truth: bool | None
    reproduced: int
    inconclusive: int
    not_reproduced: int
    not_measured: int

    @property
    def findings(self) -> int:
        """All of them."""
        return self.reproduced + self.inconclusive + self.not_reproduced + self.not_measured


@dataclass(frozen=True, kw_only=True)
class Miss:
    """A bar that a claim missed: ``count`` of ``findings`` were ``verdict``, against ``allowed`` of one."""

    claim: str
    column: str
    replicates: int
    verdict: str
    count: int
    findings: int
    allowed: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A study calibrated with so many draws of every world.

    assumed: cells whose number is taken from a neighbour's; missing: cells without any, whose claims are NOT_MEASURED.
    """

    study: str
    draws: int
    cells: int
    assumed: int
    missing: int
    rates: tuple[Rate, ...]
    misses: tuple[Miss, ...]

    @property
    def judged(self) -> bool:
        """Whether any claim could be judged; else the bars are neither missed nor met."""
        return any(rate.findings > rate.not_measured for rate in self.rates)


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A study ready to be simulated: its claims as trees, what the numbers may be, and how they spread.

    columns: the worlds of each, taken in turn. judged_by: the priors of the claims; priors: those of each experiment.
    """

    study: str
    claims: tuple["SimulatedClaim", ...]
    columns: Mapping[str, tuple[World, ...]]
    problems: Mapping[tuple[str, Split], Problems]
    published: Publication
    judged_by: Priors
    priors: Mapping[str, Priors]


@dataclass(frozen=True, kw_only=True)
class SimulatedClaim:
    """A claim about one model, or across experiments, as a tree."""

    claim: str
    kind: str
    node: Node[Question]


def calibrate(study: Study, *, draws: int, replicates: Sequence[int], processes: int) -> Calibration:
    """Simulate ``draws`` runs of every world and judge them with each number of ``replicates``.

    Equal arguments give equal counts, whatever ``processes``. Raises InputError for a claim that cannot be judged.
    """
    ready = simulated(study)
    tasks = [range(first, min(first + _CHUNK, draws)) for first in range(0, draws, _CHUNK)]
    counts: Counter[_Key] = Counter()
    if processes == 1:
        work = _Work(ready, sorted(replicates))
        for task in tasks:
            counts.update(work.of(task))
    else:
        initial = (ready, sorted(replicates))
        with ProcessPoolExecutor(max_workers=processes, initializer=_keep, initargs=initial) as pool:
            for found in pool.map(_kept, tasks):
                counts.update(found)
    rates = tuple(_rates(counts))
    return Calibration(
        study=study.name,
        draws=draws,
        cells=len(ready.published.numbers) + len(ready.published.missing),
        assumed=len(ready.published.assumed),
        missing=len(ready.published.missing),
        rates=rates,
        misses=tuple(misses(rates)),
    )


def misses(rates: Iterable[Rate]) -> Iterator[Miss]:
    """The bars that are missed by more than chance: P(so many | at the bar) below ``MISSED_AT``."""
    for rate in rates:
        wrong: list[tuple[Verdict, int, float]] = []
        if rate.truth is False:
            wrong.append((Verdict.REPRODUCED, rate.reproduced, FOR_LEVEL))
        if rate.truth and rate.column == HONEST:
            wrong.append((Verdict.NOT_REPRODUCED, rate.not_reproduced, AGAINST_LEVEL))
        for verdict, count, allowed in wrong:
            if _at_least(count, rate.findings, allowed) < MISSED_AT:
                yield Miss(
                    claim=rate.claim,
                    column=rate.column,
                    replicates=rate.replicates,
                    verdict=verdict,
                    count=count,
                    findings=rate.findings,
                    allowed=allowed,
                )


def _at_least(count: int, runs: int, share: float) -> float:
    """P(X >= count) of a binomial."""
    if count <= runs * share:
        return 1.0
    return 1.0 - math.fsum(math.comb(runs, each) * share**each * (1 - share) ** (runs - each) for each in range(count))


def to_csv(found: Calibration) -> str:
    """The rates as a table."""
    text = StringIO()
    names = [field.name for field in fields(Rate)]
    writer = csv.DictWriter(text, ["study", "draws", *names], lineterminator="\n")
    writer.writeheader()
    for rate in found.rates:
        writer.writerow({"study": found.study, "draws": found.draws, **asdict(rate)})
    return text.getvalue()


# ---- one process ----

_Key = tuple[str, str, str, int, bool | None, str]
_kept_work: list["_Work"] = []


def _keep(ready: Simulated, replicates: Sequence[int]) -> None:
    _kept_work[:] = [_Work(ready, replicates)]


def _kept(draws: range) -> Counter[_Key]:
    return _kept_work[0].of(draws)


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """A run's answers to all questions of the claims, and what of the claims is true there."""

    judge: AtOnce
    answers: Answers
    truths: Sequence[bool | None]


class _Work:
    """Draws runs and judges them. What all runs of a world have in common is made once, and so is, of one draw, which
    problems have the high values: the worlds' runs then differ by what is true there, and by their seeds.
    """

    def __init__(self, ready: Simulated, replicates: Sequence[int]) -> None:
        self._ready = ready
        self._replicates = replicates
        self._nodes = [claim.node for claim in ready.claims]
        self._spreads: dict[tuple[str, Cell], Spread] = {}
        self._judges: dict[frozenset[Key], AtOnce] = {}
        self._known: dict[str, Sequence[bool | None]] = {}
        self._design = Design(
            problems=ready.problems, spread=self._spread, replicates=max(replicates), published=ready.published
        )

    def of(self, draws: range) -> Counter[_Key]:
        """The verdicts of some draws of every column, by claim, kind, column, replicates, truth and verdict."""
        found: dict[tuple[str, str], list[_Judged]] = defaultdict(list)
        for draw in draws:
            seed = derive_seed("calibrate", self._ready.study, "problems", draw)
            ranking = Ranking(self._ready.problems, seed, self._design.replicates)
            for column, members in self._ready.columns.items():
                world = members[draw % len(members)]
                found[column, world.name].append(self._judged(world, draw, ranking))
        counts: Counter[_Key] = Counter()
        for (column, _), runs in found.items():
            counts.update(self._counted(column, runs))
        return counts

    def _judged(self, world: World, draw: int, ranking: Ranking) -> "_Judged":
        run = simulated_run(world, self._design, derive_seed("calibrate", self._ready.study, world.name, draw), ranking)
        judge = self._judge(world, run.evidence)
        return _Judged(judge=judge, answers=judge.ask(run.evidence, self._replicates), truths=self._truths(world, run))

    def _truths(self, world: World, run: Run) -> Sequence[bool | None]:
        if world.of is not None:
            return [is_true(node, world.means, run.truth) for node in self._nodes]
        if world.name not in self._known:
            self._known[world.name] = [_truth(node, world) for node in self._nodes]
        return self._known[world.name]

    def _counted(self, column: str, runs: Sequence["_Judged"]) -> Iterator[_Key]:
        judged = runs[0].judge.verdicts(side_by_side([run.answers for run in runs], axis=1))
        asked = [(run, count) for run in runs for count in self._replicates]
        for number, (claim, verdicts) in enumerate(zip(self._ready.claims, judged, strict=True)):
            for (run, count), verdict in zip(asked, verdicts, strict=True):
                yield claim.claim, claim.kind, column, count, run.truths[number], verdict

    def _judge(self, world: World, like: Evidence) -> AtOnce:
        cells = frozenset(world.means)
        if cells not in self._judges:
            self._judges[cells] = AtOnce(self._nodes, like, self._ready.judged_by)
        return self._judges[cells]

    def _spread(self, experiment: str, cell: Cell) -> Spread:
        if (experiment, cell) not in self._spreads:
            prior = self._ready.priors[experiment].of(cell.metric, cell.split, cell.iteration)
            self._spreads[experiment, cell] = Spread(sd=prior.sd, df=prior.df)
        return self._spreads[experiment, cell]


def _truth(node: Node[Question], world: World) -> bool | None:
    """None, too, for published numbers where the run's problems are none of the paper's: that is not asked of them."""
    return None if world.other_problems and is_published(node) else is_true(node, world.means)


def _rates(counts: Mapping[_Key, int]) -> Iterator[Rate]:
    found: dict[tuple[str, str, str, int, bool | None], dict[str, int]] = defaultdict(dict)
    for (claim, kind, column, replicates, truth, verdict), count in counts.items():
        found[claim, kind, column, replicates, truth][verdict] = count
    for (claim, kind, column, replicates, truth), by_verdict in found.items():
        yield Rate(
            claim=claim,
            kind=kind,
            column=column,
            replicates=replicates,
            truth=truth,
            reproduced=by_verdict.get(Verdict.REPRODUCED, 0),
            inconclusive=by_verdict.get(Verdict.INCONCLUSIVE, 0),
            not_reproduced=by_verdict.get(Verdict.NOT_REPRODUCED, 0),
            not_measured=by_verdict.get(Verdict.NOT_MEASURED, 0),
        )


# ---- what is simulated ----


def simulated(study: Study) -> Simulated:
    """A study ready to be simulated: one experiment with its own claims, several with those across them.

    Raises InputError for a claim that cannot be judged.
    """
    tables = _tables(study)
    settings = {each.manifest.name: _setting(each) for each in study.experiments}
    own = settings[study.experiments[0].manifest.name]
    claims = tuple(_own_claims(study.experiments[0], tables))
    if study.across is not None:
        own = study.across.priors or own
        claims = tuple(
            SimulatedClaim(claim=each.claim.id, kind=each.kind, node=each.node)
            for each in groups.trees(study.across, tables)
        )
    published = publication([_claimed(each) for each in study.experiments], study.across, tables)
    published = _needed(published, frozenset(key for claim in claims for key in keys_of(claim.node)))
    columns: dict[str, list[World]] = defaultdict(list)
    for world in worlds(published):
        columns[column_of(world)].append(world)
    return Simulated(
        study=study.name,
        claims=claims,
        columns={name: tuple(members) for name, members in columns.items()},
        problems=_problems(study),
        published=published,
        judged_by=find_priors(own, study.path),
        priors={name: find_priors(setting, study.path) for name, setting in settings.items()},
    )


def _needed(found: Publication, keys: frozenset[Key]) -> Publication:
    """What the claims ask of; the first iterations, too, for a frozen run is like them."""
    series = {(key[0], key[1], key[2].metric, key[2].split) for key in keys}
    kept = {
        key: number for key, number in found.numbers.items() if (key[0], key[1], key[2].metric, key[2].split) in series
    }
    return Publication(
        numbers=kept,
        assumed=found.assumed & kept.keys(),
        missing=tuple(key for key in found.missing if key in keys),
    )


def column_of(world: World) -> str:
    """The column that a world belongs to."""
    if world.name == PUBLISHED:
        return HONEST
    return world.name if world.points is None else str(world.points)


def _claimed(experiment: Experiment) -> Claimed:
    manifest = experiment.manifest
    return Claimed(
        experiment=manifest.name, models=tuple(model.id for model in experiment.models), claims=manifest.claims
    )


def _own_claims(experiment: Experiment, tables: Sequence[ReferenceTable]) -> Iterator[SimulatedClaim]:
    manifest = experiment.manifest
    models = [model.id for model in experiment.models]
    for each in check.trees(manifest.claims, models, tables, manifest.name):
        yield SimulatedClaim(claim=each.claim.id, kind=each.kind, node=each.node)


def _setting(experiment: Experiment) -> str:
    setting = experiment.manifest.priors
    if setting is None:
        raise InputError(f"{experiment.path}: {experiment.manifest.name} names no setting of priors; add priors: to it")
    return setting


def _problems(study: Study) -> dict[tuple[str, Split], Problems]:
    return {
        (experiment.manifest.name, split): Problems(
            digest=data.digest, name=f"{experiment.manifest.name} {split}", count=data.rows
        )
        for experiment in study.experiments
        for split, data in experiment.manifest.datasets.by_split().items()
    }


def _tables(study: Study) -> tuple[ReferenceTable, ...]:
    found: dict[str, ReferenceTable] = {}
    for experiment in study.experiments:
        read = partial(_table, experiment)
        found |= {table.name: table for table in check.tables_of(experiment.manifest.claims, read)}
    for name in () if study.across is None else suite_tables(study.across):
        found.setdefault(name, read_table(find_table(name, study.path), name))
    return tuple(found.values())


def _table(experiment: Experiment, name: str) -> ReferenceTable:
    return read_table(find_table(name, experiment.path), name)
