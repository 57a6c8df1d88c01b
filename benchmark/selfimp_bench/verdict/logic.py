"""What a claim asserts as a tree of "at least k of m", and what the tails at its leaves make of it.

To be shown that at least k of m assertions hold, each with its own p::

    p_for     = (m - k + 1) x the k-th smallest p_for         p_against = k x the (m - k + 1)-th smallest p_against

the partial conjunction test of Benjamini and Heller 2008 (doi:10.1111/j.1541-0420.2007.00984.x) with Bonferroni's
combination. All of m (k = m) is the intersection-union test, which pays nothing for m; one of m (k = 1) is
Bonferroni's. Contradicting is the same the other way round: fewer than k hold where at least m - k + 1 do not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from selfimp_bench.verdict.findings import AGAINST_LEVEL, FOR_LEVEL, Verdict

Q = TypeVar("Q")
D = TypeVar("D", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Answer(Generic[D]):
    """What numbers say of one assertion.

    p_for: how probable numbers so much for it are where it does not hold; p_against: the other way round. Where
    nothing is decided both are 1. best: what p_for would be were the missing numbers all for it; absent: none is there.
    """

    p_for: float
    p_against: float
    best: float
    absent: bool
    detail: D

    @property
    def verdict(self) -> Verdict:
        """NOT_MEASURED where there is no number, or where those that are missing alone keep it open."""
        if self.p_for <= FOR_LEVEL:
            return Verdict.REPRODUCED
        if self.p_against <= AGAINST_LEVEL:
            return Verdict.NOT_REPRODUCED
        return Verdict.NOT_MEASURED if self.absent or self.best <= FOR_LEVEL else Verdict.INCONCLUSIVE


@dataclass(frozen=True, kw_only=True)
class Node(Generic[Q]):
    """An assertion; ``name`` says in words what sets it apart from those beside it."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Leaf(Node[Q]):
    """An assertion that numbers answer."""

    question: Q


@dataclass(frozen=True, kw_only=True)
class Not(Node[Q]):
    """That another assertion does not hold."""

    part: Node[Q]


@dataclass(frozen=True, kw_only=True)
class AtLeast(Node[Q]):
    """That at least ``needed`` of the ``parts`` hold; raises ValueError unless 1 <= needed <= their number."""

    needed: int
    parts: tuple[Node[Q], ...]

    def __post_init__(self) -> None:
        """No parts assert nothing."""
        if not 1 <= self.needed <= len(self.parts):
            raise ValueError(f"{self.name}: at least {self.needed} of {len(self.parts)} parts")


def all_of(name: str, parts: Sequence[Node[Q]]) -> Node[Q]:
    """All parts hold; one part alone is itself."""
    return parts[0] if len(parts) == 1 else AtLeast(name=name, needed=len(parts), parts=tuple(parts))


def any_of(name: str, parts: Sequence[Node[Q]]) -> Node[Q]:
    """One of the parts holds; one part alone is itself."""
    return parts[0] if len(parts) == 1 else AtLeast(name=name, needed=1, parts=tuple(parts))


@dataclass(frozen=True, kw_only=True)
class Judged(Answer[D | None], Generic[Q, D]):
    """A node with its answer, whose ``detail`` is a leaf's, and the parts of a node that has some."""

    node: Node[Q]
    parts: "tuple[Judged[Q, D], ...]" = ()

    def leaves(self) -> "list[Judged[Q, D]]":
        """The leaves under it, in order."""
        return [leaf for part in self.parts for leaf in part.leaves()] if self.parts else [self]


def judge(node: Node[Q], ask: Callable[[Q], Answer[D]]) -> Judged[Q, D]:
    """The tree with its answers."""
    if isinstance(node, Leaf):
        one = ask(node.question)
        return _judged(node, (one.p_for, one.p_against, one.best), one.absent, detail=one.detail)
    if isinstance(node, Not):
        part = judge(node.part, ask)
        tails = (part.p_against, part.p_for, 0.0 if part.absent else part.p_against)
        return _judged(node, tails, part.absent, (part,))
    assert isinstance(node, AtLeast)
    parts = tuple(judge(part, ask) for part in node.parts)
    count, needed = len(parts), node.needed
    tails = (
        _ranked([part.p_for for part in parts], needed, count - needed + 1),
        _ranked([part.p_against for part in parts], count - needed + 1, needed),
        _ranked([part.best for part in parts], needed, count - needed + 1),
    )
    return _judged(node, tails, all(part.absent for part in parts), parts)


def _judged(
    node: Node[Q],
    tails: tuple[float, float, float],
    absent: bool,
    parts: tuple[Judged[Q, D], ...] = (),
    detail: D | None = None,
) -> Judged[Q, D]:
    p_for, p_against, best = tails
    return Judged(node=node, p_for=p_for, p_against=p_against, best=best, absent=absent, parts=parts, detail=detail)


def _ranked(values: list[float], rank: int, factor: int) -> float:
    return min(1.0, factor * sorted(values)[rank - 1])
