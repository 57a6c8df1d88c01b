"""pass@k by iteration."""

from selfimp_bench.metrics.verification.pass_curve import pass_curve


def test_iterations_and_ks_by_hand():
    """x: 1 of 4, then 2 of 4 correct; y: 1 of 4, then none. pass@2 = 1 - C(n - c, 2) / 6."""
    before = {"x": [True, False, False, False], "y": [False, True, False, False]}
    after = {"x": [True, True, False, False], "y": [False] * 4}
    points = pass_curve({1: after, 0: before}, ks=[1, 2, 4])
    assert [(each.iteration, each.k) for each in points] == [(0, 1), (0, 2), (0, 4), (1, 1), (1, 2), (1, 4)]
    assert [each.mean.value for each in points] == [0.25, 0.5, 1.0, 0.25, 5 / 12, 0.5]
    assert points[4].per_problem == {"x": 5 / 6, "y": 0.0}


def test_more_tries_than_samples_are_undefined_not_0():
    (point,) = pass_curve({0: {"x": [True], "y": [False, True]}}, ks=[2])
    assert point.per_problem == {"x": None, "y": 1.0}
    assert (point.mean.n, point.mean.undefined) == (1, 1)
    assert pass_curve({0: {}}, ks=[1])[0].mean.value is None
    assert pass_curve({}, ks=[1]) == ()
