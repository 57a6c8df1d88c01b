"""Damaged files by the thousand: each is refused in words, or accepted as another reader would read it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import slow_but

from fuzz.drive import Fed, feed, words
from fuzz.target import Target
from fuzz.targets import targets

EDITS: Final = st.lists(st.tuples(st.integers(0, 2**30), st.integers(0, 2**30)), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Target]:
    return targets(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("inputs", slow_but([300], [300, 3000]))
@pytest.mark.parametrize(
    "name",
    [
        "tables",
        "priors",
        "problems",
        "samples",
        "judgements",
        "outside",
        "manifests",
        "locks",
        "run-folders",
        "bundles",
    ],
)
def test_hundreds_and_thousands_of_damaged_files_give_no_traceback(
    known: Mapping[str, Target], name: str, inputs: int, tmp_path: Path
) -> None:
    target, fed = known[name], Fed()
    for number in range(len(target.seeds)):
        feed(target, number, [], tmp_path, fed)
    assert fed.counts == {"accepted": len(target.seeds)}, "the files as they are"

    @settings(
        max_examples=round(inputs * target.share),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(number=st.integers(0, 100), edits=EDITS)
    def read(number: int, edits: list[tuple[int, int]]) -> None:
        now = Fed()
        feed(target, number, edits, tmp_path, now)
        fed.counts.update(now.counts)
        assert not now.crashes, words(target, now, 0)

    read()
    assert fed.counts["refused"] > fed.counts.total() / 4 or name == "judgements"
