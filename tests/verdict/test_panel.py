"""Claims in worlds of which the truth is known."""

from collections.abc import Sequence

from selfimp_bench.manifest.measured import SHARE_SCALE, Scale
from selfimp_bench.manifest.model import Cell
from selfimp_bench.measurement import Split
from selfimp_bench.verdict.bench import Question
from selfimp_bench.verdict.contrast import contrast
from selfimp_bench.verdict.evidence import Key
from selfimp_bench.verdict.findings import Verdict
from selfimp_bench.verdict.logic import Leaf, Node
from selfimp_bench.verdict.panel import Asserted, Paneled, panel
from selfimp_bench.verdict.worlds import World

FIRST, LAST, MISSING = (("e", "m", Cell(metric="score", split=Split.TEST, iteration=t)) for t in (1, 5, 9))
WORLDS = (
    World(name="published", means={FIRST: 0.4, LAST: 0.6}),
    World(name="frozen", means={FIRST: 0.4, LAST: 0.4}),
    World(name="reversed", means={FIRST: 0.6, LAST: 0.4}),
)


def scales(_metric: str) -> Scale:
    return SHARE_SCALE


def rises(greater: Key = LAST, *, bound: float = 0.0) -> Node[Question]:
    return Leaf(name="", question=contrast("", [(greater, 1.0), (FIRST, -1.0)], bound))


def seen(node: Node[Question], verdicts: Sequence[Verdict] | None = None) -> Paneled:
    judge = None if verdicts is None else lambda world: [verdicts[WORLDS.index(world)]]
    (found,) = panel([Asserted(claim="c", model="m", node=node)], WORLDS, scales, judge)
    return found


def test_a_claim_holds_where_its_numbers_are_so_and_not_where_they_are_equal() -> None:
    assert seen(rises()).holds_in == ("published",)
    assert [each.holds for each in seen(rises()).worlds] == [True, False, False]


def test_of_a_missing_number_nothing_is_known() -> None:
    assert [each.holds for each in seen(rises(MISSING)).worlds] == [None, None, None]


def test_a_claim_that_is_reproduced_where_it_is_false_is_a_flaw_with_the_name_of_that_world() -> None:
    found = seen(rises(), [Verdict.REPRODUCED, Verdict.REPRODUCED, Verdict.NOT_REPRODUCED])
    assert found.flaw == "is REPRODUCED by a run of a world in which it is false: frozen"
    assert found.passes == ("published", "frozen")


def test_a_claim_that_is_refused_where_it_is_false_is_none() -> None:
    assert seen(rises(), [Verdict.REPRODUCED, Verdict.INCONCLUSIVE, Verdict.NOT_REPRODUCED]).flaw is None
    assert seen(rises()).flaw is None


def test_a_bound_that_no_share_reaches_and_one_that_every_share_does_are_flaws() -> None:
    assert "cannot be reproduced" in (seen(rises(bound=1.0)).flaw or "")
    assert "cannot fail" in (seen(rises(bound=-1.5)).flaw or "")
