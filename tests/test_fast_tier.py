"""What takes long is found out."""

import time

import fast_tier
import pytest
from fast_tier import pytest_runtest_call


def _takes(item: pytest.Item, seconds: float) -> None:
    """A test that computes for so long, as pytest calls it."""
    calling = pytest_runtest_call(item)
    next(calling)
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    with pytest.raises(StopIteration):
        calling.send(None)


def test_a_test_that_takes_long_fails(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    _takes(request.node, 0.1)
    monkeypatch.setattr(fast_tier, "SECONDS", 0.05)
    with pytest.raises(pytest.fail.Exception, match="processor time; make it cheaper, or mark it slow"):
        _takes(request.node, 0.1)
    monkeypatch.undo()


def test_one_of_the_slow_tier_may(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    request.node.add_marker(pytest.mark.slow)
    monkeypatch.setattr(fast_tier, "SECONDS", 0.05)
    _takes(request.node, 0.1)
