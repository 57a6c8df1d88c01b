"""Every experiment and suite, expanded from its study file, says what its own long file said (until those go)."""

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from selfimp_bench.manifest.study import experiment_names
from selfimp_bench.manifest.study_tree import Node, planted
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.manifest.yaml_source import read_yaml
from selfimp_bench.places import MANIFESTS
from selfimp_bench.protocols.load import load_manifest
from selfimp_bench.protocols.load_study import expand_experiment, expand_suite, tables_beside
from selfimp_bench.protocols.load_suite import load_suite
from selfimp_bench.protocols.registry import protocol_in

STUDIES = sorted(MANIFESTS.glob("*/*.study.yaml"))
PROSE = frozenset(("title", "summary", "source", "assumed", "statement", "section"))

# Ids that had to change: two claims of one id that differed by experiment, and one id for a claim of each kind.
RENAMED = {
    "diversity-of-correct-outputs": "diversity",
    "ood-harmed": "ood-changes",
    "ood-improved": "ood-changes",
    "ood-harmed-more": "ood-trend",
    "ood-improved-more": "ood-trend",
    "group-disparity-widens": "disparity-widens",
    "improvement-set-rises-to-the-fourth": "improvement-set-rises",
}

_LARGEST = {
    f"largest-verifier-gains-more.{way}": f"verifier-up-gap-up.{way}"
    for way in ("qwen2.mc", "qwen2.cot-score", "llama-2.mc", "llama-2.cot-score")
}
_BY_FAMILY = {
    f"{figure}.{family}": f"{figure}-{family}"
    for figure in ("gap-by-threshold", "tournament")
    for family in ("qwen1.5", "qwen2", "llama-2", "llama-3", "yi-1.5")
}
RENAMED_IN = {
    "gsm8k-gv-gap": _BY_FAMILY,
    "gsm8k-cross-verification": _LARGEST,
    "sudoku-gv-gap": {"gap.cot-binary.t1": "gap", "relative-gap.cot-binary.t1": "relative-gap"},
    "tiny-iter-rejection": {"accuracy-by-round": "accuracy", "kept-by-round": "kept"},
} | {
    f"gsm8k-{method}": {
        f"figure-{figure}.{method}": f"figure-{figure}" for figure in ("4-gap", "4-diversity", "10-diversity")
    }
    for method in ("iter-rejection", "iter-rpo", "iter-rejection-mc", "iter-gold-verifier", "iter-strong-verifier")
}


def study(path: Path) -> Node:
    return planted(read_yaml(path).data)


def lean(value: Any) -> Any:
    """Without prose, and claims and figures in the order of their ids."""
    if is_dataclass(value) and not isinstance(value, type):
        kept = {
            field.name: lean(getattr(value, field.name))
            for field in fields(value)
            if field.name not in PROSE and field.name not in ("profiles", "corrects")
        }
        return {key: each for key, each in kept.items() if each is not None and each != ()}
    if isinstance(value, tuple):
        items = [lean(each) for each in value]
        if (
            items
            and isinstance(items[0], dict)
            and "id" in items[0]
            and ({"statement", "form"} & {f.name for f in fields(value[0])})
        ):
            return {each["id"]: each for each in items}
        return items
    return value


def differences(new: Any, old: Any, path: str = "") -> list[str]:
    if isinstance(new, dict) and isinstance(old, dict):
        found = []
        for key in sorted({*new, *old}):
            if key not in old:
                found.append(f"{path}.{key}: only new {str(new[key])[:150]}")
            elif key not in new:
                found.append(f"{path}.{key}: only old {str(old[key])[:150]}")
            else:
                found += differences(new[key], old[key], f"{path}.{key}")
        return found
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [one for i, (a, b) in enumerate(zip(new, old, strict=True)) for one in differences(a, b, f"{path}[{i}]")]
    return [] if new == old else [f"{path}: new {str(new)[:150]} old {str(old)[:150]}"]


CASES = [(path, name) for path in STUDIES for name in experiment_names(read_yaml(path).data)]


@pytest.mark.parametrize(("path", "name"), CASES, ids=[name for _, name in CASES])
def test_an_experiment_is_what_its_long_file_says(path: Path, name: str) -> None:
    expanded = expand_experiment(study(path), name, tables_beside(path))
    assert expanded.faults == ()
    format_ = protocol_in(expanded.data)
    assert format_ is not None
    new = msgspec.convert(expanded.data, format_.manifest)
    known = RENAMED | RENAMED_IN.get(name, {})
    new = replace(new, claims=tuple(replace(claim, id=known.get(claim.id, claim.id)) for claim in new.claims))
    if new.figures is not None:
        new = replace(new, figures=tuple(replace(each, id=known.get(each.id, each.id)) for each in new.figures))
    old = load_manifest(path.parent / f"{name}.v1.yaml")
    assert differences(lean(new), lean(old)) == []


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.parent.name)
def test_a_suite_is_what_its_long_file_says(path: Path) -> None:
    expanded = expand_suite(study(path), tables_beside(path))
    assert expanded.faults == ()
    new = msgspec.convert(expanded.data, Suite)
    name = path.name.partition(".")[0]
    assert differences(lean(new), lean(load_suite(path.parent / f"{name}.suite.v1.yaml"))) == []
