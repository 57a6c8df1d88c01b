"""The table of rules is in order. What each rule says is in ``broken/``."""

import inspect
import re
from dataclasses import fields

from selfimp_bench.manifest import cross_checks
from selfimp_bench.manifest.cross_checks import MANIFEST_RULES
from selfimp_bench.manifest.model import Manifest

MANIFEST_FIELDS = {field.name for field in fields(Manifest)}
# A rule may call a block by a shorter name than its key in the manifest.
SHORT_NAMES = {"rules": "post_training"}


def test_every_rule_takes_the_blocks_it_needs_in_this_order() -> None:
    for rule in MANIFEST_RULES:
        parameters = [SHORT_NAMES.get(name, name) for name in inspect.signature(rule.find).parameters]
        assert tuple(parameters) == rule.needs, rule.find.__name__


def test_every_rule_needs_blocks_that_a_manifest_has() -> None:
    for rule in MANIFEST_RULES:
        assert set(rule.needs) <= MANIFEST_FIELDS, rule.find.__name__


def test_no_rule_is_written_and_forgotten() -> None:
    source = inspect.getsource(cross_checks)
    for name, value in vars(cross_checks).items():
        if inspect.isfunction(value) and value.__module__ == cross_checks.__name__ and name.startswith("_"):
            assert len(re.findall(rf"\b{name}\b", source)) > 1, f"{name} is in no table and called by nothing"
