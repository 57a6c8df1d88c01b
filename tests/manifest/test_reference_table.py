"""Reference tables: strict reading, with every flaw at its place."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from broken_cases import Case, content, read_cases
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.errors import Flaw, InputError
from selfimp_bench.manifest.reference_table import REQUIRED, Reference, TableError, find_flaws, read_table

BROKEN = read_cases(Path(__file__).parent / "broken_tables.yaml")
ACROSS = Path(__file__).parent / "across_tables"
HEADER = ",".join(REQUIRED)

ROW = Reference(
    id="a",
    model="tiny",
    dataset="gsm",
    method="sft",
    metric="pass@1",
    x=Decimal(1),
    printed="77.5",
    unit="percent",
    read_error=None,
    source="Table 1",
    conflicts_with=(),
)


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
def test_a_broken_table_is_refused_with_every_flaw_at_its_place(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(content(case))
    flaws = find_flaws(path)
    assert [str(flaw).removeprefix(f"{path}:") for flaw in flaws] == list(case.refused)
    with pytest.raises(TableError) as refused:
        read_table(path, "t.csv")
    assert refused.value.flaws == flaws
    assert str(refused.value) == "\n".join(map(str, flaws))
    assert isinstance(refused.value, InputError)


def test_a_conflict_with_a_row_of_another_table_is_looked_up_there() -> None:
    tables = sorted(ACROSS.glob("*.csv"))
    found = "".join(f"{replace(flaw, file=path.name)}\n" for path in tables for flaw in find_flaws(path))
    assert found == (ACROSS / "flaws.txt").read_text(encoding="utf-8")


def test_a_table_without_the_rest_of_its_folder_is_read_with_its_conflicts(tmp_path: Path) -> None:
    path = tmp_path / "right.csv"
    path.write_bytes((ACROSS / "right.csv").read_bytes())
    assert read_table(path, "right.csv").rows[2].conflicts_with == ("f2", "left.csv#f")
    absent = "left.csv cannot be used: cannot be read: No such file or directory"
    assert {flaw.message for flaw in find_flaws(path)} == {absent}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEADER},{'c' * 10**6}\n", "unknown column"),
        (
            f"{HEADER}\n{'c' * 10**6},tiny,gsm,,pass@1,,77.50,percent,,Table 1,\n",
            "has 1000000 characters; expected at most",
        ),
        (f"{HEADER}\na,tiny,gsm,,pass@1,{'7' * 1900},1,percent,,Table 1,\n", "must be a plain decimal number"),
        (f"{HEADER}\na,tiny,gsm,,pass@1,1,{'7' * 5000},percent,,Table 1,\n", "has 5000 characters"),
    ],
)
def test_what_is_too_long_for_a_table_is_named_and_not_quoted_whole(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    flaws = [str(flaw) for flaw in find_flaws(path)]
    assert any(said in flaw for flaw in flaws), flaws
    assert all(len(flaw) < 3000 for flaw in flaws)


def test_a_table_keeps_the_digits_as_printed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    digest = "0" * 64
    path.write_text(
        f"{HEADER},sd,runs,problems,digest\n"
        f'a,tiny,gsm,,pass@1,,77.50,percent,0.4,"Table 1, ""left""",b;c,1.20,5,200,{digest}\n'
        "b,tiny,gsm,sft,pass@1,2,77,percent,,Figure 2,a,,,,\n"
        "c,tiny,gsm,sft,pass@1,2,-.5,percent,,Figure 2,a,,,,",
        encoding="utf-8",
    )
    table = read_table(path, "paper/t.csv")
    assert table.name == "paper/t.csv"
    first, second, third = table.rows
    assert (first.printed, first.value, first.x, first.method) == ("77.50", Decimal("77.50"), None, "")
    assert first.source == 'Table 1, "left"'
    assert first.conflicts_with == ("b", "c")
    assert (first.sd, first.runs, first.problems, first.digest) == (Decimal("1.20"), 5, 200, digest)
    assert (second.x, second.read_error, second.sd, second.runs) == (Decimal(2), None, None, None)
    assert third.value == Decimal("-0.5")


def test_optional_columns_may_be_left_out_and_columns_stand_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    cells = dict.fromkeys(REQUIRED, "") | {
        "id": "a", "model": "tiny", "dataset": "gsm", "method": "sft", "metric": "pass@1", "x": "1",
        "printed": "77.5", "unit": "percent", "source": "Table 1",
    }  # fmt: skip
    names = sorted(REQUIRED)
    path.write_text(",".join(names) + "\n" + ",".join(cells[name] for name in names) + "\n", encoding="utf-8")
    assert read_table(path, "t.csv").rows == (ROW,)


@pytest.mark.parametrize(
    ("printed", "error"), [("77.5", "0.05"), ("77.50", "0.005"), ("77", "0.5"), (".775", "0.0005")]
)
def test_the_rounding_error_is_half_a_unit_of_the_last_printed_digit(printed: str, error: str) -> None:
    assert replace(ROW, printed=printed).rounding_error == Decimal(error)


def test_the_own_error_is_the_larger_of_rounding_and_reading_error() -> None:
    assert ROW.own_error == Decimal("0.05")
    assert replace(ROW, read_error=Decimal("0.4")).own_error == Decimal("0.4")
    assert replace(ROW, read_error=Decimal("0.01")).own_error == Decimal("0.05")


def test_a_file_that_is_not_there_is_a_flaw(tmp_path: Path) -> None:
    path = tmp_path / "absent.csv"
    message = "cannot be read: No such file or directory"
    assert find_flaws(path) == (Flaw(file=str(path), line=1, column=1, where="$", message=message),)


@given(st.binary(max_size=200))
def test_any_bytes_give_flaws_and_never_a_crash(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "t.csv"
    path.write_bytes(raw)
    assert find_flaws(path)


@given(st.text(alphabet='abc",\n\r;1. é', max_size=40))
def test_any_text_under_a_good_first_line_is_read_or_refused_at_a_place_inside_the_file(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "t.csv"
    path.write_bytes(f"{HEADER}\n{text}".encode())
    for flaw in find_flaws(path):
        assert 1 <= flaw.line <= len(text.splitlines()) + 2
        assert flaw.column >= 1
