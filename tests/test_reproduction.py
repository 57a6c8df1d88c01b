"""Real engines, end to end, and a checker that can fail. Equal bytes twice, kills between: ``tests/faults``."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from support import COMMAND, ManifestMaker, problems_digest_of, resolved_data

from selfimp_bench.manifest.yaml_text import yaml_text
from selfimp_bench.measurement import Split
from selfimp_bench.places import ASSETS, MANIFESTS

pytestmark = pytest.mark.slow

MINIATURE = MANIFESTS / "tiny"
LARGEST = "tiny-verifier-l"
REPRODUCED, CONTRADICTED, UNDECIDED = 0, 1, 3


def _reproduce(manifest: Path, home: Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "reproduce", str(manifest), "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _first_iteration_only(data: dict[str, Any]) -> None:
    """Only M_1, and of the claims only the values of pass@1 at t=1: the quickest run that a reference can judge."""
    data["post_training"]["schedule"] = ["sft-gold"]
    data.pop("dpo", None)
    claims = [claim for claim in data["claims"] if "value" in claim]
    for claim in claims:
        points = claim["value"]["points"]
        claim["value"]["points"] = [
            point for point in points if (point["metric"], point["split"], point["iteration"]) == ("pass@1", "test", 1)
        ]
        claim["value"]["against"] = {"apart": 0.1}
    data["claims"] = [claim for claim in claims if claim["value"]["points"]]


def test_the_shipped_base_is_judged_reproduced(make_manifest: ManifestMaker, common_home: Path) -> None:
    manifest = make_manifest(engine="real", counts=None, keep_values=True, change=_first_iteration_only)
    result = _reproduce(manifest, common_home)
    assert result.returncode == REPRODUCED, result.stdout + result.stderr


def _shuffled(asset: str, folder: Path) -> str:
    """The shipped weights, each tensor's values shuffled: the same statistics, none of the knowledge; their digest."""
    shutil.copytree(ASSETS / asset, folder)
    rng = np.random.default_rng(1)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: rng.permutation(value.ravel()).reshape(value.shape) for name, value in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_an_untrained_base_is_judged_not_reproduced(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    digest = _shuffled("tiny-gsm-base", tmp_path / "shuffled")

    def untrained(data: dict[str, Any]) -> None:
        _first_iteration_only(data)
        data["models"] = [
            {"id": "tiny-gsm-base", "path": "shuffled", "weights_sha256": digest, "source": "shuffled weights"}
        ]

    result = _reproduce(
        make_manifest(engine="real", counts=None, keep_values=True, change=untrained), tmp_path / "home"
    )
    assert result.returncode == CONTRADICTED, result.stdout + result.stderr
    assert "NOT_REPRODUCED" in result.stdout


def test_eight_test_problems_are_inconclusive(make_manifest: ManifestMaker, common_home: Path) -> None:
    def eight(data: dict[str, Any]) -> None:
        _first_iteration_only(data)
        test = data["datasets"]["test"]
        generator = test["generator"] | {"count": 8, "seed": 1}
        test |= {"generator": generator, "rows": 8, "digest": problems_digest_of(Split.TEST, 8)}

    manifest = make_manifest(engine="real", counts=None, keep_values=True, change=eight)
    result = _reproduce(manifest, common_home)
    assert result.returncode == UNDECIDED, result.stdout + result.stderr
    assert "INCONCLUSIVE" in result.stdout and "8 problems" in result.stdout


def test_the_experiment_that_vllm_samples_is_reproduced(common_home: Path) -> None:
    """Three iterations of real vLLM and real TRL against the ten seeds of its own reference table."""
    done = _reproduce(Path("tiny-iter-sft-vllm"), common_home)
    assert done.returncode == REPRODUCED, done.stdout + done.stderr
    assert "6 REPRODUCED" in done.stdout


def _multiple_choice_of_the_largest(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The shipped experiment with its largest model and one verifier only, changed."""
    data = resolved_data("tiny-gv-gap")
    del data["models"][:-1], data["prompt"]["canaries"][:-1], data["verification"][1:]
    del data["ensembles"], data["figures"], data["measure"]["correlate"]
    data["measure"]["metrics"] = ["accuracy", "pass@k", "gap", "relative-gap"]
    data["claims"] = [claim for claim in data["claims"] if claim["id"] in ("accuracy", "gap.mc")]
    for claim in data["claims"]:
        points = claim["value"]["points"]
        claim["value"]["points"] = [point for point in points if point["reference"].startswith(f"{LARGEST}.")]
    change(data)
    shutil.copytree(MINIATURE / "prompts", folder / "prompts")
    path = folder / "tiny-gv-gap.v1.yaml"
    path.write_text(yaml_text(data), encoding="utf-8")
    return path


def _verdicts(runs: Path) -> dict[str, list[str]]:
    """The verdicts of every run in this folder, by claim."""
    found: dict[str, list[str]] = {}
    for file in sorted(runs.glob("*/*/findings.json")):
        for finding in json.loads(file.read_text())["findings"]:
            found.setdefault(finding["claim"], []).append(finding["verdict"])
    return found


def _contradicted(manifest: Path, home: Path) -> dict[str, str]:
    """The verdict of every claim."""
    command = [*COMMAND, "reproduce", str(manifest), "--home", str(home), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == CONTRADICTED, done.stdout + done.stderr
    return {finding["claim"]: finding["verdict"] for finding in json.loads(done.stdout)["findings"]["findings"]}


def test_the_gap_of_the_miniature_is_reproduced_and_not_by_a_verifier_turned_round(tmp_path: Path) -> None:
    """Both experiments and the claims across them; then the largest model's responses, kept where it says no.

    Of so many claims a few are contradicted by chance, those about the same samples together; judged as one, none is.
    """
    done = _reproduce(Path("tiny-gap"), tmp_path / "home")
    assert done.returncode in (REPRODUCED, CONTRADICTED, UNDECIDED), done.stdout + done.stderr
    verdicts = _verdicts(tmp_path / "home" / "runs")
    assert "and 0 contradicted findings stand" in " ".join(done.stdout.split())
    assert set(verdicts["gap.mc"]) == {"REPRODUCED"}
    assert set(verdicts["largest-improves"]) == {"REPRODUCED"}

    def turned_round(data: dict[str, Any]) -> None:
        labels = data["verification"][0]["labels"]
        labels["correct"], labels["incorrect"] = labels["incorrect"], labels["correct"]

    turned = _multiple_choice_of_the_largest(tmp_path / "turned", turned_round)
    turned_verdicts = _contradicted(turned, tmp_path / "home")  # the responses are those in the store
    assert turned_verdicts["gap.mc"] == "NOT_REPRODUCED"


def test_an_untrained_generator_and_verifier_is_judged_not_reproduced(tmp_path: Path) -> None:
    digest = _shuffled(LARGEST, tmp_path / "untrained" / "shuffled")

    def untrained(data: dict[str, Any]) -> None:
        source = "shuffled weights"
        data["models"] = [{"id": LARGEST, "path": "shuffled", "weights_sha256": digest, "source": source}]

    manifest = _multiple_choice_of_the_largest(tmp_path / "untrained", untrained)
    verdicts = _contradicted(manifest, tmp_path / "home")
    assert verdicts == {"accuracy": "NOT_REPRODUCED", "gap.mc": "NOT_REPRODUCED"}
