"""Every shipped claim against the panel of worlds: none that no run could fail, none that none could meet."""

from collections import Counter

import pytest
from support import slow_but

from selfimp_bench.runs.validate import PaperJudgement, validate

STUDIES = ("progress-or-regress", "mind-the-gap", "tiny", "tiny-gap")


def looked_at(study: str, *, judged: bool) -> PaperJudgement:
    report = validate([study], judged=judged)
    assert report.flaws == ()
    (paper,) = report.papers
    return paper


@pytest.mark.parametrize("study", slow_but(["tiny", "tiny-gap"], STUDIES))
def test_every_claim_can_fail_and_can_hold(study: str) -> None:
    assert all(each.flaw is None for each in looked_at(study, judged=False).panel)


@pytest.mark.parametrize("study", slow_but(["tiny", "tiny-gap"], STUDIES))
def test_hardly_a_claim_is_true_in_as_many_worlds_as_the_published_one(study: str) -> None:
    """A panel that told no world from another would find no flaw in any claim."""
    true_in = Counter(world for each in looked_at(study, judged=False).panel for world in each.holds_in)
    published = true_in.pop("published")
    assert published > 0
    assert min(true_in.values()) <= 0.5 * published


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_no_claim_is_reproduced_in_a_world_where_it_is_false(study: str) -> None:
    seen = looked_at(study, judged=True).panel
    wrong = [
        (each.claim, each.model, world.world)
        for each in seen
        for world in each.worlds
        if world.holds is False and world.verdict == "REPRODUCED"
    ]
    assert wrong == []
    passed = Counter(world for each in seen for world in each.passes)
    assert passed["published"] == max(passed.values())
