"""Grading files of any size: streamed, resumed, the same whatever the number of workers."""

import json
import os
import resource
from dataclasses import replace

import msgspec
import pyarrow.parquet as pq
import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Grading
from selfimp_bench.runs.grade_files import grade_files

PROGRAMS = msgspec.convert({"task": "mbpp", "extraction": "strict", "source": "test"}, Grading)
NUMBERS = msgspec.convert({"task": "gsm8k", "extraction": "strict", "source": "test"}, Grading)


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def problems(tmp_path):
    tests = ["assert double(2) == 4", "assert double(-1) == -2"]
    answer = "def double(x):\n    return 2 * x\n#### 4"
    return write(
        tmp_path / "p.jsonl", [{"problem_id": "p", "question": "Double it.", "tests": tests, "answer": answer}]
    )


def samples(tmp_path, count):
    ends = ("2 * x", "x + 2", "2 *", "1 / 0", "x + x")
    rows = [
        {"problem_id": "p", "sample_index": index, "completion": f"def double(x):\n    return {ends[index % 5]}\n"}
        for index in range(count)
    ]
    return write(tmp_path / "s.jsonl", rows)


def graded(grading, problems, samples, out, told=lambda _: None):
    return grade_files(grading, problems=problems, samples=[samples], out=out, told=told)


@pytest.mark.slow
def test_programs_are_graded_in_order_and_the_same_on_one_core_and_on_all(tmp_path, problems):
    given, cores = samples(tmp_path, 40), os.sched_getaffinity(0)
    counts = graded(PROGRAMS, problems, given, tmp_path / "all.jsonl")
    assert counts == {"correct": 16, "wrong": 24}
    try:
        os.sched_setaffinity(0, {min(cores)})
        graded(PROGRAMS, problems, given, tmp_path / "one.jsonl")
    finally:
        os.sched_setaffinity(0, cores)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "all.jsonl").read_bytes()
    rows = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert [row["sample_index"] for row in rows] == list(range(40))
    backwards = write(tmp_path / "b.jsonl", [json.loads(line) for line in given.read_text().splitlines()][::-1])
    graded(PROGRAMS, problems, backwards, tmp_path / "back.jsonl")
    assert (tmp_path / "back.jsonl").read_text().splitlines()[::-1] == (tmp_path / "all.jsonl").read_text().splitlines()


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_stopped_run_goes_on_where_it_was_and_ends_as_if_never_stopped(tmp_path, problems, suffix):
    given = samples(tmp_path, 50)
    graded(NUMBERS, problems, given, tmp_path / f"whole.{suffix}")

    def stop(done):
        if done == 20:
            raise KeyboardInterrupt

    out = tmp_path / f"g.{suffix}"
    with pytest.raises(KeyboardInterrupt):
        graded(NUMBERS, problems, given, out, told=stop)
    assert not out.exists()
    partial = tmp_path / f".g.{suffix}.partial"
    with partial.open("ab") as stream:
        stream.write(b'{"problem_id": "cut')
    heard = []
    counts = graded(NUMBERS, problems, given, out, told=heard.append)
    assert (heard[0], heard[-1], sum(counts.values())) == (21, 50, 50)
    assert out.read_bytes() == (tmp_path / f"whole.{suffix}").read_bytes()
    assert not partial.exists()


def _flip(line):
    return line.replace(b'"wrong"', b'"correct"')


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (lambda lines: [*lines[:8], _flip(lines[8]), *lines[9:]], 7),
        (lambda lines: [*lines[:5], *lines[6:]], 4),
        (lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]], 4),
        (lambda lines: [*lines[:4], lines[3], *lines[4:]], 3),
        (lambda lines: [lines[0], *lines[2:]], 0),
        (lambda lines: [lines[0].replace(b"a", b"b", 1), *lines[1:]], 0),
        (lambda lines: [b"\xff" * len(lines)], 0),
    ],
)
def test_what_was_changed_in_a_stopped_grading_is_graded_anew(tmp_path, problems, change, kept):
    rows = [{"problem_id": "p", "sample_index": index, "completion": f"#### {index % 5}"} for index in range(30)]
    given, out = write(tmp_path / "s.jsonl", rows), tmp_path / "g.jsonl"
    graded(NUMBERS, problems, given, tmp_path / "whole.jsonl")

    def stop(done):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        graded(NUMBERS, problems, given, out, told=stop)
    partial = tmp_path / ".g.jsonl.partial"
    lines = partial.read_bytes().splitlines(keepends=True)
    changed = change(lines)
    assert changed != lines
    partial.write_bytes(b"".join(changed))
    heard = []
    graded(NUMBERS, problems, given, out, told=heard.append)
    assert heard[0] == kept + 1
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


@pytest.mark.parametrize("name", ["p.jsonl", "s.jsonl", "link.jsonl", "hard.jsonl"])
def test_the_input_is_not_written_over(tmp_path, problems, name):
    given = samples(tmp_path, 5)
    (tmp_path / "link.jsonl").symlink_to(given)
    (tmp_path / "hard.jsonl").hardlink_to(given)
    before = [path.read_bytes() for path in (problems, given)]
    with pytest.raises(InputError, match="would write over the input"):
        graded(NUMBERS, problems, given, tmp_path / name)
    assert [path.read_bytes() for path in (problems, given)] == before


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('"sample_index": -1', "Expected `int` >= 0"),
        ('"sample_index": 1' + "0" * 30, "beyond 64 bits"),
        ('"sample_index": 2147483648', "Expected `int` <= 2147483647"),
        ('"sample_index": ' + "7" * 5000, r"the integer 7{60}\.\.\. \(5000 characters\) is beyond 64 bits"),
        ('"sample_index": 0, "iteration": -1', "Expected `int` >= 0"),
        ('"sample_index": 0, "sample_index": 0', "the key 'sample_index' stands twice"),
        ('"sample_index": 0, "role": "\\udc80"', "half of a surrogate pair"),
        ('"sample_index": 0, "x": ' + "[" * 100000, "without end"),
        ('"sample_index": 0, "x": NaN', "NaN is no number"),
    ],
)
def test_a_number_or_a_key_that_no_row_can_have_is_an_input_error_with_its_line(tmp_path, problems, row, said, suffix):
    given = tmp_path / "s.jsonl"
    given.write_text(f'{{"problem_id": "p", "completion": "4", {row}}}\n')
    with pytest.raises(InputError, match=rf"s\.jsonl:1: .*{said}"):
        graded(NUMBERS, problems, given, tmp_path / f"g.{suffix}")


@pytest.mark.parametrize(
    "what", ['"question": "\\ud800"', '"question": "x", "question": "y"', '"level": ' + "9" * 5000]
)
def test_a_problem_that_no_file_can_hold_is_an_input_error_with_its_line(tmp_path, what):
    given = tmp_path / "q.jsonl"
    given.write_text(f'{{"problem_id": "p", "answer": "#### 4", {what}}}\n')
    with pytest.raises(InputError, match=r"q\.jsonl:1: "):
        graded(NUMBERS, given, samples(tmp_path, 1), tmp_path / "g.jsonl")


def test_other_files_or_another_rule_begin_anew(tmp_path, problems):
    given, out = samples(tmp_path, 10), tmp_path / "g.jsonl"

    def stop(done):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        graded(NUMBERS, problems, given, out, told=stop)
    heard = []
    graded(replace(NUMBERS, extraction="flexible"), problems, given, out, told=heard.append)
    assert heard[0] == 1


def test_a_missing_samples_file_is_named_before_anything_is_done(tmp_path, problems):
    with pytest.raises(InputError, match=r"none\.jsonl: no such file"):
        graded(NUMBERS, problems, tmp_path / "none.jsonl", tmp_path / "g.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.jsonl"]


def test_a_completion_that_no_file_can_hold_is_an_input_error_with_file_and_line(tmp_path, problems):
    rows = [
        {"problem_id": "p", "sample_index": index, "completion": text}
        for index, text in enumerate(("\U0001f600", "\udc80"))
    ]
    with pytest.raises(InputError, match=r"s\.jsonl:2: \\udc80 is half of a surrogate pair"):
        graded(NUMBERS, problems, write(tmp_path / "s.jsonl", rows), tmp_path / "g.jsonl")


def test_files_without_a_sample_are_refused(tmp_path, problems):
    with pytest.raises(InputError, match=r"s\.jsonl: no sample in it"):
        graded(NUMBERS, problems, samples(tmp_path, 0), tmp_path / "g.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.jsonl", "s.jsonl"]


def test_a_place_that_cannot_be_written_to_is_named_before_anything_is_graded(tmp_path, problems):
    given = samples(tmp_path, 1)
    with pytest.raises(InputError, match=r"--out .*s\.jsonl/g\.jsonl: .*expected a file in a folder"):
        graded(NUMBERS, problems, given, given / "g.jsonl")


def test_every_problem_is_looked_at_before_the_first_sample_is_graded(tmp_path):
    good = {"question": "Double it.", "tests": ["assert double(2) == 4"]}
    given = write(tmp_path / "p.jsonl", [good | {"problem_id": "p"}, good | {"problem_id": "q", "tests": ["assert ("]}])
    with pytest.raises(InputError, match="problem q: test 1 of 1 is no Python"):
        graded(PROGRAMS, given, samples(tmp_path, 5), tmp_path / "g.jsonl", told=lambda done: pytest.fail(str(done)))


def test_samples_of_a_problem_whose_own_solution_fails_are_counted_apart(tmp_path):
    row = {"question": "Double it.", "tests": ["assert double(2) == 4"]}
    wrong = "def double(x):\n    return x\n"
    given = write(tmp_path / "p.jsonl", [row | {"problem_id": "p", "answer": wrong}])
    assert graded(PROGRAMS, given, samples(tmp_path, 5), tmp_path / "g.jsonl") == {"cannot be judged here": 5}


@pytest.mark.parametrize(("stops", "outcome"), [("mbpp", "correct"), ("human-eval", "wrong")])
def test_where_a_program_ends_is_a_rule_by_protocol(tmp_path, problems, stops, outcome):
    completion = "def double(x):\n    return 2 * x\nassert double(2) == 5\n"
    given = write(tmp_path / "s.jsonl", [{"problem_id": "p", "sample_index": 0, "completion": completion}])
    out = tmp_path / "g.jsonl"
    counts = grade_files(PROGRAMS, problems=problems, samples=[given], out=out, told=lambda _: None, stops=stops)
    assert counts == {outcome: 1}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_hundred_thousand_samples_stream_in_bounded_memory(tmp_path, problems, suffix):
    given = tmp_path / "s.jsonl"
    with given.open("w") as stream:
        for index in range(100_000):
            row = {"problem_id": "p", "sample_index": index, "completion": f"{'so ' * 500}\n#### {index % 7}"}
            stream.write(json.dumps(row) + "\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = graded(NUMBERS, problems, given, tmp_path / f"g.{suffix}")
    assert sum(counts.values()) == 100_000
    assert given.stat().st_size > 150_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
    if suffix == "parquet":
        assert pq.ParquetFile(tmp_path / "g.parquet").metadata.num_rows == 100_000
