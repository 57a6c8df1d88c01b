"""How often the studies are read and examined: once a command, however many parts of it ask for them."""

import json
from collections import Counter
from collections.abc import Iterator
from cProfile import Profile
from pathlib import Path

import pytest
from click.testing import CliRunner

from selfimp_bench.cli.app import cli
from selfimp_bench.manifest.catalog import Place, entries, studies
from selfimp_bench.places import MANIFESTS
from selfimp_bench.protocols import load_resolved, load_study, load_suite
from selfimp_bench.protocols.load import InvalidManifest, load_experiment, read_experiment

TINY = MANIFESTS / "tiny" / "tiny.v1.yaml"


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


@pytest.mark.slow
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


def test_list_expands_each_experiment_once_and_examines_none(profile: Profile) -> None:
    experiments, several = len(entries()), len(studies())
    profile.enable()
    result = CliRunner().invoke(cli, ["list", "--json"])
    found = calls(profile)
    assert [each["name"] for each in json.loads(result.output)] == [each.name for each in (*entries(), *studies())]
    assert found[load_study.expand_experiment.__code__] == experiments > 1
    assert found[load_study.expand_suite.__code__] == several > 1
    assert found[load_resolved.resolved_faults.__code__] == found[load_suite.suite_data_faults.__code__] == 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("warmup_ratio: 0.03", "warmup_ratoi: 0.03", "did you mean"),
        ("warmup_ratio: 0.03", "warmup_ratio: often", "expected a number"),
        ("task: tiny-gsm\n    method: iter-dpo", "task: tiny-gms\n    method: iter-dpo", "tiny-gsm"),
    ],
)
def test_what_is_only_looked_at_is_refused_with_its_flaws_where_it_cannot_be_read(
    old: str, new: str, words: str, tmp_path: Path
) -> None:
    text = TINY.read_text(encoding="utf-8")
    assert old in text
    study = tmp_path / TINY.name
    study.write_text(text.replace(old, new, 1), encoding="utf-8")
    place = Place(path=study, experiment="tiny-iter-dpo")
    with pytest.raises(InvalidManifest, match=words) as looked_at:
        read_experiment(place)
    with pytest.raises(InvalidManifest) as examined:
        load_experiment(place)
    assert looked_at.value.flaws == examined.value.flaws
