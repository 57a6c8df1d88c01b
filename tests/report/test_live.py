"""The live page: what there is so far, no verdict, and nothing that asks for more once the run has ended."""

import re
from pathlib import Path

import pytest
from runs.test_status import Telling
from support import ManifestMaker

from selfimp_bench.manifest.model import Profile
from selfimp_bench.report import live
from selfimp_bench.report.live import LivePage
from selfimp_bench.runs.execute import run_study
from selfimp_bench.runs.status import Status, watched
from selfimp_bench.runs.study import open_study
from selfimp_bench.steps.plan import plan_keys
from selfimp_bench.steps.store import read_table


def test_the_page_grows_with_the_run_and_says_that_it_is_not_finished_until_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "EVERY", 0)
    path = ManifestMaker(folder=tmp_path)(counts=(8, 8, 0), schedule=("sft-gold", "sft"))
    study, home = open_study(str(path), profile=Profile.PAPER, only=None, replicates=2), tmp_path / "home"
    page, pages = LivePage(study, home), list[str]()

    def look(_: int) -> None:
        page(told.status("running"))  # type: ignore[attr-defined]
        pages.append(page.path.read_text())

    def end(status: Status) -> None:
        if status.state != "running":  # the others are asked for by ``look``, as each step ends
            page(status)

    with watched(study, home, Telling(look), on_news=end) as told:
        run_study(study, home, told)
    last = page.path.read_text()
    total = len(set(plan_keys(study.experiments[0].plan()).values()))  # the two seeds share a step
    numbers = [int(each[1]) for page in pages if (each := re.search(rf"Not finished: step (\d+) of {total}, ", page))]
    assert len(numbers) == len(pages) and sorted(numbers) == numbers and set(numbers) == {*range(2, total + 1)}
    for each in pages:
        assert 'http-equiv="refresh"' in each and not re.search("REPRODUCED|INCONCLUSIVE", each)
    assert "Nothing is graded yet" in pages[0] and "Graded so far" in pages[-2]
    assert "Measured so far" in pages[-2]  # of the first replicate
    assert 'http-equiv="refresh"' not in last and "Finished after" in last and "selfimp-bench report small" in last
    assert "http:" not in last and "https:" not in last and "<script" not in last
    folder = study.experiments[0].run_folder(home)
    values = [row["value"] for row in read_table(folder / "measurements.parquet") if row["metric"] == "coverage"]
    assert values and all(f"{value:.4f}" in last for value in values)


def test_a_run_that_failed_is_said_with_its_words_as_text(tmp_path: Path) -> None:
    path = ManifestMaker(folder=tmp_path)(counts=(8, 8, 0), schedule=("sft-gold", "sft"))
    study, home = open_study(str(path), profile=Profile.PAPER, only=None, replicates=1), tmp_path / "home"
    page = LivePage(study, home)

    def fails(_: int) -> None:
        raise ValueError("<script>alert(1)</script>")

    with pytest.raises(ValueError), watched(study, home, Telling(fails), on_news=page) as told:
        run_study(study, home, told)
    written = page.path.read_text()
    assert "Not finished, failed" in written and "&lt;script&gt;" in written and "<script>" not in written
