"""Fixtures of several test modules, and how tests are dealt to several processes (``--dist loadgroup``)."""

from pathlib import Path

import pytest
from support import ManifestMaker


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests come first, so that none is waited for in the end, and go to whoever is free.

    Fast ones of a module stay together, and share what its fixtures made. So do slow ones whose module says so
    (``pytestmark = pytest.mark.xdist_group(...)``), because an engine takes longer to start than to be asked.
    """
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        if not (item.get_closest_marker("slow") or item.get_closest_marker("xdist_group")):
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(item.config.rootpath).as_posix()))


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
