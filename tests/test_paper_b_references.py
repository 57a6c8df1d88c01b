"""The published numbers of "Mind the Gap": complete, as printed, and wrong only where source.yaml says so."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import pairwise, permutations, product
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from selfimp_bench.manifest.reference_table import Reference, find_flaws, read_table

FOLDER = Path(__file__).parent.parent / "reference_results" / "mind-the-gap"
TABLES = sorted(path.name for path in FOLDER.glob("*.csv") if path.name != "models.csv")
FAMILIES = {
    "qwen1.5": ("0.5b", "1.8b", "4b", "7b", "14b", "32b", "72b"),
    "qwen2": ("0.5b", "1.5b", "7b", "72b"),
    "llama-2": ("7b", "13b", "70b"),
    "llama-3": ("8b", "70b"),
    "llama-3.1": ("8b", "70b"),
    "yi-1.5": ("6b", "9b", "34b"),
}
MODELS = tuple(f"{family}-{size}" for family, sizes in FAMILIES.items() for size in sizes)
INSTRUCT = ("qwen2-7b-instruct", "qwen2-72b-instruct")
MC = ("mc.q0.7", "mc.q0.8", "mc.t0.7", "mc.t0.8")
COT = ("cot-binary.t1", "cot-score.t8", "cot-score.t9")
VERIFICATIONS = (*MC, *COT, "tournament.r5")
SINGLE = ("mc.q0.8", "cot-binary.t1", "cot-score.t8")
ENSEMBLES = {f"and({'+'.join(parts)})": parts for parts in (SINGLE[:2], (SINGLE[0], SINGLE[2]), SINGLE[1:], SINGLE)}
OTHER_ACCURACY = ("llama-3-8b", "llama-3-70b", "llama-3.1-8b", "llama-3.1-70b")
COLUMNS = {
    "table1": ("accuracy", "gap.mc.q0.8", "gap.mc.t0.8"),
    "table2": ("accuracy", "gap.cot-binary.t1", "relative-gap.cot-binary.t1"),
    "table3": ("accuracy", *(f"gap.{each}" for each in VERIFICATIONS)),
    "table4": (
        "accuracy",
        *(f"aggregate-relative-gap.{each}" for each in MC),
        *(f"relative-gap.{each}" for each in (*COT, "tournament.r5")),
    ),
    "table5": ("accuracy", "gap.mc.q0.8", "gap.mc.t0.8"),
    "table6": ("accuracy", "gap.cot-binary.t1", "relative-gap.cot-binary.t1"),
    "table7": tuple(f"gap.{each}" for each in (*SINGLE, *ENSEMBLES)),
}
QWEN2 = tuple(f"qwen2-{size}" for size in FAMILIES["qwen2"])
ROWS = dict.fromkeys(COLUMNS, MODELS) | {"table1": QWEN2, "table2": QWEN2, "table6": (*MODELS, *INSTRUCT)}
HALF_DIGIT = Decimal("0.005")


@cache
def rows() -> dict[str, Reference]:
    """Every row of the folder, by ``table.csv#id``."""
    return {f"{name}#{row.id}": row for name in TABLES for row in read_table(FOLDER / name, name).rows}


@cache
def source() -> Any:
    return YAML(typ="safe", pure=True).load((FOLDER / "source.yaml").read_text(encoding="utf-8"))


def conflict(name: str) -> set[str]:
    """The rows of one conflict of source.yaml."""
    return next(set(entry["rows"]) for entry in source()["conflicts"] if entry["id"] == name)


def cell(table: str, model: str, metric: str) -> Reference:
    return rows()[f"{table}.csv#{table}.{model}.{metric}"]


def value(table: str, model: str, metric: str) -> Decimal:
    return cell(table, model, metric).value


def agree(first: Reference, second: Reference) -> bool:
    """Whether both can be the same number, given their own errors."""
    return abs(first.value - second.value) <= first.own_error + second.own_error


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_no_flaws(name: str) -> None:
    assert find_flaws(FOLDER / name) == ()


def test_source_describes_every_table_and_counts_its_rows() -> None:
    described = {table["file"]: table["rows"] for table in source()["tables"] if table["file"] != "models.csv"}
    assert described == Counter(name.partition("#")[0] for name in rows())
    for table in source()["tables"]:
        assert all(table[key] for key in ("from", "how", "read_error", "licence")), table["file"]


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_of_the_paper_has_every_model_and_every_column(table: str) -> None:
    wanted = {f"{table}.{model}.{metric}" for model, metric in product(ROWS[table], COLUMNS[table])}
    found = [row for name, row in rows().items() if name.startswith(f"{table}.csv")]
    assert {row.id for row in found} == wanted
    for row in found:
        assert row.id == f"{table}.{row.model}.{row.metric}"
        assert row.method == ("verifier-ensemble" if table == "table7" else "gv-gap")
        assert (row.x, row.unit, row.read_error) == (Decimal(0), "percent", None)


def test_twenty_one_models_make_189_numbers_of_tables_3_and_4() -> None:
    assert len(MODELS) == 21
    assert [len(ROWS[table]) * len(COLUMNS[table]) for table in COLUMNS] == [12, 12, 189, 189, 63, 69, 147]


# Sums of the columns in the paper's text: a digit that is misread or a column that is shifted changes one.
ACCURACY_SUM = "1102.07"
SUMS = {
    "table3": (ACCURACY_SUM, "86.12", "75.67", "46.18", "22.56", "48.05", "40.89", "42.06", "53.65"),
    "table4": (ACCURACY_SUM, "222.84", "197.19", "137.22", "88.55", "219.81", "177.41", "184.78", "202.42"),
    "table7": ("72.69", "46.20", "41.09", "81.47", "82.07", "66.02", "84.04"),
}


@pytest.mark.parametrize("table", SUMS)
def test_the_columns_add_up_to_the_paper_s(table: str) -> None:
    sums = tuple(str(sum(value(table, model, metric) for model in MODELS)) for metric in COLUMNS[table])
    assert sums == SUMS[table]


# ---- against the text


def text_tables() -> Iterator[tuple[int, list[list[str]]]]:
    """The lines of the text's tables, by the number of the caption above (1-4, 7) or below (5, 6) them."""
    data = os.environ.get("SELFIMP_BENCH_DATA")
    if not data:
        pytest.skip("SELFIMP_BENCH_DATA is not set: it names the data folder beside the papers' texts")
    path = Path(data).parent / "papers" / "mind_the_gap.txt"
    if not path.is_file():
        pytest.skip(f"{path} is not there: the paper's text is working material and not shipped")
    above = 0
    waiting: list[list[str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        caption = re.match(r"Table (\d):", line)
        if caption:
            if waiting:
                yield int(caption[1]), waiting
                above, waiting = 0, []
            else:
                above = int(caption[1])
        elif "\t" in line and above and above != 8:
            yield above, [line.split("\t")]
        elif "\t" in line:
            waiting.append(line.split("\t"))
        elif line.startswith(("E.", "F ", "hold.")):
            above, waiting = 0, []


@cache
def printed() -> dict[int, list[str]]:
    """The numbers of each table of the text, in reading order."""
    found: dict[int, list[str]] = {}
    for number, lines in text_tables():
        for line in lines:
            numbers = [field for field in line if re.fullmatch(r"-?\d+\.\d+", field)]
            found.setdefault(number, []).extend(numbers)
    return found


@pytest.mark.parametrize("table", ["table1", "table2", "table3", "table4", "table7"])
def test_every_number_of_the_text_is_in_its_table_digit_by_digit_and_in_order(table: str) -> None:
    numbers = printed()[int(table[-1])]
    in_lines = table in ("table1", "table2")  # a line is a quantity; else a line is a model
    pairs = (
        [(model, metric) for metric in COLUMNS[table] for model in ROWS[table]]
        if in_lines
        else [(model, metric) for model in ROWS[table] for metric in COLUMNS[table]]
    )
    assert numbers == [cell(table, *pair).printed for pair in pairs]


@pytest.mark.parametrize("table", ["table5", "table6"])
def test_every_number_of_the_family_tables_is_there_digit_by_digit_and_in_order(table: str) -> None:
    pairs = []
    for family, sizes in FAMILIES.items():
        models = [f"{family}-{size}" for size in sizes]
        if (table, family) == ("table6", "qwen2"):
            models += INSTRUCT
        pairs += [(model, metric) for metric in COLUMNS[table] for model in models]
    assert printed()[int(table[-1])] == [cell(table, *pair).printed for pair in pairs]


# ---- what the paper's own numbers satisfy


def test_tables_1_and_2_repeat_part_of_tables_5_and_6() -> None:
    for small, large in (("table1", "table5"), ("table2", "table6")):
        for model, metric in product(QWEN2, COLUMNS[small]):
            assert cell(small, model, metric).printed == cell(large, model, metric).printed
    for name in ("table1.csv#table1.qwen2-7b.gap.mc.q0.8", "table5.csv#table5.qwen2-7b.gap.mc.q0.8"):
        assert name in conflict("top-0.8-is-top-0.2")
    assert "top 0.8" in cell("table1", "qwen2-7b", "gap.mc.q0.8").source
    assert "top 0.2" in cell("table5", "qwen2-7b", "gap.mc.q0.8").source


def test_tables_3_and_4_have_the_same_accuracies() -> None:
    for model in MODELS:
        assert cell("table3", model, "accuracy").printed == cell("table4", model, "accuracy").printed


def aggregate(model: str, verification: str) -> tuple[Decimal, Decimal]:
    """Table 3's gap / (1 - accuracy) in percent, as far as rounding of both may carry it."""
    gap, accuracy = value("table3", model, f"gap.{verification}"), value("table3", model, "accuracy")
    corners = [
        100 * (gap + one * HALF_DIGIT) / (100 - accuracy - other * HALF_DIGIT)
        for one, other in product((-1, 1), (-1, 1))
    ]
    return min(corners), max(corners)


def test_the_relative_gaps_of_mc_are_aggregate_but_for_four_models() -> None:
    """Table 4's MC columns from Table 3; where they do not follow, the base accuracy must be another one."""
    apart = set()
    for model, verification in product(MODELS, MC):
        low, high = aggregate(model, verification)
        found = value("table4", model, f"aggregate-relative-gap.{verification}")
        if not low - HALF_DIGIT <= found <= high + HALF_DIGIT:
            apart.add((model, verification))
    assert {model for model, _ in apart} == set(OTHER_ACCURACY)
    assert len(apart) == 14
    listed = {name for name in conflict("accuracy-of-four-models") if "relative-gap" in name}
    assert {f"table4.csv#table4.{model}.aggregate-relative-gap.{each}" for model, each in apart} < listed
    assert {f"implied.csv#implied.{model}.aggregate-relative-gap.{each}" for model, each in apart} < listed
    assert len(listed) == 28


def test_the_relative_gaps_of_cot_and_tournament_are_not_aggregate() -> None:
    follow = 0
    for model, verification in product(MODELS, (*COT, "tournament.r5")):
        low, high = aggregate(model, verification)
        follow += low - HALF_DIGIT <= value("table4", model, f"relative-gap.{verification}") <= high + HALF_DIGIT
    assert follow == 1, "of 84, by chance"


def test_implied_relative_gaps_are_computed_from_table_3() -> None:
    found = [row for name, row in rows().items() if name.startswith("implied.csv") and row.metric != "accuracy"]
    assert len(found) == 14
    for row in found:
        low, high = aggregate(row.model, row.metric.removeprefix("aggregate-relative-gap."))
        assert row.read_error is not None
        assert row.value - row.read_error <= low <= row.value <= high <= row.value + row.read_error, row.id
        assert row.read_error - max(high - row.value, row.value - low) < Decimal("0.001")


@pytest.mark.parametrize("model", OTHER_ACCURACY)
def test_implied_accuracies_are_what_all_four_columns_allow(model: str) -> None:
    low, high = Decimal("-Infinity"), Decimal("Infinity")
    for verification in MC:
        gap = value("table3", model, f"gap.{verification}")
        relative = value("table4", model, f"aggregate-relative-gap.{verification}")
        corners = [
            100 * (1 - (gap + one * HALF_DIGIT) / (relative + other * HALF_DIGIT))
            for one, other in product((-1, 1), (-1, 1))
        ]
        low, high = max(low, min(corners)), min(high, max(corners))
    assert low < high
    row = rows()[f"implied.csv#implied.{model}.accuracy"]
    assert row.read_error is not None
    assert low - Decimal("0.01") < row.value - row.read_error <= low < high <= row.value + row.read_error
    assert not agree(row, cell("table3", model, "accuracy"))


def test_linked_rows_say_different_numbers_for_the_same_quantity_in_one_listed_conflict() -> None:
    listed = [set(entry["rows"]) for entry in source()["conflicts"] if entry["kind"] == "numbers"]
    linked = 0
    for name, row in rows().items():
        for other in row.conflicts_with:
            full = other if "#" in other else f"{name.partition('#')[0]}#{other}"
            mate = rows()[full]
            assert (row.model, row.dataset, row.unit, row.metric) == (mate.model, mate.dataset, mate.unit, mate.metric)
            assert not agree(row, mate), (name, full)
            assert any({name, full} <= group for group in listed), (name, full)
            linked += 1
    assert linked == 2 * (4 * 2 + 14 + 31)


def test_every_conflict_names_rows_that_exist_and_says_what_the_checker_does() -> None:
    conflicts = source()["conflicts"]
    assert len({entry["id"] for entry in conflicts}) == len(conflicts) == 24
    for entry in conflicts:
        assert set(entry) == {"id", "kind", "says", "between", "rows", "reading"}, entry["id"]
        assert entry["kind"] in {"numbers", "statement"}
        assert len(entry["between"]) == 2 and entry["says"] and entry["reading"]
        assert set(entry["rows"]) <= rows().keys(), entry["id"]
        assert len(set(entry["rows"])) == len(entry["rows"]), entry["id"]
        linked = any(rows()[name].conflicts_with for name in entry["rows"])
        assert linked or entry["kind"] == "statement", entry["id"]


# ---- what the conflicts say, recounted


def test_table_7_is_of_gaps_and_repeats_table_3_with_other_digits_where_listed() -> None:
    exact, apart = Counter[str](), Counter[str]()
    for model, single in product(MODELS, SINGLE):
        row, gap = cell("table7", model, f"gap.{single}"), cell("table3", model, f"gap.{single}")
        exact[single] += row.value == gap.value
        apart[single] += not agree(row, gap)
        assert (not agree(row, gap)) == (f"table7.csv#{row.id}" in conflict("table7-values")), row.id
    assert exact == {"mc.q0.8": 3, "cot-binary.t1": 6, "cot-score.t8": 20}
    assert apart == {"mc.q0.8": 17, "cot-binary.t1": 13, "cot-score.t8": 1}


def test_small_models_improve_in_the_cells_listed() -> None:
    small = ("qwen1.5-0.5b", "qwen2-0.5b", "llama-2-7b")
    above = [
        row for model in small for each in VERIFICATIONS if (row := cell("table3", model, f"gap.{each}")).value > 0
    ]
    assert {f"table3.csv#{row.id}" for row in above} == conflict("small-models")
    assert Counter(row.model for row in above) == dict(zip(small, (2, 7, 7), strict=True))


def test_the_gap_with_cot_score_rises_from_8_to_9_for_all_models_but_those_listed() -> None:
    falls = [
        model
        for model in MODELS
        if value("table3", model, "gap.cot-score.t9") <= value("table3", model, "gap.cot-score.t8")
    ]
    assert len(MODELS) - len(falls) == 18
    pairs = {f"table3.csv#table3.{model}.gap.cot-score.t{tau}" for model, tau in product(falls, (8, 9))}
    assert pairs == conflict("optimal-threshold-of-cot-score")


def test_the_relative_gap_of_cot_falls_inside_one_family_only() -> None:
    falls = set()
    for (family, sizes), each in product(FAMILIES.items(), COT):
        models = [f"{family}-{size}" for size in sizes]
        for smaller, larger in pairwise(models):
            pair = [cell("table4", model, f"relative-gap.{each}") for model in (smaller, larger)]
            if pair[1].value < pair[0].value:
                falls |= {f"table4.csv#{row.id}" for row in pair}
    assert falls == conflict("relative-gap-not-monotone")
    assert all("qwen1.5" in name for name in falls)


def test_gaps_of_one_point_on_natural_questions_are_those_listed() -> None:
    gaps = [row for name, row in rows().items() if name.startswith("table5") and row.metric != "accuracy"]
    far = {f"table5.csv#{row.id}" for row in gaps if abs(row.value) > 1}
    assert far | {"text.csv#text.nq.gap.bound"} == conflict("nq-near-zero")
    assert (len(far), len(gaps)) == (6, 42)
    assert max(row.value for row in gaps) < 1


def test_sudoku_signs_differ_where_listed() -> None:
    def both(model: str) -> tuple[Reference, Reference]:
        return cell("table6", model, "gap.cot-binary.t1"), cell("table6", model, "relative-gap.cot-binary.t1")

    differ = {model for model in ROWS["table6"] if both(model)[0].value * both(model)[1].value < 0}
    assert differ == {"qwen1.5-0.5b", "qwen1.5-32b", "qwen2-1.5b", "llama-2-7b"}
    for model in differ:
        assert {f"table6.csv#{row.id}" for row in both(model)} < conflict("sudoku-signs")


def test_sudoku_improvements_of_the_largest_models_are_as_the_conflict_says() -> None:
    def share(model: str) -> int:
        return round(100 * value("table6", model, "gap.cot-binary.t1") / value("table6", model, "accuracy"))

    assert [share(model) for model in ("llama-3.1-70b", "qwen1.5-72b", "qwen2-72b")] == [327, 61, 193]


def test_there_are_288_complete_grids() -> None:
    lines = list(permutations("1234"))

    def latin(grid: tuple[tuple[str, ...], ...]) -> bool:
        columns = [{line[number] for line in grid} for number in range(4)]
        boxes = [{*grid[top][left : left + 2], *grid[top + 1][left : left + 2]} for top in (0, 2) for left in (0, 2)]
        return all(len(group) == 4 for group in (*columns, *boxes))

    found = sum(latin((*top, *rest)) for top in product(lines, repeat=2) for rest in product(lines, repeat=2))
    assert found == rows()["datasets.csv#datasets.sudoku.grids"].value == rows()["text.csv#text.sudoku.problems"].value


def test_the_worked_example_is_a_gap() -> None:
    accuracy, filtered, gap = (
        rows()[f"text.csv#text.figure2.{name}"] for name in ("accuracy", "filtered-accuracy", "gap")
    )
    assert filtered.value - accuracy.value == gap.value == Decimal("6.7")
