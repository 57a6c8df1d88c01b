"""Contradictions that were written down when a paper's numbers were read."""

from pathlib import Path

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.conflicts import RecordedConflict, read_conflicts

ONE = """schema: 1
conflicts:
  - id: sizes
    kind: statement
    says: The sizes differ.
    between: [Section 1, Table 2]
    rows: [t.csv#a, t.csv#b]
    reading: the table's
"""


def test_conflicts_are_read_and_other_keys_passed_over(tmp_path: Path) -> None:
    (tmp_path / "source.yaml").write_text(ONE)
    assert read_conflicts(tmp_path / "source.yaml") == (
        RecordedConflict(
            id="sizes",
            says="The sizes differ.",
            between=("Section 1", "Table 2"),
            rows=("t.csv#a", "t.csv#b"),
            reading="the table's",
        ),
    )


def test_no_file_and_no_list_are_no_conflicts(tmp_path: Path) -> None:
    assert read_conflicts(tmp_path / "source.yaml") == ()
    (tmp_path / "source.yaml").write_text("schema: 1\n")
    assert read_conflicts(tmp_path / "source.yaml") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [(ONE.replace("[Section 1, Table 2]", "[Section 1]"), "between"), ("conflicts: [", "not YAML"), ("[]", "object")],
)
def test_what_is_no_list_of_conflicts_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "source.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        read_conflicts(path)
    assert str(path) in str(refused.value)
