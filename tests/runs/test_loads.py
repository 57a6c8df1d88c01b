"""How often the studies are read and examined: once a command, however many parts of it ask for them."""

from collections import Counter
from collections.abc import Iterator
from cProfile import Profile

import pytest
from click.testing import CliRunner

from selfimp_bench.cli.app import cli
from selfimp_bench.manifest.catalog import entries, studies
from selfimp_bench.protocols import load_resolved, load_study, load_suite


@pytest.fixture
def profile() -> Iterator[Profile]:
    """What was called; it listens from its ``enable`` on."""
    listening = Profile()
    yield listening
    listening.disable()


def calls(profile: Profile) -> Counter[object]:
    """How often each function was called, by its code."""
    profile.disable()
    return Counter({each.code: each.callcount for each in profile.getstats()})


def test_validate_expands_and_examines_each_experiment_and_the_claims_across_once(profile: Profile) -> None:
    experiments, several = len(entries()), len(studies())
    profile.enable()
    result = CliRunner().invoke(cli, ["validate"])
    found = calls(profile)
    assert result.exit_code == 0, result.output
    assert found[load_study.expand_experiment.__code__] == experiments > 1
    assert found[load_resolved.resolved_faults.__code__] == experiments
    assert found[load_study.expand_suite.__code__] == several > 1
    assert found[load_suite.suite_data_faults.__code__] == several
