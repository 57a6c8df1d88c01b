"""What can be said before a run: which claims on numbers from one run a size can decide."""

from dataclasses import replace

import pytest
from support import TINY, load_post_training

from selfimp_bench.describe import decidabilities
from selfimp_bench.manifest.model import Claim, ClaimReading, SingleRun, Split, ValueClaim, ValuePoint


@pytest.mark.parametrize(("problems", "decidable"), [(None, True), (200, True), (1319, False)])
def test_a_published_value_is_decided_by_as_many_problems_as_it_was_published_on(
    problems: int | None, decidable: bool
) -> None:
    manifest = load_post_training(TINY)
    value = ValueClaim(
        table="t.csv",
        points=(ValuePoint(metric="pass@1", split=Split.TEST, iteration=1, reference="r"),),
        rule="published-value",
        confidence=0.95,
        single_run=SingleRun(seed_sd=1.0, problems=problems, assumed="test"),
    )
    claim = Claim(id="c", statement="s", source="t", value=value)
    (found,) = decidabilities(replace(manifest, claims=(claim,)), {}, 20)
    assert found.decidable is decidable
    assert decidable or "published on 1319 problems, this size has 200 of test" in found.reason


def test_one_decidable_reading_is_enough() -> None:
    manifest = load_post_training(TINY)
    values = [
        ValueClaim(
            table="t.csv",
            points=(ValuePoint(metric="pass@1", split=Split.TEST, iteration=1, reference="r"),),
            rule="published-value",
            confidence=0.95,
            single_run=SingleRun(seed_sd=1.0, problems=problems, assumed="test"),
        )
        for problems in (1319, 200)
    ]
    read = tuple(ClaimReading(name=name, value=value) for name, value in zip("ab", values, strict=True))
    for readings, decidable in ((read, True), ((*read[:1], ClaimReading(name="c", value=values[0])), False)):
        claim = Claim(id="c", statement="s", source="t", any_of=readings)
        (found,) = decidabilities(replace(manifest, claims=(claim,)), {}, 20)
        assert found.decidable is decidable
        assert found.reason.startswith("read as a: published on 1319 problems")
