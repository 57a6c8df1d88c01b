"""What the headline rests on, of whatever was measured at two checkpoints: accuracy, essentials, and their changes.

``assess`` and the report of a run (``runs/directions.py``) ask the same question here; ``headline.py`` has the rules.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from selfimp_bench.measurement import Split
from selfimp_bench.runs.assess.headline import headline, named, with_directions
from selfimp_bench.runs.assess.paired import paired
from selfimp_bench.runs.assess.results import Change, Headline

Values = Mapping[str, float | None]
"""By problem; None where it is undefined."""
Ends = Mapping[tuple[str, Split], tuple[Values, Values]]
"""By metric and split, the values at the first and at the last checkpoint."""

_ACCURACIES: Final = ("pass@1", "coverage", "accuracy")
"""What the headline is about: the first of them that was measured. The last two are one: the share of the samples."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The headline, every change, and (``family``) those that may be called up or down, accuracy first."""

    headline: Headline
    changes: tuple[Change, ...]
    family: tuple[Change, ...]


def accuracy_of(on_test: Iterable[str]) -> str:
    """The measurement of the test problems that the headline is about."""
    measured = set(on_test)
    return next((each for each in _ACCURACIES if each in measured), _ACCURACIES[1])


def judged(ends: Ends, *, first: int, last: int) -> Judged:
    """Every change with its direction, where one is shown, and what they say together.

    Raises KeyError where no accuracy was measured.
    """
    primary = _primary(ends)
    wanted = _wanted(primary[0], ends)
    essentials = {(name, split): good for _, name, split, good in wanted if (name, split) in ends}
    changes = {
        key: _change(key, pair, key in essentials, essentials.get(key), first, last) for key, pair in ends.items()
    }
    family = (primary, *essentials)
    given = with_directions(list(changes.values()), [changes[key] for key in family])
    decided = dict(zip(changes, given, strict=True))
    return Judged(
        headline=headline(given, decided[primary], [*_unmeasured(ends, wanted), *_undecided(given)]),
        changes=tuple(given),
        family=tuple(decided[key] for key in family),
    )


def family_of(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Those of all changes that may be called up or down, as ``judged`` has them; none of no changes."""
    every = {(each.metric, each.split): each for each in changes}
    primary = _primary(every)
    wanted = _wanted(primary[0], every)
    keys = (primary, *((name, split) for _, name, split, _ in wanted))
    return tuple(every[key] for key in keys if key in every)


_Key = tuple[str, Split]
_Wanted = tuple[str, str, Split, Literal["up", "down"]]


def _primary(measured: Collection[_Key]) -> _Key:
    return accuracy_of(metric for metric, split in measured if split is Split.TEST), Split.TEST


def _wanted(accuracy: str, measured: Collection[_Key]) -> Sequence[_Wanted]:
    """Kind, measurement, split and better direction of every essential."""
    sizes = [int(found[1]) for name, split in measured if split is Split.TEST and (found := _PASS_AT.fullmatch(name))]
    coverage: _Wanted = ("coverage", "coverage", Split.TEST, "up")
    return (
        *([coverage] if accuracy == "pass@1" else []),
        ("pass@k", f"pass@{max(sizes, default=0)}", Split.TEST, "up"),
        ("diversity", "distinct-n.correct.equal", Split.TEST, "up"),
        ("diversity", "distinct-equations.correct.equal", Split.TEST, "up"),
        ("diversity", "sbert-diversity.correct", Split.TEST, "up"),
        ("out of distribution", "pass@1", Split.OOD, "up"),
        ("group disparity", "group-disparity", Split.TEST, "down"),
        ("group disparity", "group-disparity", Split.OOD, "down"),
    )


_PASS_AT: Final = re.compile(r"pass@([2-9]|[1-9][0-9]+)")


def _unmeasured(measured: Collection[_Key], wanted: Sequence[_Wanted]) -> list[str]:
    """Kinds of essentials of which nothing was measured."""
    seen = {kind for kind, name, split, _ in wanted if (name, split) in measured}
    return [kind for kind in dict.fromkeys(kind for kind, *_ in wanted) if kind not in seen]


def _undecided(changes: Iterable[Change]) -> list[str]:
    return [f"{named(each)} ({each.reason})" for each in changes if each.essential and each.reason is not None]


def _change(
    key: tuple[str, Split],
    pair: tuple[Values, Values],
    essential: bool,
    good: Literal["up", "down"] | None,
    first: int,
    last: int,
) -> Change:
    found = paired(*pair, reach=reach_of(key[0]))
    return Change(
        metric=key[0],
        split=key[1],
        first=first,
        last=last,
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        p_up=found.up,
        p_down=found.down,
        n=found.n,
        essential=essential,
        good="up" if key[0] in _ACCURACIES else good,
        reason=found.few,
    )


def reach_of(metric: str) -> float:
    """From the least that a difference of two values can be to the most."""
    if metric.startswith(("relative-gap", "group-disparity")):
        return float("inf")
    return 4.0 if metric.startswith(("gap", "overconfidence", "ece")) else 2.0
