"""The answer on top of a page: progress, regress or reversal of every model, and where each capability went."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.plural import plural
from selfimp_bench.report.names import measured_words, reworded, titled
from selfimp_bench.report.summary import UNDEFINED, Series, number, series_of
from selfimp_bench.runs.assess.results import Change
from selfimp_bench.runs.assess.results import Direction as Word
from selfimp_bench.runs.directions import Direction
from selfimp_bench.verdict.findings import brief

_VERBS: Final[Mapping[str | None, str]] = {"up": "rose", "down": "fell", None: "is not shown to change"}


@dataclass(frozen=True, kw_only=True)
class Capability:
    """One measurement from the first to the last model.

    direction: ``up``, ``down``, ``unclear`` or ``unknown``. tone: whether that is better or worse; empty where neither
    is shown, or better as such. detail: of how many problems, or why nothing could be shown; and if it decides nothing.
    """

    name: str
    first: str
    last: str
    change: str
    direction: str
    tone: Literal["better", "worse", ""]
    detail: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of one model. word: ``Reversal``. lead: that of accuracy, with the numbers; rest: of all else.

    unseen: essentials that were not, in words.
    """

    model: str
    word: str
    lead: str
    rest: str
    first: int
    last: int
    capabilities: tuple[Capability, ...]
    unseen: tuple[str, ...]


_Key = tuple[str, str, Split]


def answers(measurements: Iterable[Measurement], moved: Sequence[Direction]) -> tuple[Answer, ...]:
    """One for every model of several iterations. moved: what ``directions`` says of the run that measured these."""
    series = {(each.model, each.metric, each.split): each for each in series_of(measurements)}
    return tuple(_answer(each, series) for each in moved)


def summed_up(found: Sequence[Answer]) -> str:
    """All models in a sentence; empty where none has a direction."""
    if len(found) == 1:
        return found[0].lead
    counts = Counter(each.word for each in found)
    parts = [f"{each} in {count} of {len(found)}" for each in Word if (count := counts[titled(each)])]
    return f"{titled(', '.join(parts))}." if parts else ""


def grid_columns(found: Iterable[Answer]) -> tuple[str, ...]:
    """The capabilities that some model has, in the order of the first that has most."""
    ordered = sorted(found, key=lambda each: -len(each.capabilities))
    return tuple(dict.fromkeys(one.name for each in ordered for one in each.capabilities))


def by_name(answer: Answer) -> Mapping[str, Capability]:
    """An answer's capabilities by what they are called."""
    return {each.name: each for each in answer.capabilities}


def _answer(found: Direction, series: Mapping[_Key, Series]) -> Answer:
    word = titled(found.headline.direction)
    return Answer(
        model=found.model,
        word=word,
        lead=f"{word}: {_moved(found.family[0], found, series)}.",
        rest=_rest(found, series),
        first=found.first,
        last=found.last,
        capabilities=tuple(_capability(each, found, series) for each in found.family),
        unseen=tuple(map(reworded, found.headline.unseen)),
    )


def _rest(found: Direction, series: Mapping[_Key, Series]) -> str:
    """What else moved, a sentence a kind."""
    accuracy, *others = found.family
    worse = [each for each in others if each.shown not in (None, each.good)]
    better = [each for each in others if each.shown is not None and each.shown == each.good]
    kinds = (("Worse", worse), ("Better", better))
    parts = [f"{words}: {_listed(every, found, series)}." for words, every in kinds if every]
    if accuracy.shown == "up" and not worse:
        able = sum(each.reason is None for each in others)
        none = "Nothing else could be compared, so that a reversal could not have been seen."
        parts.insert(0, f"Of {plural(able, 'other')} compared none is shown to be worse." if able else none)
    return " ".join(parts)


def _listed(every: Sequence[Change], found: Direction, series: Mapping[_Key, Series]) -> str:
    return ", ".join(_from_to(each, found, series) for each in every)


def _moved(change: Change, found: Direction, series: Mapping[_Key, Series]) -> str:
    name = measured_words(change.metric, change.split)
    first, last = _ends(change, found, series)
    words = f"{name} {_VERBS[change.shown]}, {_brief(first)} to {_brief(last)}"
    if change.estimate is None or change.low is None or change.high is None:
        return words
    return f"{words}, by {_brief(change.estimate)} ({_brief(change.low)} to {_brief(change.high)})"


def _from_to(change: Change, found: Direction, series: Mapping[_Key, Series]) -> str:
    first, last = _ends(change, found, series)
    return f"{measured_words(change.metric, change.split)} {_brief(first)} to {_brief(last)}"


def _ends(change: Change, found: Direction, series: Mapping[_Key, Series]) -> tuple[float | None, float | None]:
    cells = series[found.model, change.metric, change.split].cells
    return cells[change.first].value, cells[change.last].value


def _brief(value: float | None) -> str:
    return UNDEFINED if value is None else brief(round(value, 4))


def _capability(change: Change, found: Direction, series: Mapping[_Key, Series]) -> Capability:
    first, last = _ends(change, found, series)
    return Capability(
        name=titled(measured_words(change.metric, change.split)),
        first=UNDEFINED if first is None else number(first),
        last=UNDEFINED if last is None else number(last),
        change=change_words(change),
        direction=direction_of(change),
        tone=_tone(change),
        detail=change.reason or plural(change.n, "problem"),
    )


def _tone(change: Change) -> Literal["better", "worse", ""]:
    if change.shown is None or change.good is None:
        return ""
    return "better" if change.shown == change.good else "worse"


def direction_of(change: Change) -> str:
    """How a change is marked: unknown where nothing could be compared, unclear where no direction is shown."""
    return "unknown" if change.estimate is None else change.shown or "unclear"


def change_words(change: Change) -> str:
    """``+0.2950 (0.2103 to 0.3797)``: the change and its 95 % interval."""
    if change.estimate is None:
        return "not compared"
    sign = "+" if change.estimate > 0 else ""
    interval = "" if change.low is None or change.high is None else f" ({number(change.low)} to {number(change.high)})"
    return f"{sign}{number(change.estimate)}{interval}"
