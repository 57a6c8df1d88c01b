"""Rows for the tests of the benchmark itself: nothing heavy. What they did before lies beside BENCH_TRIES."""

import os
from pathlib import Path

from bench.row import Bar, Figure, Row, Setting


def one(_setting: Setting) -> dict[str, Figure]:
    return {"speed": Figure(value=1.0, low=0.9, high=1.25)}


def better_next_time(_setting: Setting) -> dict[str, Figure]:
    tries = Path(os.environ["BENCH_TRIES"])
    tries.write_text(tries.read_text() + "try\n" if tries.exists() else "try\n")
    value = float(len(tries.read_text().splitlines()))
    return {"speed": Figure(value=value, low=value, high=value)}


def wrong(_setting: Setting) -> dict[str, Figure]:
    assert 2 + 2 == 5, "the two sides differ"
    return {}


def size(setting: Setting) -> dict[str, Figure]:
    assert setting.folder.is_dir()
    return {"work": Figure(value=1.0 if setting.quick else 1234.0, low=0, high=2000)}


SPEED = Bar(unit="x", at_least=1)
ROWS = (
    Row(name="met", what="this", against="that", bars={"speed": SPEED}, measure=one),
    Row(name="missed", what="this", against="that", bars={"speed": Bar(unit="x", at_least=2)}, measure=one),
    Row(
        name="limited",
        what="this",
        against="that",
        bars={"speed": Bar(unit="x", at_most=0.5, limit="light is no faster")},
        measure=one,
    ),
    Row(
        name="second", what="this", against="that", bars={"speed": Bar(unit="x", at_least=2)}, measure=better_next_time
    ),
    Row(name="wrong", what="sums", against="arithmetic", bars={"speed": SPEED}, measure=wrong),
    Row(name="size", what="work", against="nothing", bars={"work": Bar(unit="rows")}, measure=size),
    Row(name="long", what="more work", against="nothing", bars={"speed": SPEED}, measure=one, tiers=("full",)),
)
