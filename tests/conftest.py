"""Fixtures of several test modules."""

from pathlib import Path

import pytest
from support import ManifestMaker


@pytest.fixture
def make_manifest(tmp_path: Path) -> ManifestMaker:
    """Writes small manifests into the test's folder (see ``support``)."""
    return ManifestMaker(folder=tmp_path)
