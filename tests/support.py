"""What several test modules use: small manifests made from the shipped tiny experiment."""

import json
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from selfimp_bench.manifest.catalog import find
from selfimp_bench.manifest.model import Manifest
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.manifest.yaml_text import yaml_text
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.load import load_across, load_experiment, load_manifest
from selfimp_bench.steps.dataset import problems_digest
from selfimp_bench.tasks.tiny_gsm import generate

ROOT = Path(__file__).parent.parent
_USERS = Path(sys.prefix).with_name(".venv") / "bin" / "python"
PYTHON = str(_USERS) if _USERS.exists() else sys.executable
"""A user's Python, which has no development tools, beside the environment of these tests (``ci/beside``)."""

COMMAND = [PYTHON, "-m", "selfimp_bench"]
"""The command line, as a user starts it."""


def slow_but(fast: Collection[object], values: Iterable[object]) -> list[Any]:
    """Parameters of which all but a few are left to the slow tier."""
    return [each if each in fast else pytest.param(each, marks=pytest.mark.slow) for each in values]


def resolved_data(name: str) -> dict[str, Any]:
    """A shipped experiment as plain data, resolved: a manifest of one's own to begin with."""
    data: dict[str, Any] = json.loads(_resolved(name))
    return data


@cache
def _resolved(name: str) -> str:
    return json.dumps(load_experiment(find(name)).data)


def shipped_suite(name: str) -> Suite:
    """The claims across the experiments of a shipped study."""
    loaded = load_across(find(name))
    assert loaded is not None
    return loaded.across


@cache
def problems_digest_of(split: Split, count: int) -> str:
    """The digest of the first tiny problems of a split."""
    return problems_digest(generate(split, count=count, seed=1))


def _dataset(split: Split, count: int) -> dict[str, Any]:
    return {
        "id": f"tiny-gsm-{split}",
        "generator": {"task": "tiny_gsm", "split": split.value, "count": count, "seed": 1},
        "rows": count,
        "digest": problems_digest_of(split, count),
        "source": "test",
    }


@dataclass(frozen=True, kw_only=True)
class ManifestMaker:
    """Writes small manifests into a folder."""

    folder: Path

    def __call__(
        self,
        *,
        name: str = "small",
        engine: str = "fake",
        counts: tuple[int, int, int] | None = (20, 24, 10),
        schedule: tuple[str, ...] = ("sft-gold", "dpo", "sft"),
        keep_values: bool = False,
        figures: bool = False,
        change: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> Path:
        """Write ``name``.v1.yaml with ``counts`` train, test and ood problems (0: no ood; None: the
        shipped data).

        ``change`` is called with the plain data before it is written. Claims on values stay only with
        ``keep_values``, since their references are about other data. The paper's figures stay only with
        ``figures``: they show everything that can be measured, and drawing takes longer than all else.
        """
        data = resolved_data("tiny-iter-sft-dpo")
        data["name"] = name
        if counts is not None:
            data["datasets"] = {
                split.value: _dataset(split, count) for split, count in zip(Split, counts, strict=True) if count
            }
        data["post_training"]["schedule"] = list(schedule)
        if "dpo" not in schedule:
            del data["dpo"]
        if not figures:
            del data["figures"]
        if engine == "fake":
            data["engines"] |= {"sampler": "fake", "trainer": "fake"}
        else:  # the embedder's own tests embed for real; here it would only take time
            data["measure"]["metrics"].remove("sbert-diversity")
            del data["measure"]["encoder"]
        if not keep_values:
            data["claims"] = [
                {
                    "id": "accuracy-rises",
                    "statement": "Greedy pass@1 is higher after the last iteration than after the first.",
                    "source": "test",
                    "order": {
                        "greater": {"metric": "pass@1", "split": "test", "iteration": len(schedule)},
                        "lesser": {"metric": "pass@1", "split": "test", "iteration": 1},
                    },
                }
            ]
        change(data)
        path = self.folder / f"{name}.v1.yaml"
        path.write_text(yaml_text(data), encoding="utf-8")
        return path


def load_post_training(path: Path) -> Manifest:
    """A manifest of post-training."""
    manifest = load_manifest(path)
    assert isinstance(manifest, Manifest)
    return manifest


def shipped_post_training(name: str) -> Manifest:
    """A shipped experiment of post-training."""
    manifest = load_experiment(find(name)).manifest
    assert isinstance(manifest, Manifest)
    return manifest


def quiet(_done: int, _of: int) -> None:
    """A progress that nobody watches."""
