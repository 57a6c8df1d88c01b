"""The headline, progress, regress, reversal or no change shown, by rules that stand here and nowhere else.

The last checkpoint is compared with the first, on the problems that all checkpoints have, each with itself.

1. **Accuracy** is pass@1 of one answer a problem where the files have one, else the share of samples that are correct
   (``coverage``, which is pass@1 from samples).
2. **Essentials** are what 2407.05013 finds falling while accuracy rises, as far as the data have them: coverage (where
   it is not the accuracy) and pass@k of the largest k; diversity of correct outputs (distinct-n and distinct equations
   of *equal numbers* of outputs, Sentence-BERT's as it is: it does not depend on how many there are); accuracy on
   problems out of distribution; group disparity, where up is the worse direction. Diversity of incorrect outputs,
   calibration, gaps and single levels are reported and decide nothing: neither direction of them is better as such.
3. A direction is **shown** if Holm's procedure rejects its opposite at 5 % over all directions of accuracy and
   essentials together (two one-sided tests each), so that in at most 1 of 20 assessments anything is called up or down
   that is not. Fewer than 20 problems in common, or 10 that differ, show nothing.
4. Accuracy shown down is **regress**, whatever else. Accuracy shown up is **reversal** if an essential is shown to be
   worse, and else **progress**. Accuracy that is not shown to move is **no change shown**, which says how large a
   change may have been missed. One checkpoint alone is **measured**.
5. What was not shown worse may be worse by what its interval allows, and what was not measured is named: progress on
   accuracy alone says so.

One training run a checkpoint is what there is: another seed's would differ, and that is no part of these intervals.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from selfimp_bench.measurement import Split
from selfimp_bench.runs.assess.results import Change, Direction, Headline
from selfimp_bench.verdict.inference import holm

FAMILY_LEVEL: Final = 0.05
"""How often at most anything is called up or down that is not."""

ONE_CHECKPOINT: Final = "measured: one checkpoint has no direction; give a file for each checkpoint, in order"


def with_directions(changes: Sequence[Change], family: Sequence[Change]) -> list[Change]:
    """The changes, of those of the family (accuracy and essentials) the direction that is shown (rule 3)."""
    rejected = holm([p for each in family for p in (each.p_up, each.p_down)], FAMILY_LEVEL)
    shown = {id(each): rejected[2 * place : 2 * place + 2] for place, each in enumerate(family)}
    found = []
    for each in changes:
        up, down = shown.get(id(each), (False, False))
        found.append(replace(each, shown="up" if up else "down" if down else None))
    return found


def headline(changes: Sequence[Change], accuracy: Change, unseen: Sequence[str]) -> Headline:
    """The headline of changes that have their directions; ``accuracy`` is one of them."""
    essentials = [each for each in changes if each.essential]
    worse = [each for each in essentials if each.shown not in (None, each.good)]
    better = [each for each in essentials if each.shown is not None and each.shown == each.good]
    if accuracy.shown == "down":
        direction = Direction.REGRESS
    elif accuracy.shown == "up":
        direction = Direction.REVERSAL if worse else Direction.PROGRESS
    else:
        direction = Direction.NO_CHANGE_SHOWN
    return Headline(
        direction=direction,
        sentence=_sentence(direction, accuracy, better, worse, essentials, unseen),
        accuracy=named(accuracy),
        better=tuple(map(named, better)),
        worse=tuple(map(named, worse)),
        unseen=tuple(unseen),
    )


def named(change: Change) -> str:
    """A measurement in words: ``distinct-n.correct.equal``, ``pass@1 on ood``."""
    return change.metric if change.split is Split.TEST else f"{change.metric} on {change.split}"


def moved(change: Change) -> str:
    """How far a measurement moved: ``+0.2400 (0.1300 to 0.3500)``."""
    if change.estimate is None:
        return "not compared"
    interval = "" if change.low is None or change.high is None else f" ({change.low:.4f} to {change.high:.4f})"
    return f"{change.estimate:+.4f}{interval}"


def _sentence(
    direction: Direction,
    accuracy: Change,
    better: Sequence[Change],
    worse: Sequence[Change],
    essentials: Sequence[Change],
    unseen: Sequence[str],
) -> str:
    verb = {"up": "rose", "down": "fell", None: "is not shown to change"}[accuracy.shown]
    parts = [f"{direction}: {named(accuracy)} {verb}, {moved(accuracy)}"]
    if accuracy.shown is None and accuracy.reason is not None:
        parts = [f"{direction}: {named(accuracy)} {verb}: {accuracy.reason}"]
    for words, every in (("worse", worse), ("better", better)):
        if every:
            parts.append(f"{words}: {', '.join(f'{named(each)} {moved(each)}' for each in every)}")
    if accuracy.shown == "up" and not worse:
        able = sum(each.reason is None for each in essentials)
        if able:
            parts.append(f"of {able} essential{'s' if able > 1 else ''} compared none is shown to be worse")
        else:
            parts.append("nothing but accuracy could be compared, so that a reversal could not have been seen")
    if unseen:
        parts.append(f"not seen: {', '.join(unseen)}")
    return "; ".join(parts)
