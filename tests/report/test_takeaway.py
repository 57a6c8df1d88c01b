"""Tables as CSV, as they are read, and nothing in them that a spreadsheet would calculate."""

import base64

from selfimp_bench.report.takeaway import csv_of, file_stem, file_url


def test_spans_are_filled_and_what_is_folded_is_left_out():
    html = (
        "<table><thead><tr><th>a</th><th colspan=2>b</th></tr></thead>"
        "<tr><th rowspan=2>x, y</th><td>1 <span>± 2</span></td><td>3</td></tr>"
        "<tr><td>4<details><summary>more</summary><table><tr><td>5</td></tr></table></details></td><td>6</td></tr>"
        "</table>"
    )
    assert csv_of(html) == 'a,b,b\n"x, y",1 ± 2,3\n"x, y",4,6\n'


def test_no_cell_is_a_formula_and_numbers_stay_numbers():
    html = "<table><tr><td>=1+1</td><td>@x</td><td>-cmd</td><td>-0.5 (-1 to 0)</td><td>+.2</td></tr></table>"
    assert csv_of(html) == "'=1+1,'@x,'-cmd,-0.5 (-1 to 0),+.2\n"


def test_a_formula_that_begins_like_a_number_is_none_and_a_name_that_may_break_is_one_word():
    html = "<table><tr><td>-2+3+cmd|' /C calc'!A0</td><td>+1e-05</td><td>distinct-n.<wbr>correct</td></tr></table>"
    assert csv_of(html) == "'-2+3+cmd|' /C calc'!A0,+1e-05,distinct-n.correct\n"


def test_an_address_is_the_file_itself():
    assert file_url("a,b\n", "csv") == "data:text/csv;charset=utf-8;base64," + base64.b64encode(b"a,b\n").decode()


def test_a_file_of_any_words_has_a_name():
    assert file_stem("Training sets of a/../b, seed 7") == "training-sets-of-a-b-seed-7"
    assert file_stem("…") == "table"
