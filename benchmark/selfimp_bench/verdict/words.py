"""A judged claim as a finding: the verdict, and why, in words and numbers that a person can check."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from selfimp_bench.manifest.priors import Priors
from selfimp_bench.verdict.bench import Bent, Detail, Drawn, Equal, Question, Values
from selfimp_bench.verdict.comparisons import ALONE
from selfimp_bench.verdict.contrast import Contrast, Contrasts, Tails
from selfimp_bench.verdict.findings import FOR_LEVEL, Finding, Kind, Term, Verdict, brief, describe
from selfimp_bench.verdict.inference import Variance
from selfimp_bench.verdict.leaf_words import Levels, Words, contrast_words, probability, smallest_effect, spread
from selfimp_bench.verdict.logic import AtLeast, Judged, Leaf, judge
from selfimp_bench.verdict.point_words import values_effect, values_words
from selfimp_bench.verdict.value import ValuesJudged

Tree = Judged[Question, Detail]

_NAMED: Final = 5
"""Parts of a claim that are named in its reason; its terms have all of them."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a finding is about."""

    claim: str
    model: str
    statement: str
    source: str
    kind: Kind


def finding(subject: Subject, tree: Tree, priors: Priors) -> Finding:
    """A claim's tree as a finding."""
    tree = _bare(tree)
    words = _leaf(tree, priors, Levels()) if not tree.parts else _several(tree, priors)
    return Finding(
        claim=subject.claim,
        model=subject.model,
        statement=subject.statement,
        source=subject.source,
        kind=subject.kind,
        verdict=tree.verdict,
        p_for=tree.p_for,
        p_against=tree.p_against,
        reason=words.reason,
        would_fail=words.would_fail,
        smallest_effect=words.smallest_effect,
        points=words.points,
        interval=words.interval,
        terms=words.terms,
        problems_to_decide=words.problems,
        replicates_to_decide=words.replicates,
    )


def expected_effect(tree: Tree, tester: Contrasts, replicates: int) -> float | None:
    """The smallest effect of a claim with so many replicates, whose seeds spread as the priors expect.

    None for one of several parts, and where there are no numbers.
    """
    tree = _bare(tree)
    if tree.parts or not isinstance(tree.node, Leaf):
        return None
    if isinstance(tree.node.question, Contrast) and isinstance(tree.detail, Tails) and tree.detail.summary is not None:
        seeds = tester.expected(tree.node.question)
        known = Variance(value=seeds.value / replicates, degrees=seeds.degrees + replicates - 1)
        return smallest_effect(spread(replace(tree.detail.summary, seed=known)), FOR_LEVEL)
    return values_effect(tree.detail, replicates) if isinstance(tree.detail, ValuesJudged) else None


def _bare(tree: Tree) -> Tree:
    """Without nodes that have one part and say nothing of their own."""
    while len(tree.parts) == 1 and isinstance(tree.node, AtLeast):
        tree = tree.parts[0]
    return tree


def _name(tree: Tree) -> str:
    """What sets a part apart from those beside it, in the words of the nodes that only it has."""
    names = [tree.node.name]
    while len(tree.parts) == 1 and isinstance(tree.node, AtLeast):
        tree = tree.parts[0]
        names.append(tree.node.name)
    telling = [name for name in dict.fromkeys(names) if name and name != ALONE]
    return telling[0] if telling else ALONE


def _several(tree: Tree, priors: Priors) -> Words:
    """Of several parts: how many came out how, those that made it so, and every one among the terms."""
    deciding, levels = _deciding(tree)
    weakest = _leaf(deciding, priors, _alone(tree, deciding, levels))
    leaves = [(leaf, _leaf(leaf, priors)) for leaf in tree.leaves() if isinstance(leaf.detail, ValuesJudged)]
    return Words(
        reason=_tally(tree, priors),
        would_fail=f"what it hangs on: {weakest.would_fail}",
        points=tuple(point for _, words in leaves for point in words.points),
        terms=tuple(_terms(tree, "", priors)),
        problems=weakest.problems if tree.verdict is Verdict.INCONCLUSIVE else None,
        replicates=weakest.replicates if tree.verdict is Verdict.INCONCLUSIVE else None,
    )


def _deciding(tree: Tree) -> tuple[Tree, Levels]:
    """The leaf whose tail is the claim's: the least sure of those that a yes needs, or of those that a no does.

    With the levels at which it makes the claim, and breaks it: a part of several pays for the others.
    """
    against, levels = tree.verdict is Verdict.NOT_REPRODUCED, Levels()
    while tree.parts:
        node, count = tree.node, len(tree.parts)
        if not isinstance(node, AtLeast):
            levels = replace(levels, above=levels.below, below=levels.above, turned=not levels.turned)
            tree, against = tree.parts[0], not against
            continue
        rank = count - node.needed + 1 if against else node.needed
        levels = replace(levels, above=levels.above / (count - node.needed + 1), below=levels.below / node.needed)
        tree = sorted(tree.parts, key=lambda part: part.p_against if against else part.p_for)[rank - 1]
    return tree, levels


def _alone(tree: Tree, leaf: Tree, levels: Levels) -> Levels:
    """With what the leaf by itself can do to the claim: the tree judged again with another answer there."""
    gone = _with(tree, leaf, 1.0, 1.0)
    failed = _with(tree, leaf, 0.0, 1.0) if levels.turned else _with(tree, leaf, 1.0, 0.0)
    return replace(levels, others=gone is Verdict.REPRODUCED, contradicts=failed is Verdict.NOT_REPRODUCED)


def _with(tree: Tree, leaf: Tree, p_for: float, p_against: float) -> Verdict:
    """The verdict with other tails of one of its leaves."""
    answers = iter(replace(each, p_for=p_for, p_against=p_against) if each is leaf else each for each in tree.leaves())
    return judge(tree.node, lambda _: next(answers)).verdict


def _tally(tree: Tree, priors: Priors) -> str:
    node, count = tree.node, len(tree.parts)
    if not isinstance(node, AtLeast):
        return _reason(tree, priors)
    holds = "all" if node.needed == count else "one" if node.needed == 1 else f"at least {node.needed}"
    found = Counter(part.verdict for part in tree.parts)
    tally = ", ".join(f"{found[verdict]} {word}" for verdict, word in _WORDS.items())
    deciding = [part for part in tree.parts if part.verdict is tree.verdict] or list(tree.parts)
    named = [_named(part, priors) for part in deciding[:_NAMED]]
    more = [f"and {len(deciding) - _NAMED} more"] if len(deciding) > _NAMED else []
    return f"claimed of {holds} of {count}: {tally}; " + "; ".join([*named, *more])


_WORDS: Final = {
    Verdict.REPRODUCED: "yes",
    Verdict.NOT_REPRODUCED: "no",
    Verdict.INCONCLUSIVE: "open",
    Verdict.NOT_MEASURED: "unknown",
}


def _named(tree: Tree, priors: Priors) -> str:
    reason = _reason(tree, priors)
    name = _name(tree)
    return reason if name == ALONE or reason.startswith(name) else f"{name}: {reason}"


def _reason(tree: Tree, priors: Priors) -> str:
    """Of a part its deciding leaf; of one that has many parts of its own the count of them."""
    if isinstance(tree.node, AtLeast) and len(tree.parts) > 1 and any(part.parts for part in tree.parts):
        return f"{tree.verdict}, {_tally(tree, priors)}"
    return _leaf(_deciding(tree)[0], priors).reason


def _terms(tree: Tree, path: str, priors: Priors) -> Iterator[Term]:
    """Every part with its verdict and its tails, down to the comparisons."""
    name, tree = _name(tree), _bare(tree)
    tails = f"{probability(tree.p_for)} for, {probability(tree.p_against)} against"
    value = tails if tree.parts else f"{_leaf(tree, priors).reason}; {tails}"
    source = "what its parts come to" if tree.parts else "this run"
    yield Term(name=f"{path}{name}: {_WORDS[tree.verdict]}", value=value, source=source)
    for part in tree.parts:
        yield from _terms(part, path, priors)


def _leaf(tree: Tree, priors: Priors, levels: Levels | None = None) -> Words:
    """A comparison in words; without what would have failed where no levels are given, which takes the judge again."""
    assert isinstance(tree.node, Leaf)
    asked, found = tree.node.question, tree.detail
    if isinstance(found, str):
        nothing = "nothing was measured: " if tree.absent else "nothing would have, "
        return Words(reason=found, would_fail=f"{nothing}{found}")
    if isinstance(asked, Contrast):
        assert isinstance(found, Tails)
        if found.summary is None:
            reason = found.missing or f"{asked.name}: 0 whatever is measured"
            return Words(reason=reason, would_fail=f"nothing was measured: {reason}")
        tail = (tree.p_for, tree.p_against)
        return contrast_words(asked, found.summary, found.few, tail, tree.verdict, priors, levels)
    if isinstance(asked, Values):
        assert isinstance(found, ValuesJudged)
        return values_words(asked.cells, [describe(cell) for cell in asked.cells], found, tree.verdict, priors, levels)
    if isinstance(asked, Equal):
        assert isinstance(found, ValuesJudged)
        cell = next(each for each in asked.series if each.weights).weights[0][0][2]
        return values_words([cell], [asked.name], found, tree.verdict, priors, levels)
    assert isinstance(found, Drawn)
    return _drawn(asked, found, tree)


def _drawn(asked: Bent, found: Drawn, tree: Tree) -> Words:
    sign, side, other = (-1, "below", "above") if asked.turned else (1, "above", "below")
    estimate, bound = brief(0.0 + sign * found.estimate), brief(0.0 + sign * asked.bound)
    low, high = sorted((0.0 + sign * found.low, 0.0 + sign * found.high))
    why = {
        Verdict.REPRODUCED: f"{side} {bound}, as claimed ({probability(tree.p_for)})",
        Verdict.NOT_REPRODUCED: f"{other} {bound}, against the claim ({probability(tree.p_against)})",
    }.get(
        tree.verdict,
        f"not told from {bound} ({probability(tree.p_for)} for, {probability(tree.p_against)} against)",
    )
    source = "draws of the models' means within their errors of problems and seeds"
    return Words(
        reason=f"{asked.name}: {estimate}, {brief(low)} to {brief(high)} at 95 %: {why}",
        would_fail=f"{asked.name}: {bound} or what is {other} it in more than 1 of 100 draws would not have reproduced "
        f"it, and {bound} or what is {side} it in at most 5 of 100 would have contradicted it",
        terms=(
            Term(name="estimate", value=0.0 + sign * found.estimate, source=asked.name),
            Term(name="bound", value=0.0 + sign * asked.bound, source="the claim"),
            Term(name="low", value=low, source=f"at 95 %, {source}"),
            Term(name="high", value=high, source=f"at 95 %, {source}"),
        ),
    )
