"""Claims in worlds of which the truth is known: where each holds, what the judge makes of it there, and which of them
say nothing.

Three kinds of claims are flaws:

- it cannot fail: by the definition of its metrics no numbers are against it (``reach.can_fail``);
- it cannot hold: none are for it, or a value claim's numbers are themselves what would refute it;
- it is REPRODUCED by a run that shows exactly the means of a world in which it is false.

The last cannot happen as long as the judge is right: on the wrong side of its bound a comparison has a tail of a half
and more, whatever is made of it. So it takes the judge itself to look for it, which is slower, and is asked for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.manifest.priors import Priors
from selfimp_bench.verdict.bench import Bench, Question
from selfimp_bench.verdict.evidence import Evidence
from selfimp_bench.verdict.findings import Verdict
from selfimp_bench.verdict.logic import Node, judge
from selfimp_bench.verdict.reach import Scales, can_fail, can_hold
from selfimp_bench.verdict.truths import is_true
from selfimp_bench.verdict.worlds import World


@dataclass(frozen=True, kw_only=True)
class Asserted:
    """A claim about one model (or, across experiments, about all of them) as a tree."""

    claim: str
    model: str
    node: Node[Question]


@dataclass(frozen=True, kw_only=True)
class InWorld:
    """A claim in one world: whether it holds there (None: a number is missing).

    verdict: what a run that shows the world exactly comes to; None where that was not asked.
    """

    world: str
    holds: bool | None
    verdict: Verdict | None


@dataclass(frozen=True, kw_only=True)
class Paneled:
    """A claim in every world of the panel; ``flaw``: why it says nothing, in words, or None."""

    claim: str
    model: str
    worlds: tuple[InWorld, ...]
    flaw: str | None

    @property
    def holds_in(self) -> tuple[str, ...]:
        """The worlds in which it is true."""
        return tuple(each.world for each in self.worlds if each.holds)

    @property
    def passes(self) -> tuple[str, ...]:
        """The worlds in which it is REPRODUCED."""
        return tuple(each.world for each in self.worlds if each.verdict is Verdict.REPRODUCED)


Judge = Callable[[World], Sequence[Verdict]]
"""The verdicts on all claims, in order, on a run that shows a world exactly."""


def panel(
    claims: Sequence[Asserted], worlds: Sequence[World], scales: Scales, verdicts: Judge | None = None
) -> tuple[Paneled, ...]:
    """Every claim in every world."""
    found: Mapping[str, Sequence[Verdict]] = {world.name: verdicts(world) for world in worlds} if verdicts else {}
    return tuple(
        _paneled(
            each,
            tuple(
                InWorld(
                    world=world.name,
                    holds=is_true(each.node, world.means),
                    verdict=found[world.name][number] if found else None,
                )
                for world in worlds
            ),
            scales,
        )
        for number, each in enumerate(claims)
    )


def judged_exactly(claims: Sequence[Asserted], run: Callable[[World], Evidence], priors: Priors) -> Judge:
    """The judge that judges runs. run: what a run that shows a world exactly has measured."""

    def verdicts(world: World) -> Sequence[Verdict]:
        bench = Bench(run(world), priors)
        return [judge(each.node, bench.ask).verdict for each in claims]

    return verdicts


def _paneled(asserted: Asserted, found: tuple[InWorld, ...], scales: Scales) -> Paneled:
    flaw = next(_flaws(asserted, found, scales), None)
    return Paneled(claim=asserted.claim, model=asserted.model, worlds=found, flaw=flaw)


def _flaws(asserted: Asserted, found: Sequence[InWorld], scales: Scales) -> Iterator[str]:
    if not can_fail(asserted.node, scales):
        yield (
            "cannot fail: by the definition of its metrics no run could be against it; claim a bound, or by how much "
            "one is above the other"
        )
    if not can_hold(asserted.node, scales):
        yield (
            "cannot be reproduced: no number that its metrics can have would do, or the published number is itself "
            "what it is held against; claim a bound that can be met, or say 'against: {apart: X}'"
        )
    wrong = [each.world for each in found if each.holds is False and each.verdict is Verdict.REPRODUCED]
    if wrong:
        yield f"is REPRODUCED by a run of a world in which it is false: {', '.join(wrong)}"
