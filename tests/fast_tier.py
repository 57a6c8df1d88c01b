"""The fast tier stays fast: a test that takes long is of the slow tier, or becomes cheaper."""

import os
from collections.abc import Generator
from typing import Any

import pytest

SECONDS = 20.0
"""The most processor time of a test outside the slow tier, with that of processes it waited for: twice what any took on
two cores with four times as much to do, where the first that draws pays for all. Fixtures are not counted."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test of the fast tier that took more than ``SECONDS``."""
    began = _spent()
    result = yield
    took = _spent() - began
    if took > SECONDS and item.get_closest_marker("slow") is None:
        pytest.fail(f"{took:.0f} s of processor time; make it cheaper, or mark it slow", pytrace=False)
    return result


def _spent() -> float:
    """The processor time of this process and of the ended ones it started, in seconds."""
    return sum(os.times()[:4])
