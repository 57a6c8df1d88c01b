"""What a measurement is called in words: in titles, on axes, in tables; and what of a model it is about."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from selfimp_bench.measurement import Split

SHARE: Final = "share"
_MOST_NAMED: Final = 2
"""So many kinds of metrics are named on one axis; of more only the unit is."""


@dataclass(frozen=True, kw_only=True)
class _Family:
    """Metrics that differ only after the first dot. of: what their shares are shares of, for an axis."""

    words: str
    of: str
    capability: str


_GAP: Final = "Generation-verification gap"
_FAMILIES: Final[Mapping[str, _Family]] = {
    "pass@1": _Family(words="accuracy (pass@1)", of="share of problems", capability="Accuracy"),
    "accuracy": _Family(words="accuracy of the samples", of="share of samples", capability="Accuracy"),
    "coverage": _Family(words="coverage", of="share of samples", capability="Coverage and pass@k"),
    "distinct-n": _Family(words="distinct-n", of="share of n-grams", capability="Diversity"),
    "distinct-equations": _Family(words="distinct equations", of="share of equations", capability="Diversity"),
    "sbert-diversity": _Family(words="Sentence-BERT diversity", of="1 - mean cosine", capability="Diversity"),
    "group-disparity": _Family(words="group disparity", of="share of level 1", capability="Group disparity"),
    "ece": _Family(words="expected calibration error", of="difference of shares", capability="Calibration"),
    "overconfidence": _Family(words="overconfidence", of="difference of shares", capability="Calibration"),
    "balance": _Family(words="balance score", of="score from 0 to 1", capability="Training sets"),
    "tail-share": _Family(words="hard rows of the training set", of="share of rows", capability="Training sets"),
    "gap": _Family(words="generation-verification gap", of="difference of shares", capability=_GAP),
    "relative-gap": _Family(words="relative gap", of="share of the missing accuracy", capability=_GAP),
    "filtered-accuracy": _Family(words="accuracy of what is kept", of="share of kept samples", capability=_GAP),
    "kept-share": _Family(words="share that is kept", of="share of samples", capability="Verifiers"),
    "scored-share": _Family(words="usable judgements", of="share of samples", capability="Verifiers"),
}
_ENDINGS: Final[Mapping[str, str]] = {
    "correct": "of correct outputs",
    "incorrect": "of incorrect outputs",
    "equal": "in equal numbers",
    "flexible": "flexible extraction",
    "strict": "strict extraction",
    "agreement": "by agreement",
    "choices": "by choices",
}
_PASS_AT: Final = re.compile(r"pass@(?P<k>\d+|\*|k)")
_IMPROVED: Final = re.compile(r"is-pass@(?P<n>\d+|\*)\.(?P<reading>first|previous)(?P<plain>\.plain)?")
_EARLIER: Final = {"first": "M_1", "previous": "M_(t-1)"}
_SPLITS: Final = {
    Split.TEST: "on the test problems",
    Split.OOD: "out of distribution",
    Split.TRAIN: "on the training problems",
}


def metric_words(metric: str) -> str:
    """``distinct-n of correct outputs``; a name that says itself, or that nobody has put in words, as it is."""
    if improved := _IMPROVED.fullmatch(metric):
        size = "N" if improved["n"] == "*" else improved["n"]
        plain = ", plain estimator" if improved["plain"] else ""
        return f"pass@{size} of M_1 on what M_t solves and {_EARLIER[improved['reading']]} does not{plain}"
    name, _, ending = metric.partition(".")
    family = _FAMILIES.get(name)
    words = family.words if family is not None else name.replace("@*", "@k") if _PASS_AT.fullmatch(name) else metric
    if family is None or not ending:
        return words
    parts = ending.split(".")
    if all(part in _ENDINGS or part.startswith("level-") for part in parts):
        known = [_ENDINGS.get(part, part.replace("-", " ")) for part in parts]
        return f"{words} {', '.join(known)}" if known[0].startswith("of ") else f"{words}, {', '.join(known)}"
    return f"{words}, {ending}"


def measured_words(metric: str, split: Split) -> str:
    """A measurement in words; that it is of the test problems goes without saying."""
    words = metric_words(metric)
    return words if split is Split.TEST else f"{words} {_SPLITS[split]}"


def reworded(named: str) -> str:
    """``distinct-n.correct.equal (not measured)`` or ``pass@1 on ood (why)``, as a headline has them, in words."""
    name, bracket, why = named.partition(" (")
    metric, _, split = name.partition(" on ")
    return measured_words(metric, Split(split or Split.TEST)) + bracket + why


def split_words(split: Split) -> str:
    """On which problems."""
    return _SPLITS[split]


def titled(words: str) -> str:
    """With a capital, as a title begins."""
    return words[:1].upper() + words[1:]


def axis_words(metrics: Iterable[str], unit: str) -> str:
    """What an axis shows, with its unit: the common words of these metrics, and of what their shares are shares."""
    names = list(dict.fromkeys(metrics))
    families = {_family(name) for name in names}
    units = {_unit(name, unit) for name in names}
    of = units.pop() if len(units) == 1 else unit
    if len(families) > _MOST_NAMED:
        return titled(of)
    words = "pass@N of M_1" if _IMPROVED.fullmatch(names[0]) else common_words(names)
    return f"{titled(words)}: {of}"


def common_words(metrics: Iterable[str]) -> str:
    """What these measurements have in common, in words; of several families each."""
    names = list(dict.fromkeys(metrics))
    if len(names) == 1:
        return metric_words(names[0])
    return ", ".join(dict.fromkeys(_common(name) for name in names))


def _common(metric: str) -> str:
    if improved := _IMPROVED.fullmatch(metric):
        return f"pass@N of M_1 on what M_t solves and {_EARLIER[improved['reading']]} does not"
    name = metric.partition(".")[0]
    return _FAMILIES[name].words if name in _FAMILIES else "pass@k" if _PASS_AT.fullmatch(name) else name


def _family(metric: str) -> str:
    if improved := _IMPROVED.fullmatch(metric):
        return f"is-pass.{improved['reading']}"
    name = metric.partition(".")[0]
    return "pass@k" if name not in _FAMILIES and _PASS_AT.fullmatch(name) else name


def _unit(metric: str, unit: str) -> str:
    name = metric.partition(".")[0]
    if unit != SHARE:
        return unit
    if name in _FAMILIES:
        return _FAMILIES[name].of
    return "share of problems" if "pass@" in name else unit


def capability(metric: str, split: Split) -> str:
    """What of a model a measurement is about: ``Accuracy``, ``Diversity``, ``Out of distribution``."""
    if split is Split.OOD:
        return "Out of distribution"
    if metric.startswith("is-pass@"):
        return "Improvement sets"
    name = metric.partition(".")[0]
    if name in _FAMILIES:
        return _FAMILIES[name].capability
    if _PASS_AT.fullmatch(name):
        return "Coverage and pass@k"
    return _GAP if "gap" in name else "Other measurements"
