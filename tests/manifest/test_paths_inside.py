"""Paths in a manifest stay inside its folder: a run copies tables and prompts to where they say."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import ManifestMaker

from selfimp_bench.manifest.kinds import PathInside
from selfimp_bench.protocols.load import find_flaws

OUTSIDE = ("../../evil.csv", "/etc/passwd", "a/../../b", "..", "a\\..\\b", "a\nb", "")


def _table(data: dict[str, Any], path: str) -> None:
    claim = data["claims"][0]
    del claim["order"]
    claim["value"] = {
        "table": path,
        "points": [{"reference": "r", "metric": "pass@1", "split": "test", "iteration": 1}],
    }


def _figure(data: dict[str, Any], **more: str) -> None:
    panel = {"metrics": ["pass@1"], "split": "test"}
    data["figures"] = [{"id": "f", "title": "F", "source": "Figure 1", "panels": [panel]} | more]


def _beside(data: dict[str, Any], path: str) -> None:
    _figure(data, form="by-iteration")
    data["figures"][0]["beside"] = {"table": path, "dataset": "d", "method": "m"}


def _compute(data: dict[str, Any], path: str) -> None:
    _figure(data, form="by-compute", unpublished="of the test", compute=path)


def _data(data: dict[str, Any], path: str) -> None:
    del data["datasets"]["test"]["generator"]
    data["datasets"]["test"]["path"] = path


def _model(data: dict[str, Any], path: str) -> None:
    del data["models"][0]["asset"]
    data["models"][0]["path"] = path


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("place", [_table, _beside, _compute, _data, _model])
def test_a_path_that_leads_outside_is_a_flaw_at_its_line(
    place: Callable[[dict[str, Any], str], None], path: str, make_manifest: ManifestMaker
) -> None:
    flaws = find_flaws(make_manifest(change=lambda data: place(data, path)))
    assert any("a path relative to the manifest's folder" in flaw.message for flaw in flaws), flaws


@pytest.mark.parametrize("path", ["a.csv", "tables/a b.csv", "..a/b..", "a..b", "./a", ".hidden", "\u00fcber/x.jsonl"])
def test_a_path_inside_is_one(path: str) -> None:
    (spelled,) = PathInside.__metadata__  # type: ignore[attr-defined]
    assert re.fullmatch(spelled.said["pattern"], path)


def test_a_model_that_lies_elsewhere_is_linked_to(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").symlink_to(tmp_path / "elsewhere")
    flaws = find_flaws(make_manifest(change=lambda data: _model(data, "here")))
    assert not [flaw for flaw in flaws if "a path relative" in flaw.message]
