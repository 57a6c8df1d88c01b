"""Priors: a strict table, in which the first row that fits a measurement counts."""

import csv
import runpy
from pathlib import Path

import numpy
import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.priors import COLUMNS, FILE, Priors, find_prior_flaws, find_priors, priors_of
from selfimp_bench.manifest.reference_table import TableError
from selfimp_bench.measurement import Split
from selfimp_bench.places import REFERENCES, ROOT

HEADER = ",".join(COLUMNS)
SOUND = "s,pass@1,any,any,0.01,share,8,literature,2504.07086,Table 3,its 1.0 points"


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / FILE
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def test_the_first_row_that_fits_counts(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "s,pass@1.level-*,ood,any,0.03,share,4,assumed,a guess,,few problems",
        SOUND,
        "s,is-pass@*,any,any,0.05,share,4,assumed,a guess,,another set every time",
        "s,gap,test,no,0.003,share,5,own replicates,t.csv,rows of t=0,pooled",
        "s,gap,test,yes,0.012,share,5,own replicates,t.csv,rows of t=1,pooled",
        "other,pass@1,any,any,0.5,share,1,assumed,a guess,,wide",
    )
    priors = priors_of("s", [path])
    wanted = {
        ("pass@1", Split.TEST, 3): 0.01,
        ("pass@1.level-5", Split.OOD, 3): 0.03,
        ("pass@1.level-5", Split.TEST, 3): 0.01,
        ("is-pass@64.first", Split.TEST, 5): 0.05,
        ("gap.mc.q0.8", Split.TEST, 0): 0.003,
        ("gap.mc.q0.8", Split.TEST, 2): 0.012,
    }
    assert {cell: priors.of(*cell).sd for cell in wanted} == wanted
    assert priors.of("pass@1", Split.TEST, 1).df == 8
    assert priors.of("pass@1", Split.TEST, 1).cited == "s, pass@1: literature, 2504.07086, Table 3"


def test_a_measurement_that_no_row_fits_is_refused_with_what_to_add(tmp_path: Path) -> None:
    priors = priors_of("s", [table(tmp_path, SOUND)])
    assert priors.find("gap-sd.mc.q0.8", Split.TEST, 0) is None
    with pytest.raises(
        InputError, match=r"setting s has no row that fits gap on test at iteration 0; add one \(metric gap"
    ):
        priors.of("gap", Split.TEST, 0)


def test_a_setting_that_no_table_has_is_refused_with_the_nearest(tmp_path: Path) -> None:
    table(tmp_path, SOUND)
    with pytest.raises(InputError, match=r'"fine-tuned-8b" is no setting of .*; did you mean fine-tuned-7b') as refused:
        find_priors("fine-tuned-8b", tmp_path / "mine.v1.yaml")
    assert str(tmp_path / FILE) in str(refused.value) and str(REFERENCES / FILE) in str(refused.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (SOUND.replace("0.01", "0"), "$.sd: must be above 0, found 0"),
        (SOUND.replace("0.01", "1 point"), "$.sd: must be a plain decimal number such as 77.5, found '1 point'"),
        (SOUND.replace(",8,", ",0,"), "$.df: must be above 0, found 0"),
        (SOUND.replace("2504.07086", ""), "$.source: must not be empty"),
        (SOUND.replace("Table 3", ""), "$.locator: must not be empty: the place in the source, for example 'Table 3'"),
        (SOUND.replace("its 1.0 points", ""), "$.reason: must not be empty"),
        (
            SOUND.replace("literature", "a feeling"),
            "$.kind: must be one of literature, own replicates, assumed, found 'a feeling'",
        ),
        (
            SOUND.replace("share", "percent"),
            "$.unit: must be the measurement's own unit, share: 0.01 is one percent; found 'percent'",
        ),
        (SOUND.replace("any,any", "dev,any"), "$.split: must be one of train, test, ood, any, found 'dev'"),
        (SOUND.replace("any,any", "any,0"), "$.trained: must be one of yes, no, any, found '0'"),
        (f"{SOUND}\n{SOUND}", "$.metric: never counts, line 2 fits first; put the narrower row above it"),
        (
            f"{SOUND}\n{SOUND.replace('pass@1,any', 'pass@1.level-*,ood')}",
            "$.metric: never counts, line 2 fits first; put the narrower row above it",
        ),
    ],
)
def test_a_flawed_row_is_refused_at_its_place(row: str, message: str, tmp_path: Path) -> None:
    path = table(tmp_path, row)
    (flaw,) = find_prior_flaws(path)
    assert f"{flaw.where}: {flaw.message}" == message
    assert flaw.line == 2 + row.count("\n")
    with pytest.raises(TableError):
        priors_of("s", [path])


def test_an_assumed_row_needs_no_place_but_a_reason(tmp_path: Path) -> None:
    row = "s,pass@1,any,any,0.01,share,8,assumed,nothing found,,as for coverage"
    assert find_prior_flaws(table(tmp_path, row)) == ()


def test_a_table_of_ones_own_lies_beside_the_manifest_and_comes_first(tmp_path: Path) -> None:
    table(tmp_path, SOUND, SOUND.replace("s,", "tiny-trained,", 1))
    for setting, metrics in (("s", 1), ("tiny-trained", 1), ("tiny-sampled", 2)):
        assert len(find_priors(setting, tmp_path / "mine.v1.yaml").rows) >= metrics
    assert [row.reason for row in find_priors("tiny-trained", tmp_path / "mine.v1.yaml").rows] == ["its 1.0 points"]


def test_the_tiny_settings_are_what_our_replicates_say_by_the_recipe() -> None:
    path = ROOT / "benchmark/recipes/tiny_priors.py"
    recipe = runpy.run_path(str(path))
    with (REFERENCES / FILE).open(encoding="utf-8", newline="") as stream:
        shipped = [row for row in csv.DictReader(stream) if row["setting"].startswith("tiny-")]
    assert shipped == recipe["tiny_rows"](), f"run {path.relative_to(ROOT)}: the tiny tables have changed"


def test_a_pooled_prior_has_the_spread_and_the_freedom_that_its_cells_have_in_common() -> None:
    """Spreads drawn from one scaled inverse chi-square are found again; equal true spreads give all the freedom."""
    pooled = runpy.run_path(str(ROOT / "benchmark/recipes/tiny_priors.py"))["pooled"]
    draw = numpy.random.default_rng(1)
    true = 0.02 * numpy.sqrt(6 / draw.chisquare(6, 4000))
    sd, df = pooled(list(true * numpy.sqrt(draw.chisquare(9, 4000) / 9)), 9, 1000)
    assert sd == pytest.approx(0.02, rel=0.03) and df == pytest.approx(6, rel=0.15)
    alike = 0.02 * numpy.sqrt(draw.chisquare(9, 4000) / 9)
    sd, df = pooled(list(alike), 9, 36)
    assert sd == pytest.approx(0.02, rel=0.03) and df == 36


def test_the_shipped_settings_are_those_of_models_sampled_and_trained_at_both_sizes() -> None:
    assert find_prior_flaws(REFERENCES / FILE) == ()
    for setting in ("fine-tuned-7b", "sampled-7b", "tiny-trained", "tiny-sampled"):
        assert isinstance(find_priors(setting, Path("mine.v1.yaml")), Priors)
