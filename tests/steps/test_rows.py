"""Rows of samples and grades: what is measured of them is read by columns, and is what the whole rows say."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.steps.rows import (
    GRADE_SCHEMA,
    GRADES,
    SAMPLE_SCHEMA,
    SAMPLES,
    GradeRow,
    SampleRow,
    judge,
    judged_answers,
    table_rows,
)
from selfimp_bench.tasks.grading.outcome import Outcome

PLACES = [(name, index) for name in ("one", "two", "three") for index in range(4)]


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Samples of three problems, and their grades in the reverse order."""
    samples = [
        {
            "problem_id": name,
            "sample_index": index,
            "completion": f"{name}\n= {index}",
            "iteration": 2,
            "role": "sample",
            "finish_reason": list(FinishReason)[index],
            "seed": "12345678901234567890",
            "prompt_sha256": "0" * 64,
            "token_ids": [index, 7],
        }
        for name, index in PLACES
    ]
    grades = [
        {
            "problem_id": name,
            "sample_index": index,
            "iteration": 2,
            "role": "sample",
            "outcome": list(Outcome)[index],
            "extracted": f"{name} {index}" if index else None,
            "detail": "words",
            "other_outcome": list(Outcome)[-index] if index % 2 else None,
            "other_extracted": "other",
        }
        for name, index in reversed(PLACES)
    ]
    pq.write_table(pa.Table.from_pylist(samples, schema=SAMPLE_SCHEMA), tmp_path / SAMPLES)
    pq.write_table(pa.Table.from_pylist(grades, schema=GRADE_SCHEMA), tmp_path / GRADES)
    return tmp_path


def test_what_is_measured_is_what_the_whole_rows_say(tables: Path) -> None:
    whole = judge(table_rows(tables / SAMPLES, SampleRow), table_rows(tables / GRADES, GradeRow))
    lean = list(judged_answers(tables / SAMPLES, tables / GRADES))
    assert len(lean) == len(PLACES)
    for one, other in zip(lean, whole, strict=True):
        assert (one.outcome, one.other_outcome, one.extracted) == (other.outcome, other.other_outcome, other.extracted)
        for name in ("problem_id", "completion", "finish_reason"):
            assert getattr(one.sample, name) == getattr(other.sample, name)
        assert isinstance(one.outcome, Outcome) and isinstance(one.sample.finish_reason, FinishReason)


def test_a_sample_without_a_grade_is_no_judged_answer(tables: Path) -> None:
    grades = pq.read_table(tables / GRADES)
    pq.write_table(grades.slice(1), tables / GRADES)
    with pytest.raises(KeyError, match="three"):
        list(judged_answers(tables / SAMPLES, tables / GRADES))
