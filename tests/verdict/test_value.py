"""The one rule for published numbers: where a run may lie, and what it must be told from."""

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from verdict_support import cell, measurement, of_runs, prior, row, share

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Against, Apart
from selfimp_bench.manifest.reference_table import Reference
from selfimp_bench.measurement import Measurement
from selfimp_bench.verdict.evidence import Key
from selfimp_bench.verdict.inference import Variance
from selfimp_bench.verdict.logic import Answer
from selfimp_bench.verdict.value import (
    Compared,
    Divergence,
    Published,
    Seen,
    ValuesJudged,
    compare,
    judge_values,
    prior_in,
    seen_of,
)

POINT = Variance(value=1.0, degrees=8)
"""One point of spread over seeds, in percent."""
PEAK = row("peak", "53.91", x=3, unit="percent")
FIRST = row("first", "41.6", x=1, unit="percent", read_error="0.05")


def seen(mean: float, **more: object) -> Seen:
    return replace(Seen(mean=mean, replicates=1, spread=None, problems=1319), **more)  # type: ignore[arg-type]


def published(number: Reference = PEAK, **more: object) -> Published:
    return replace(Published(table="p/a.csv", row=number), **more)  # type: ignore[arg-type]


def judged(
    against: Against, *numbers: Published, means: tuple[Seen | str, ...], points: int | None = None
) -> Answer[ValuesJudged]:
    return judge_values(against, points or len(numbers), numbers, means, [POINT] * len(numbers))


def verdict(found: Answer[ValuesJudged]) -> str:
    return "yes" if found.p_for <= 0.01 else "no" if found.p_against <= 0.05 else "open"


def first(found: Answer[ValuesJudged]) -> Compared:
    one = found.detail.compared[0]
    assert isinstance(one, Compared)
    return one


def test_the_worked_example_of_the_documentation_holds() -> None:
    number = published(earlier=FIRST)
    found = judged("frozen", number, means=(seen(52.4),))
    one = first(found)
    assert one.width == pytest.approx(3.2611, abs=1e-4)
    assert (one.number.low - one.width, one.number.high + one.width) == pytest.approx((50.64, 57.18), abs=0.01)
    assert one.beyond == pytest.approx(float(stats.t.sf(7.60, 8)), rel=0.01)
    assert verdict(found) == "yes"
    assert verdict(judged("frozen", number, means=(seen(41.6),))) == "no"
    near = published(earlier=row("first", "51.26", x=1, unit="percent"))
    assert verdict(judged("frozen", near, means=(seen(52.4),))) == "open"


def test_the_same_problems_have_no_error_of_problems_and_other_problems_have_it_against_either_verdict() -> None:
    others = seen(52.0, sampling=1.4, others="published on 1319 problems, measured on 500")
    far, far_of_others = seen(50.0), replace(others, mean=50.0)
    assert verdict(judged("none", published(), means=(far,))) == "no"
    assert verdict(judged("none", published(), means=(far_of_others,))) == "open"
    near, near_of_others = seen(51.5), replace(others, mean=51.5)
    assert verdict(judged("none", published(), means=(near,))) == "yes"
    assert verdict(judged("none", published(), means=(near_of_others,))) == "open"


def test_a_run_is_never_reproduced_and_contradicted_at_once() -> None:
    """Noise and errors of problems are known better than the spread over seeds: the tail, too, must leave it open."""
    for noise, unsaid, sampling in ((0.0, 0.3, 0.0), (0.5, 0.0, 0.0), (0.1, 0.2, 0.1), (3.0, 0.0, 0.0)):
        for off in (value / 20 for value in range(200)):
            apart = seen(53.91 + off, noise=noise, unsaid=unsaid, sampling=sampling)
            found = judged("none", *[published()] * 10, means=(apart,) * 10)
            assert not (found.p_for <= 0.01 and found.p_against <= 0.05)
            one = first(found)
            assert (found.p_against <= 0.05) == (one.off > one.refuted)


def test_published_runs_and_replicates_narrow_the_spread_and_its_own_wider_spread_never_widens_a_reproduction() -> None:
    many = published(of_runs(PEAK, "1.0", 10))
    found = compare(many, seen(53.0, replicates=5, spread=1.0), POINT, 1)
    assert found.spread == Variance(value=1.0, degrees=8 + 9 + 4)
    assert found.width == pytest.approx(float(stats.t.ppf(0.975, 21)) * math.sqrt(1 / 10 + 1 / 5))
    scattered = seen(57.0, replicates=3, spread=36.0)
    wild = compare(published(), scattered, POINT, 1)
    assert wild.off < wild.width and wild.off > wild.narrow
    assert not wild.inside and wild.outside > 0.05
    assert verdict(judged("none", published(), means=(scattered,))) == "open"


def test_a_ratio_whose_own_error_is_larger_than_what_is_allowed_is_not_reproduced() -> None:
    assert verdict(judged("none", published(), means=(seen(53.9, own=2.0),))) == "yes"
    assert verdict(judged("none", published(), means=(seen(53.9, own=20.0),))) == "open"


def test_replicates_on_the_same_problems_do_not_narrow_what_a_ratios_own_error_may_be() -> None:
    five = seen(53.9, own=3.0, replicates=5, spread=1.0)
    assert compare(published(), five, POINT, 1).narrow < 3.0 < compare(published(), five, POINT, 1).single
    assert verdict(judged("none", published(), means=(five,))) == "yes"


def test_against_none_decides_the_point_whose_number_is_furthest_from_0() -> None:
    small, large = (published(row(name, text, unit="percent")) for name, text in (("small", "0.5"), ("large", "9.0")))
    found = judged("none", small, large, means=(seen(0.4), seen(8.0)))
    assert (verdict(found), found.detail.decisive) == ("yes", (1,))
    assert verdict(judged("none", small, means=(seen(0.4),))) == "open", "0 would look the same"
    assert verdict(judged("none", published(row("zero", "0.0", unit="percent")), means=(seen(0.0),))) == "open"


def test_a_fall_is_told_from_what_never_falls() -> None:
    fallen = published(row("last", "30.0", x=5, unit="percent"), earlier=row("first", "41.6", x=1, unit="percent"))
    assert verdict(judged("frozen", fallen, means=(seen(31.0),))) == "yes"
    assert verdict(judged("frozen", fallen, means=(seen(41.6),))) == "no"


def test_apart_must_be_told_from_on_both_sides_at_every_point() -> None:
    sharp = published(of_runs(PEAK, "0.5", 100))
    assert verdict(judged(Apart(apart=5), sharp, means=(seen(53.9),))) == "yes"
    assert verdict(judged(Apart(apart=1), sharp, means=(seen(53.9),))) == "open"
    two = judged(Apart(apart=5), sharp, published(), means=(seen(53.9), seen(51.0)))
    assert verdict(two) == "open"
    assert two.detail.decisive == (0, 1)


def test_a_number_in_conflict_allows_from_the_lowest_to_the_highest() -> None:
    other = row("curve", "49.6", x=3, unit="percent", read_error="0.15")
    number = published(conflicting=(other,))
    assert verdict(judged("none", published(), means=(seen(48.0),))) == "no"
    assert verdict(judged("none", number, means=(seen(48.0),))) == "yes"
    found = compare(number, seen(48.0), POINT, 1)
    assert (found.number.low, found.number.high) == (pytest.approx(49.45), pytest.approx(53.915))


def test_the_points_of_a_claim_share_the_level_of_a_contradiction() -> None:
    one, ten = (judged("none", published(), means=(seen(50.6),), points=points) for points in (1, 10))
    assert ten.p_against == pytest.approx(10 * one.p_against)
    assert first(ten).width > first(one).width


def test_one_point_outside_contradicts_and_one_that_is_missing_leaves_it_open() -> None:
    numbers = (published(earlier=FIRST), published(FIRST))
    assert verdict(judged("frozen", *numbers, means=(seen(53.0), seen(30.0)))) == "no"
    missing = judged("frozen", *numbers, means=(seen(53.0), "undefined"))
    assert (missing.p_for, missing.best <= 0.01, missing.absent) == (1.0, True, False)
    nothing = judged("frozen", *numbers, means=("undefined", "undefined"))
    assert nothing.absent


def test_a_run_that_says_nothing_decides_nothing() -> None:
    for mean in (53.9, 10.0):
        assert verdict(judged("none", published(), means=(seen(mean, unsure="of 8 problems"),))) == "open"


@given(mean=st.floats(0, 100), spread=st.floats(0, 400), noise=st.floats(0, 5), points=st.integers(1, 40))
def test_no_spread_noise_or_family_makes_a_reproduction_of_what_was_none(
    mean: float, spread: float, noise: float, points: int
) -> None:
    alone = compare(published(), seen(mean), POINT, 1)
    own = compare(published(), seen(mean, replicates=3, spread=spread), POINT, 1)
    assert own.narrow <= alone.narrow
    wider = compare(published(), seen(mean, noise=noise), POINT, points)
    assert wider.width >= alone.width - 1e-9
    found = judged(Apart(apart=5), published(), means=(seen(mean, noise=noise),), points=points)
    assert not (found.p_for <= 0.01 and found.p_against <= 0.05)


# ---- what a run has for a number ----

KEY: Key = ("e", "m", cell())
DIGEST = "d" * 64


def of(
    *rows: list[float],
    number: Published | None = None,
    digest: str | None = DIGEST,
    divergence: Divergence | None = None,
    like: Measurement | None = None,
    ratio: bool = False,
) -> Seen | str:
    measured = [measurement(KEY, each, index) for index, each in enumerate(rows)]
    if like is not None:
        measured = [like]
    number = number or published(row("r", "0.5"))
    return seen_of(measured, number, digest=digest, divergence=divergence, ratio=ratio)


def known(found: Seen | str) -> Seen:
    assert isinstance(found, Seen)
    return found


def test_replicates_are_averaged_and_a_share_becomes_percent() -> None:
    found = known(of(share(1), share(3), number=published(row("r", "50", unit="percent"))))
    assert (found.mean, found.replicates, found.problems) == (50, 2, 80)
    assert found.spread == pytest.approx(1250)


def test_a_number_without_a_standard_error_decides_nothing_where_one_is_needed() -> None:
    none = replace(measurement(KEY, share(2), 0), standard_error=None)
    on_as_many = published(row("r", "0.5"), problems=80)
    assert known(of(like=none, number=on_as_many)).unsure is None
    assert "a ratio, of which" in (known(of(like=none, number=on_as_many, ratio=True)).unsure or "")
    assert "nobody says on how many problems" in (known(of(like=none)).unsure or "")
    others = published(row("r", "0.5"), problems=200)
    assert "published on 200 problems, measured on 80" in (known(of(like=none, number=others)).unsure or "")


def test_units_that_cannot_be_compared_are_refused_by_table_and_row() -> None:
    with pytest.raises(InputError, match=r"p/a\.csv: row 'r' is in points, but pass@1 is measured in share"):
        of(share(1), number=published(row("r", "50", unit="points")))
    with pytest.raises(InputError, match="the spread over seeds of pass@1 in share"):
        prior_in(prior("pass@1"), row("r", "50", unit="points"), "p/a.csv")
    assert prior_in(prior("pass@1", sd=0.01), PEAK, "p/a.csv") == Variance(value=1.0, degrees=8.0)


def test_what_was_not_measured_says_why() -> None:
    assert of() == "this run has no such number for m"
    undefined = replace(measurement(KEY, share(1), 0), value=None, n=0, reason="no improvement set")
    assert of(like=undefined) == "no improvement set"


@pytest.mark.parametrize(
    ("number", "digest", "others"),
    [
        (published(of_runs(row("r", "0.5"), "0.1", 5, problems=80, digest=DIGEST)), DIGEST, None),
        (published(of_runs(row("r", "0.5"), "0.1", 5, digest=DIGEST)), "e" * 64, "the reference has another data set"),
        (published(row("r", "0.5")), DIGEST, None),
        (published(row("r", "0.5"), problems=80), DIGEST, None),
        (published(row("r", "0.5"), problems=1319), DIGEST, "published on 1319 problems, measured on 80"),
    ],
)
def test_problems_are_the_same_by_their_digest_or_by_as_many_of_the_pinned_set(
    number: Published, digest: str, others: str | None
) -> None:
    found = known(of(share(2), number=number, digest=digest))
    assert found.others == others
    assert (found.sampling > 0) is (others is not None)


def test_a_part_of_the_problems_has_the_error_of_the_rest_and_another_set_that_of_both() -> None:
    error = math.sqrt(0.25 / 79)
    part = known(of(share(2), number=published(row("r", "0.5"), problems=320)))
    assert part.sampling == pytest.approx(error * math.sqrt(1 - 80 / 320))
    other = known(of(share(2), number=published(of_runs(row("r", "0.5"), "0.1", 5, problems=80, digest="e" * 64))))
    assert other.sampling == pytest.approx(error * math.sqrt(2))
    equal = known(of([1.0] * 80, number=published(row("r", "0.5"), problems=320)))
    assert equal.sampling > 0, "no two problems differ, which says little of the others"


def test_few_problems_decide_nothing() -> None:
    assert known(of(share(2, 19))).unsure == "of 19 problems; fewer than 20 decide nothing"
    assert known(of(share(2, 20))).unsure is None


def test_completions_that_change_with_their_batch_add_their_noise() -> None:
    found = known(of(share(2), share(2), divergence=Divergence(rate=0.1, completions=4)))
    assert found.noise == pytest.approx(math.sqrt(0.4 / (80 * 2)))
    many = known(of(share(2), divergence=Divergence(rate=0.1, completions=50)))
    assert many.noise == pytest.approx(math.sqrt(1 / 80)), "never more than every problem"
    assert known(of(share(2))).noise == 0


@pytest.mark.parametrize(("value", "n"), [(math.nan, 80), (math.inf, 80), (0.5, 0)])
def test_a_measurement_that_no_metric_gives_is_our_bug(value: float, n: int) -> None:
    with pytest.raises(ValueError, match=r"must be finite|at least one problem"):
        of(like=replace(measurement(KEY, share(1), 0), value=value, n=n))


def test_the_printed_digits_have_an_error_of_half_a_unit() -> None:
    assert published(row("r", "0.5")).low == pytest.approx(0.45)
    assert published(row("r", "0.5", read_error="0.2")).high == pytest.approx(0.7)
    assert PEAK.own_error == Decimal("0.005")
