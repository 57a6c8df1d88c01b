"""Reading columns: what is wrong is told by row and column."""

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.columns import identity, text, texts


def test_the_first_column_that_is_there_is_read():
    assert text({"prompt": "p"}, "r", "text", "prompt") == "p"
    assert text({"text": "t", "prompt": "p"}, "r", "text", "prompt") == "t"
    assert texts({"tests": ["a", "b"]}, "r", "tests") == ("a", "b")


def test_a_missing_column_is_told_with_those_that_are_there():
    with pytest.raises(InputError, match=r"row test-7: no column 'text' or 'prompt' \(it has a, b\)"):
        text({"a": 1, "b": 2}, "test-7", "text", "prompt")


@pytest.mark.parametrize("value", [None, 5, "", "  ", ["t"]])
def test_what_is_no_text_is_told_by_row_and_column(value):
    with pytest.raises(InputError, match=r"row test-7, column 'text': found .*; expected a text that is not blank"):
        text({"text": value}, "test-7", "text")


@pytest.mark.parametrize("value", [None, "assert", [1], ["a", None]])
def test_what_is_no_list_of_texts_is_told_by_row_and_column(value):
    with pytest.raises(InputError, match=r"row test-7, column 'tests': found .*; expected a list of texts"):
        texts({"tests": value}, "test-7", "tests")


def test_a_long_value_is_shown_in_part():
    with pytest.raises(InputError, match="9…; expected"):
        texts({"tests": "9" * 1000}, "test-7", "tests")


def test_an_id_of_the_data_set_is_kept_as_text():
    assert identity({"task_id": 11}, "r", "task_id") == "11"
    assert identity({"id": "x"}, "r", "id") == "x"
    assert identity({}, "r", "id") == "r"


@pytest.mark.parametrize("value", [True, " ", 1.5, ["x"]])
def test_what_is_no_id_is_refused(value):
    with pytest.raises(InputError, match="row r, column 'id'"):
        identity({"id": value}, "r", "id")
