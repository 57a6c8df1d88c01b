"""The table of rules is in order. What each rule says is in ``broken.yaml``."""

import inspect
import re
from dataclasses import fields
from types import ModuleType

import pytest

from selfimp_bench.manifest import cross_checks
from selfimp_bench.protocols.formats import FORMATS, Format
from selfimp_bench.protocols.verification import checks as verification_checks

# A rule may call a block by a shorter name than its key in the manifest.
SHORT_NAMES = {"rules": "post_training", "improvement": "self_improvement"}
every_format = pytest.mark.parametrize("format_", FORMATS.values(), ids=FORMATS)


@every_format
def test_every_rule_takes_the_blocks_it_needs_in_this_order(format_: Format) -> None:
    for rule in format_.rules:
        parameters = [SHORT_NAMES.get(name, name) for name in inspect.signature(rule.find).parameters]
        assert tuple(parameters) == rule.needs, rule.find.__name__


@every_format
def test_every_rule_needs_blocks_that_a_manifest_has(format_: Format) -> None:
    known = {field.name for field in fields(format_.manifest)}
    for rule in format_.rules:
        assert set(rule.needs) <= known, rule.find.__name__


@pytest.mark.parametrize("module", [cross_checks, verification_checks])
def test_no_rule_is_written_and_forgotten(module: ModuleType) -> None:
    source = inspect.getsource(module)
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and name.startswith("_"):
            assert len(re.findall(rf"\b{name}\b", source)) > 1, f"{name} is in no table and called by nothing"
