"""The table of rules is in order. What each rule says is in ``broken.yaml``."""

import inspect
import re
from dataclasses import fields
from types import ModuleType
from typing import Any

import pytest

from selfimp_bench.manifest import cross_checks
from selfimp_bench.protocols.post_training import checks as post_training_checks
from selfimp_bench.protocols.protocol import Protocol
from selfimp_bench.protocols.registry import PROTOCOLS
from selfimp_bench.protocols.verification import checks as verification_checks

# A rule may call a block by a shorter name than its key in the manifest.
SHORT_NAMES = {"rules": "post_training", "improvement": "self_improvement"}
every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)


@every_protocol
def test_every_rule_takes_the_blocks_it_needs_in_this_order(protocol: Protocol[Any]) -> None:
    for rule in protocol.rules:
        parameters = [SHORT_NAMES.get(name, name) for name in inspect.signature(rule.find).parameters]
        assert tuple(parameters) == rule.needs, rule.find.__name__


@every_protocol
def test_every_rule_needs_blocks_that_a_manifest_has(protocol: Protocol[Any]) -> None:
    known = {field.name for field in fields(protocol.manifest)}
    for rule in protocol.rules:
        assert set(rule.needs) <= known, rule.find.__name__


@pytest.mark.parametrize("module", [cross_checks, post_training_checks, verification_checks])
def test_no_rule_is_written_and_forgotten(module: ModuleType) -> None:
    source = inspect.getsource(module)
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and name.startswith("_"):
            assert len(re.findall(rf"\b{name}\b", source)) > 1, f"{name} is in no table and called by nothing"
