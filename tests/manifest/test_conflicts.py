"""Contradictions that were written down when a paper's numbers were read."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from support import ROOT

from selfimp_bench.cli.app import cli
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("paper", "lines"),
    [
        (
            "mind-the-gap",
            (
                "  the paper's own numbers contradict relative-gap-is-monotone.cot-score (2412.02674, Figure 1, ",
                "table4.csv#table4.qwen1.5-7b.relative-gap.cot-score.t8",
                "  recorded: table4-two-formulas: Table 4 mixes two formulas.",
                "the paper's own numbers contradict nq-gap-is-near-zero (2412.02674, Table 5, caption",
                "    Section 4.1 against the data set card of openai/gsm8k (text.csv#text.gsm8k.problems, ",
                "  recorded: sudoku-example: The Sudoku verification example ",
            ),
        ),
        (
            "progress-or-regress",
            (
                "    says: LLaMA2-7B with Iterative SFT improves by 12.31 on GSM8K after 5 iterations.",
                "  recorded: gains-on-math: ",
                "    Section 4.2 (Problem-solving Tasks) against ",
            ),
        ),
    ],
)
def test_validate_prints_them_with_their_places(paper: str, lines: tuple[str, ...]) -> None:
    suite = ROOT / "manifests" / paper / f"{paper}.v1.yaml"
    result = CliRunner().invoke(cli, ["validate", "-v", str(suite)])
    assert result.exit_code == 0
    for line in lines:
        assert line in result.stdout
