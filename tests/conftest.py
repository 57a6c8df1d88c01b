"""Fixtures of several test modules, and the order of tests."""

import os
from pathlib import Path

import pytest
from fast_tier import pytest_runtest_call
from hypothesis import settings
from support import ManifestMaker

__all__ = ["pytest_runtest_call"]

# A small run is over before processes for its steps have started; tests of these say how many cores there are.
os.environ.setdefault("SELFIMP_BENCH_CORES", "1")
# Readline, which pytest loads, tells whatever it starts how large its terminal is; tests speak to files and pipes.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)
    os.unsetenv(name)
settings.register_profile("any-machine", deadline=None)  # a busy one is no failure
settings.load_profile("any-machine")


LONGEST = ("test_reproduction", "test_smoke", "test_vllm", "test_faults")
"""Modules whose slow tests take minutes, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules with slow tests come first, of these the longest, so that no worker waits for a long one at the end."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[bool, int]:
    fast = item.get_closest_marker("slow") is None
    return fast, LONGEST.index(item.path.stem) if not fast and item.path.stem in LONGEST else len(LONGEST)


@pytest.fixture(scope="session")
def common_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for runs whose tests look at what a run says: steps that several of them have are done once.

    What is in its store is not to be changed; for that a test has a home of its own.
    """
    return tmp_path_factory.mktemp("common") / "home"


@pytest.fixture
def make_manifest(tmp_path: Path) -> ManifestMaker:
    """Writes small manifests into the test's folder (see ``support``)."""
    return ManifestMaker(folder=tmp_path)
