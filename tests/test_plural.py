"""Counts in words."""

from selfimp_bench.plural import plural


def test_one_is_singular_and_thousands_are_apart():
    assert [plural(n, "file") for n in (0, 1, 2, 1319)] == ["0 files", "1 file", "2 files", "1,319 files"]
