"""Comparing two runs: every measurement, its difference, and how many points each component explains.

A component is swapped alone, once from each side: A's generations judged by B's grader, and B's by A's. What both sides
say together differs where components act on each other; the rest of each side says how much.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import fsum, isclose
from pathlib import Path
from typing import Final

from selfimp_bench.plural import plural
from selfimp_bench.runs.diff.causes import Cause, causes_of
from selfimp_bench.runs.diff.mixing import COMPONENTS, CannotSwapError, Cell, Mix, Mixer, means
from selfimp_bench.runs.diff.pins import Pin, differing_pins, differing_records
from selfimp_bench.runs.diff.sides import Side, opened, pairs_of, sides_of

CLOSE: Final = 1e-9
"""Numbers that differ by less are equal: libraries sum in another order."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Points of a difference (B less A, in the metric's unit) by swapping one component alone.

    from_a: in A, for B's; from_b: in B, for A's, so that both have the sign of the difference. None: not to be had.
    """

    component: str
    from_a: float | None
    from_b: float | None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One measurement of both runs, each the mean over its replicates; None where it is undefined.

    model: empty where both runs have one model. effects: of the components that differ. rest_from_a, rest_from_b: the
    difference less all effects from that side: what the components do together.
    """

    model: str
    metric: str
    split: str
    iteration: int
    a: float | None
    b: float | None
    difference: float | None
    effects: tuple[Effect, ...] = ()
    rest_from_a: float | None = None
    rest_from_b: float | None = None

    def whole(self) -> str | None:
        """The component that has the whole difference by all that is known; None where no single one has."""
        if len(self.effects) == 1:
            return self.effects[0].component
        for effect in self.effects if self.difference is not None else ():
            others = [each for each in self.effects if each is not effect]
            if _all_known(effect, self.difference) and all(_all_known(each, 0.0) for each in others):
                return effect.component
        return None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two runs of an experiment each, compared.

    a, b: what they are, NAME/ID. equal: nothing is pinned differently, and every step wrote the same. pins, records:
    what the manifests pin and the records tell differently. causes: why the models wrote other texts. differing: the
    components that differ; cells: every measurement that differs; same: how many do not; only_a, only_b: how many one
    run has alone. cannot: what could not be swapped, and why. words: the result in sentences.
    """

    a: str
    b: str
    equal: bool
    pins: tuple[Pin, ...]
    records: tuple[Pin, ...]
    causes: tuple[Cause, ...]
    differing: tuple[str, ...]
    cells: tuple[Compared, ...]
    same: int
    only_a: int
    only_b: int
    cannot: tuple[str, ...]
    words: tuple[str, ...] = field(default=())


def diff_runs(a: str, b: str, home: Path) -> tuple[Difference, ...]:
    """Compare two runs, or the experiments that two studies have in common.

    a, b: run folders, runs of the home by NAME or NAME/ID, or bundles. Raises InputError for what is none of these,
    and for what was changed since its run.
    """
    with opened(a, home) as one, opened(b, home) as other:
        return tuple(_compare(*sides_of(pair, one, other)) for pair in pairs_of(one, other))


def _compare(a: Side, b: Side) -> Difference:
    with tempfile.TemporaryDirectory(prefix="selfimp-bench-diff-") as scratch:
        return _compared(a, b, Path(scratch) / "store")


def _compared(a: Side, b: Side, scratch: Path) -> Difference:
    ours, theirs = (means(side, side.run.measurements) for side in (a, b))
    both = [cell for cell in ours if cell in theirs]
    pins, records = differing_pins(a, b), differing_records(a.run.record, b.run.record)
    changed = [cell for cell in both if not _close(ours[cell], theirs[cell])]
    differing, causes = tuple[str, ...](), tuple[Cause, ...]()
    cannot: list[str] = []
    effects: Mapping[Cell, tuple[Effect, ...]] = {}
    if lacking := [side.label for side in (a, b) if not side.as_planned]:
        cannot.append(f"the installed version plans {' and '.join(lacking)} by other steps: nothing can be swapped")
    else:
        mixer = Mixer(a, b, scratch)
        differing = tuple(name for name in COMPONENTS if name not in mixer.equal)
        causes = causes_of(a, b, mixer.generations_behind()) if "generations" in differing else ()
        effects = _effects(mixer, differing, changed, cannot) if changed else {}
    found = Difference(
        a=_subject(a),
        b=_subject(b),
        equal=not pins and not differing and not cannot and ours == theirs,
        pins=pins,
        records=records,
        causes=causes,
        differing=differing,
        cells=tuple(_cell(cell, ours[cell], theirs[cell], effects.get(cell, ())) for cell in changed),
        same=len(both) - len(changed),
        only_a=len(ours) - len(both),
        only_b=len(theirs) - len(both),
        cannot=tuple(dict.fromkeys(cannot)),
    )
    return replace(found, words=tuple(_words(found)))


def _subject(side: Side) -> str:
    return f"{side.run.folder.parent.name}/{side.run.folder.name}"


def _effects(
    mixer: Mixer, differing: tuple[str, ...], cells: list[Cell], cannot: list[str]
) -> dict[Cell, tuple[Effect, ...]]:
    """By cell, what every differing component does alone."""
    swaps = {name: tuple(_swap(mixer, name, side, cells, cannot) for side in (0, 1)) for name in differing}
    return {
        cell: tuple(
            Effect(
                component=name,
                from_a=_points(cell, swaps[name][0], 1),
                from_b=_points(cell, swaps[name][1], -1),
            )
            for name in differing
        )
        for cell in cells
    }


@dataclass(frozen=True, kw_only=True)
class _Swap:
    """What was measured before and after one component was swapped; of data also what the problems in common change."""

    before: Mapping[Cell, float | None]
    after: Mapping[Cell, float | None]
    coverage: tuple[tuple[Mapping[Cell, float | None], Mapping[Cell, float | None]], ...]


def _swap(mixer: Mixer, component: str, side: int, cells: list[Cell], cannot: list[str]) -> _Swap | None:
    label = "AB"[side]
    own = _side(side)
    try:
        common = bool("data" not in mixer.equal and mixer.uncommon)
        before = mixer.values(replace(own, common=common))
        after = mixer.values(replace(own.swapped(component), common=common))
        both = (0, 1) if component == "data" and common else ()
        coverage = tuple((mixer.values(_side(one)), mixer.values(replace(_side(one), common=True))) for one in both)
    except CannotSwapError as error:
        cannot.append(f"{component} in {label}: {error}")
        return None
    if lacking := dict.fromkeys(cell.metric for cell in cells if cell not in after):
        cannot.append(f"{component} in {label}: not {', '.join(lacking)}: what these need was not kept of all texts")
    return _Swap(before=before, after=after, coverage=coverage)


def _side(side: int) -> Mix:
    return Mix(data=side, generations=side, grader=side, metrics=side)


def _points(cell: Cell, swap: _Swap | None, sign: int) -> float | None:
    if swap is None:
        return None
    parts = [(swap.after.get(cell), swap.before.get(cell), sign)]
    for (whole, common), way in zip(swap.coverage, (-1, 1), strict=False):
        parts.append((whole.get(cell), common.get(cell), way))
    if any(after is None or before is None for after, before, _ in parts):
        return None
    return fsum(way * (after - before) for after, before, way in parts if after is not None and before is not None)


def _cell(cell: Cell, a: float | None, b: float | None, effects: tuple[Effect, ...]) -> Compared:
    difference = None if a is None or b is None else b - a
    return Compared(
        model=cell.model,
        metric=cell.metric,
        split=cell.split,
        iteration=cell.iteration,
        a=a,
        b=b,
        difference=difference,
        effects=effects,
        rest_from_a=_rest(difference, [each.from_a for each in effects]),
        rest_from_b=_rest(difference, [each.from_b for each in effects]),
    )


def _rest(difference: float | None, effects: list[float | None]) -> float | None:
    known = [each for each in effects if each is not None]
    return None if difference is None or len(known) < len(effects) or not effects else difference - fsum(known)


def _all_known(effect: Effect, value: float | None) -> bool:
    """Whether an effect is that, from the sides from which it is known."""
    known = [each for each in (effect.from_a, effect.from_b) if each is not None]
    return bool(known) and all(_close(each, value) for each in known)


def _close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)


def _words(found: Difference) -> Iterator[str]:
    if found.equal:
        yield f"equal: the same pins, and all {plural(found.same, 'measurement')}"
        return
    if not found.same and not found.cells:
        yield "no measurement in common: nothing was compared"
        return
    if not found.cells:
        yield f"equal: all {plural(found.same, 'measurement')} that both have"
        return
    whole, of = Counter(each.whole() for each in found.cells), len(found.cells)
    for component in COMPONENTS:
        if whole[component]:
            yield f"{component}: the whole difference of {whole[component]} of {plural(of, 'measurement')}"
    if whole[None]:
        yield f"{whole[None]} of {plural(of, 'measurement')}: of no component alone"
    behind = tuple(dict.fromkeys(cause.component for cause in found.causes))
    if behind:
        yield f"behind the generations: {', '.join(behind)}"
    if len(behind) > 1:
        yield "to tell these apart takes a run with one of them changed"
    roots = {*behind, *(name for name in found.differing if name != "generations" or not behind)}
    if len(roots) == 1 and behind:
        yield f"so the whole difference comes of one thing: {roots.pop()}"
