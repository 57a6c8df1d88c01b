"""Generations as other tools write them (recorded: benchmark/recipes/outside_samples.py), and what is none."""

import gzip
import json
import resource
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz.archives import DEFLATED, STORED, ZSTANDARD, archive, members_of, packed

from selfimp_bench.errors import InputError
from selfimp_bench.runs.generations.look import open_source, sources_at
from selfimp_bench.runs.generations.problem_files import checked, problems_of, read_problem_file
from selfimp_bench.tasks.fields import BATCH, LM_EVAL, OWN_JSONL, OWN_PARQUET
from selfimp_bench.tasks.recognise import task_of_name, task_of_problem

MADE = Path(__file__).parent / "made"
ROW = {"problem_id": "p", "sample_index": 0, "completion": "#### 4"}
PROBLEM = {"problem_id": "p", "question": "?", "answer": "#### 4"}
DOC = {"doc_id": 0, "doc": {"question": "?", "answer": "#### 4"}, "resps": [["#### 4"]], "filter": "none"}
OUTPUT = {
    "custom_id": "p",
    "response": {"status_code": 200, "body": {"choices": [{"index": 0, "message": {"content": "#### 4"}}]}},
    "error": None,
}


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def texts(source, problems):
    return [(each.problem_id, each.sample_index, each.completion) for each in checked(source, problems)]


def test_lm_eval_rows_are_read_once_though_they_stand_there_for_every_filter():
    (source,) = sources_at(MADE / "lm-eval-sampled" / "t1")
    assert (source.format, source.evaluation, source.judged_by) == (LM_EVAL, "gsm8k_tiny", "exact_match")
    problems = source.problems()
    rows = list(checked(source, problems))
    assert (len(problems), len(rows)) == (40, 160)
    assert problems == read_problem_file(MADE / "problems.jsonl")
    first = json.loads(source.path.read_text().splitlines()[0])
    assert [each.completion for each in rows[:4]] == first["resps"][0]


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("gsm8k", "gsm8k"),
        ("gsm8k_cot_llama", "gsm8k_cot"),
        ("gsm8k_platinum", "gsm8k"),
        ("minerva_math_algebra", "minerva_math"),
        ("hendrycks_math_geometry", "math"),
        ("mbpp_instruct", "mbpp"),
        ("inspect_evals/gsm8k", "gsm8k"),
        ("gsm8kish", None),
        ("arc_easy", None),
    ],
)
def test_a_task_is_told_by_the_name_of_an_evaluation(name, task):
    assert task_of_name(name) == task


@pytest.mark.parametrize(
    ("row", "task", "name"),
    [
        ({"question": "?", "answer": "1 + 1 = 2\n#### 2"}, "gsm8k", "0"),
        ({"problem": "?", "solution": r"\boxed{2}", "level": "Level 3", "type": "Algebra"}, "math", "0"),
        ({"task_id": 7, "text": "?", "code": "x = 1", "test_list": ["assert x == 1"]}, "mbpp", "7"),
        (
            {"task_id": 7, "prompt": "?", "code": "x = 1", "test_list": ["assert x == 1"], "test_imports": []},
            "mbpp",
            "7",
        ),
        (PROBLEM, "gsm8k", "p"),
    ],
)
def test_rows_of_data_sets_are_problems_as_they_are(tmp_path, row, task, name):
    ((found, problem),) = read_problem_file(lines(tmp_path / "p.jsonl", row)).items()
    assert (found, problem.problem_id, task_of_problem(problem)) == (name, name, task)
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "p.parquet")
    assert read_problem_file(tmp_path / "p.parquet") == {name: problem}


def test_own_rows_are_read_as_lines_and_as_parquet(tmp_path):
    rows = [ROW | {"score": 0.5, "correct": True}, ROW | {"sample_index": 1, "score": None, "correct": False}]
    problems = read_problem_file(lines(tmp_path / "p.jsonl", PROBLEM))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "s.parquet")
    for path, form in ((lines(tmp_path / "s.jsonl", *rows), OWN_JSONL), (tmp_path / "s.parquet", OWN_PARQUET)):
        source = open_source(path)
        found = list(checked(source, problems))
        assert (source.format, source.judged_by) == (form, "correct")
        assert [(each.score, each.correct) for each in found] == [(0.5, True), (None, False)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["p1", "p2"], [("p1", 0), ("p2", 0)]),
        (["request-p1", "request-p2"], [("p1", 0), ("p2", 0)]),
        (["p1#0", "p1#1", "p2#0"], [("p1", 0), ("p1", 1), ("p2", 0)]),
        (["run/p1/3", "run/p2/4"], [("p1", 3), ("p2", 4)]),
    ],
)
def test_requests_of_a_batch_are_found_by_their_custom_ids(tmp_path, names, expected):
    problems = read_problem_file(lines(tmp_path / "p.jsonl", *(PROBLEM | {"problem_id": p} for p in ("p1", "p2"))))
    source = open_source(lines(tmp_path / "o.jsonl", *(OUTPUT | {"custom_id": name} for name in names)))
    assert source.format == BATCH
    assert [(name, index) for name, index, _ in texts(source, problems)] == expected


def test_a_request_that_failed_gives_no_sample_and_what_was_cut_says_so(tmp_path):
    failed = OUTPUT | {"custom_id": "q", "response": None, "error": {"message": "too long"}}
    refused = OUTPUT | {"custom_id": "q", "response": {"status_code": 400, "body": {"error": "x"}}}
    body = {"choices": [{"text": "a", "finish_reason": "length"}, {"text": "b", "finish_reason": "stop"}]}
    plain = OUTPUT | {"response": {"status_code": 200, "body": body}}
    problems = read_problem_file(lines(tmp_path / "p.jsonl", PROBLEM))
    found = list(checked(open_source(lines(tmp_path / "o.jsonl", failed, refused, plain)), problems))
    assert [(each.completion, each.finish_reason) for each in found] == [("a", "length"), ("b", "stop")]
    answer = {"output": [{"type": "reasoning"}, {"type": "message", "content": [{"type": "output_text", "text": "c"}]}]}
    response = OUTPUT | {"response": {"status_code": 200, "body": answer}}
    assert texts(open_source(lines(tmp_path / "r.jsonl", response)), problems) == [("p", 0, "c")]


def test_a_folder_holds_samples_beside_other_files(tmp_path):
    lines(tmp_path / "problems.jsonl", PROBLEM)
    (tmp_path / "results.json").write_text('{\n "results": {}\n}\n')
    lines(tmp_path / "deep.jsonl", ROW)
    assert [each.path.name for each in sources_at(tmp_path)] == ["deep.jsonl"]
    lines(tmp_path / "samples_gsm8k_2026-01-01T00-00-00.jsonl", DOC)
    lines(tmp_path / "samples_mbpp_2026-01-01T00-00-00.jsonl", DOC)
    with pytest.raises(InputError, match=r"samples of 2 evaluations \(gsm8k, mbpp\); give the files of one"):
        sources_at(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no sample in it, the file is empty; expected one of: lm-evaluation-harness"),
        (b"\n\n", "no sample in it"),
        (b"not json\n", "x.jsonl:1: not JSON"),
        (b"\xff\xfe{}\n", "not UTF-8"),
        (b"[1, 2]\n", "one list in JSON"),
        (b'{"a": 1}\n', "x.jsonl:1: a row with a; expected one of"),
        (b'{"custom_id": "1", "method": "POST", "url": "/", "body": {}}\n', "a request of a batch, and no output"),
        (b"PK\x03\x04rubbish", "cannot be read as a zip"),
        (b"PAR1rubbish", "cannot be read as Parquet"),
        (b'{"completion": "x"}\n', r"x.jsonl:1: .*problem_id"),
        (b'{"problem_id": "p", "sample_index": 0, "completion": "x", "score": "high"}\n', r"x.jsonl:1: .*score"),
        (b'{"problem_id": "p", "sample_index": 0, "completion": "x", "score": NaN}\n', "NaN is no number"),
        (b'{"problem_id": "p", "sample_index": 0, "completion": "x", "y": ' + b"9" * 4000 + b"}\n", "beyond 64 bits"),
    ],
)
def test_what_is_no_file_of_generations_is_refused_in_words(tmp_path, content, said):
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=said):
        list(open_source(tmp_path / "x.jsonl").generations())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"resps": [[["-1.5", "True"]], [["-2.0", "False"]]]}, "expected a task with `output_type: generate_until`"),
        ({"resps": [[["-1.5", "True"]]]}, "resps holds no completion"),
        ({"resps": []}, "answers of scored choices"),
        ({"doc_id": None}, "doc_id is None"),
        ({"doc": [1]}, "doc is list"),
        ({"doc": {"x": 1}}, "doc: no problem: it has x; expected problem_id"),
    ],
)
def test_lm_eval_rows_that_cannot_be_used_are_named_by_line(tmp_path, change, said):
    path = lines(tmp_path / "samples_a_2026-01-01T00-00-00.jsonl", DOC, DOC | {"doc_id": 1} | change)
    source = open_source(path)
    with pytest.raises(InputError, match=rf"jsonl:2: .*{said}"):
        list(checked(source, source.problems()))


def test_mixed_rows_and_doubled_documents_are_refused_by_line(tmp_path):
    for rows, said in (((DOC, ROW), "no doc and resps"), ((DOC, DOC), "stands there twice")):
        with pytest.raises(InputError, match=rf"m\.jsonl:2: .*{said}"):
            open_source(lines(tmp_path / "m.jsonl", *rows)).problems()
    problems = read_problem_file(lines(tmp_path / "p.jsonl", PROBLEM))
    with pytest.raises(InputError, match=r"o\.jsonl:2: no custom_id and response"):
        list(checked(open_source(lines(tmp_path / "o.jsonl", OUTPUT, ROW)), problems))


def test_files_that_hold_other_problems_under_one_id_are_refused(tmp_path):
    other = DOC | {"doc": {"question": "another", "answer": "#### 4"}}
    sources = [open_source(lines(tmp_path / f"{name}.jsonl", row)) for name, row in (("a", DOC), ("b", other))]
    with pytest.raises(InputError, match=r"b\.jsonl: problem '0' is another one than in .*a\.jsonl"):
        problems_of(sources, None)


def test_a_zip_that_is_no_log_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.eval", "w") as log:
        log.writestr("header.json", "{}")
    with pytest.raises(InputError, match=r"a zip without header\.json and samples/"):
        open_source(tmp_path / "x.eval")


def test_choices_of_a_request_are_samples_though_its_name_is_not_the_problems(tmp_path):
    body = {"choices": [{"text": "a"}, {"text": "b"}]}
    output = OUTPUT | {"custom_id": "request-p", "response": {"status_code": 200, "body": body}}
    problems = read_problem_file(lines(tmp_path / "p.jsonl", PROBLEM))
    assert texts(open_source(lines(tmp_path / "o.jsonl", output)), problems) == [("p", 0, "a"), ("p", 1, "b")]


def test_filters_that_say_other_things_of_a_document_are_refused(tmp_path):
    both = [DOC | {"filter": name, "doc_id": number} for name in ("a", "b") for number in (0, 1)]
    path = tmp_path / "samples_gsm8k_2026-01-01.jsonl"
    assert len(open_source(lines(path, *both)).problems()) == 2
    with pytest.raises(InputError, match=r"jsonl:4: document 1 has another doc or other resps"):
        open_source(lines(path, *both[:3], both[3] | {"resps": [["#### 5"]]})).problems()
    with pytest.raises(InputError, match=r"no row of filter 'a' for 1 of 2 documents, the first '1'"):
        open_source(lines(path, both[0], *both[2:])).problems()
    assert len(open_source(lines(path, *both[:3])).problems()) == 2


def repacked(path, change, method=zipfile.ZIP_DEFLATED):
    """The recorded log, its members changed by ``change(name, data)``; None leaves one out."""
    with zipfile.ZipFile(path, "w", method) as log:
        for name, _, content in members_of((MADE / "inspect" / "t1.eval").read_bytes()):
            if (made := change(name, content)) is not None:
                log.writestr(name, made)
    return path


def test_a_log_is_the_same_however_it_is_packed_and_whole_or_refused(tmp_path):
    recorded = open_source(MADE / "inspect" / "t1.eval")
    same = open_source(repacked(tmp_path / "same.eval", lambda _, content: content))
    as_read = [list(checked(each, recorded.problems())) for each in (recorded, same)]
    assert [(a.problem_id, a.completion) for a in as_read[0]] == [(b.problem_id, b.completion) for b in as_read[1]]
    with pytest.raises(InputError, match="39 samples, and the log says that 40 were completed"):
        open_source(repacked(tmp_path / "l.eval", lambda name, content: None if "-00003_" in name else content))
    with pytest.raises(InputError, match=r"-00003_epoch_1.json: \d+ bytes; at most \d+ are read"):
        swollen = repacked(
            tmp_path / "s.eval", lambda name, content: content + b" " * 2**25 if "-00003_" in name else content
        )
        open_source(swollen).problems()
    with pytest.raises(InputError, match="compression 12; expected none, deflate or zstandard"):
        open_source(repacked(tmp_path / "b.eval", lambda _, content: content, zipfile.ZIP_BZIP2))


@pytest.mark.parametrize("method", [STORED, DEFLATED, ZSTANDARD])
def test_a_flipped_bit_anywhere_in_a_log_is_refused(tmp_path, method):
    members = {name: content for name, _, content in members_of((MADE / "inspect" / "t1.eval").read_bytes())}
    kept = {name: content for name, content in members.items() if name == "header.json" or "-0000" in name}
    header = json.loads(kept["header.json"])
    header["results"]["completed_samples"] = len(kept) - 1
    kept["header.json"] = json.dumps(header).encode()
    whole = archive([packed(name, method, content) for name, content in kept.items()])
    path = tmp_path / "x.eval"

    def read():
        return sorted((each.problem_id, each.completion, each.correct) for each in open_source(path).generations())

    path.write_bytes(whole)
    as_it_was = read()
    refused = 0
    for place in range(0, len(whole), len(whole) // 200):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            assert read() == as_it_was  # a flip of times, or of a name's end
        except InputError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("change", [{"question": 7}, {"question": None}, {"question": " "}, {"answer": ""}])
def test_a_problem_whose_question_is_no_text_is_refused(tmp_path, change):
    with pytest.raises(InputError, match=r"p\.jsonl:1: row 0, column '(question|answer)'"):
        read_problem_file(lines(tmp_path / "p.jsonl", {"question": "?", "answer": "#### 4"} | change))


def test_a_column_twice_is_refused(tmp_path):
    table = pa.Table.from_pylist([ROW])
    pq.write_table(table.append_column("completion", pa.array(["other"])), tmp_path / "s.parquet")
    with pytest.raises(InputError, match="the column 'completion' stands there twice"):
        open_source(tmp_path / "s.parquet")


# ---- of inspect_ai: several choices, and numbers that there are not (benchmark/recipes/inspect_choices.py) ----


@pytest.mark.parametrize("form", ["eval", "json"])
def test_every_choice_of_an_inspect_sample_is_a_sample(tmp_path, form):
    path = MADE / "inspect-choices.eval"
    if form == "json":
        path = tmp_path / "log.json"
        path.write_bytes(gzip.decompress((MADE / "inspect-choices.json.gz").read_bytes()))
        assert b"NaN" in path.read_bytes()
    found = open_source(path)
    read = list(checked(found, found.problems()))
    of_one = [(each.sample_index, each.completion) for each in read if each.problem_id == "p1"]
    right, wrong = "Epoch {}.\n#### 2", "Epoch {}.\n#### 6"
    assert sorted(of_one) == [
        (index, text.format(epoch))
        for index, (epoch, text) in enumerate((e, t) for e in (1, 2) for t in (right, wrong, right))
    ]
    assert [each.sample_index for each in read if each.problem_id == "p2"] == [0, 1]
    assert all(each.correct is None for each in read)  # one judgement of three choices, and one that is NaN


def test_the_tenth_epoch_comes_after_the_ninth(tmp_path):
    recorded = members_of((MADE / "inspect" / "t1.eval").read_bytes())
    header, sample = (next(content for name, _, content in recorded if part in name) for part in ("header", "-00003_"))
    head = json.loads(header)
    head["results"]["completed_samples"] = 12
    with zipfile.ZipFile(tmp_path / "x.eval", "w") as log:
        log.writestr("header.json", json.dumps(head))
        for epoch in range(1, 13):
            log.writestr(f"samples/p_epoch_{epoch}.json", json.dumps(json.loads(sample) | {"epoch": epoch}))
    found = [
        (each.sample_index, each.place.rpartition("/")[2]) for each in open_source(tmp_path / "x.eval").generations()
    ]
    assert found == [(epoch - 1, f"p_epoch_{epoch}.json") for epoch in range(1, 13)]


# ---- small files that are huge tables ----


def test_a_small_table_that_is_huge_when_it_is_read_is_refused_before_it_is(tmp_path):
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 4096, pa.int32()), pa.array(["a" * 2**21]))
    table = pa.table({"problem_id": [str(i) for i in range(4096)], "sample_index": [0] * 4096, "completion": text})
    pq.write_table(table, tmp_path / "s.parquet", compression="zstd", store_schema=False)
    assert (tmp_path / "s.parquet").stat().st_size < 2**18
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"s\.parquet: its rows are [\d,]{13,} bytes or more .* at most 4,294,967,296"):
        open_source(tmp_path / "s.parquet")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**19  # kB
    pq.write_table(table.slice(0, 8), tmp_path / "s.parquet", compression="zstd", store_schema=False)
    assert len(list(open_source(tmp_path / "s.parquet").generations())) == 8
