"""Files of generations and problems that other tools made (``runs/generations``), and what they must be read as.

Nonsense is: fewer or more samples than the file has (what failed is counted, too), a sample twice, another answer when
the file is read again, a text that the file does not hold, a number that is none.
"""

import json
import math
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow.parquet as pq

from fuzz.archives import DEFLATED, STORED, archive, members_of, packed
from fuzz.target import Seed, Target, as_lines, as_parquet, json_lines, twice_refused
from selfimp_bench.errors import InputError
from selfimp_bench.runs.assess.assess import assess
from selfimp_bench.runs.assess.results import Assessment
from selfimp_bench.runs.generations.look import sources_at
from selfimp_bench.runs.generations.problem_files import checked, problems_of, read_problem_file
from selfimp_bench.runs.generations.source import Generation, Source
from selfimp_bench.tasks.fields import BATCH, INSPECT, LM_EVAL
from selfimp_bench.tasks.problem import Problem

MADE: Final = Path(__file__).parents[1] / "runs" / "generations" / "made"
KEPT: Final = 3
"""Problems of each file: what one row does to another shows in few."""
LONGEST: Final = 3000
"""Characters of a refusal."""


def outside(folder: Path) -> Target:
    """What ``selfimp-bench assess`` reads."""
    problems = folder / "outside-problems.jsonl"
    problems.write_bytes(as_lines(json_lines(MADE / "problems.jsonl")[:KEPT]))

    def read(path: Path) -> None:
        try:
            look(path)
        except InputError as refused:
            assert len(str(refused)) < LONGEST, "a message as long as what it is about"
            raise

    def look(path: Path) -> None:
        if path.name.startswith("problems"):
            _reads_problems(path)
            return
        for source in sources_at(path):
            given = None if source.format in (LM_EVAL, INSPECT) else problems
            known = problems_of([source], given)
            assert known == problems_of([source], given), "other problems when read again"
            generations = list(checked(source, known))
            assert generations == list(checked(source, known)), "other generations when read again"
            _are_those_of(source, generations)
            _is_plain(assess([path], problems=given), Counter(each.iteration for each in generations))

    return Target(name="outside", seeds=[*_samples(), *_problems()], read=read, share=0.1)


def _reads_problems(path: Path) -> None:
    found = read_problem_file(path)
    assert found == read_problem_file(path), "other problems when read again"
    rows = pq.read_table(path).to_pylist() if path.suffix == ".parquet" else json_lines(path)
    assert len(rows) == len(found), "other rows"
    for (name, problem), row in zip(found.items(), rows, strict=True):
        assert name == problem.problem_id, "another id"
        msgspec.convert(msgspec.to_builtins(problem), Problem)  # fields of their types
        for text in (problem.question, problem.answer):
            assert text is None or "puzzle" in row or text in _texts(row), "a text that is not in the row"


def _are_those_of(source: Source, generations: list[Generation]) -> None:
    keys = {(each.iteration, each.role, each.problem_id, each.sample_index) for each in generations}
    assert len(keys) == len(generations), "a sample twice"
    told = list(_told(source))
    assert len(told) == len(generations) + len(source.failed()), "more or fewer samples than the file has"
    texts = {text for each in told for text in _texts(each)}
    for each in generations:
        assert each.completion in texts or source.format in (BATCH, INSPECT), "a text that is not in the file"
        assert 0 <= each.sample_index < 2**31 and (each.iteration or 0) >= 0, "a number that is none"
        assert each.score is None or math.isfinite(each.score), "a score that is none"
        each.completion.encode()
        each.problem_id.encode()


def _told(source: Source) -> Iterator[Any]:
    """The samples as another reader sees them, each as what it stands in."""
    content = source.path.read_bytes()
    if content.startswith(b"PK"):
        with zipfile.ZipFile(source.path) as log:
            names = {name for name in log.namelist() if name.startswith("samples/") and name.endswith(".json")}
        found = [json.loads(each, object_pairs_hook=twice_refused) for _, _, each in members_of(content, names)]
        assert len({(str(each["id"]), each.get("epoch", 1)) for each in found}) == len(names), (
            "members that say the same"
        )
        yield from _answers(found)
    elif source.format == INSPECT:
        yield from _answers(json.loads(content, object_pairs_hook=twice_refused)["samples"])
    elif source.path.suffix == ".parquet":
        yield from pq.read_table(source.path).to_pylist()
    elif source.format == LM_EVAL:
        for row in {str(each["doc_id"]): each for each in json_lines(source.path)}.values():
            yield from row["resps"][0]
    else:
        for row in json_lines(source.path):
            choices = _choices(row)
            yield from choices if source.format == BATCH and choices else [row]


def _answers(samples: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    """Every choice of every sample; of one without any, which failed, itself."""
    for sample in samples:
        output = sample.get("output") if sample.get("error") is None else None
        choices = output.get("choices") if isinstance(output, dict) else None
        yield from choices if isinstance(choices, list) and choices else [sample]


def _choices(row: Mapping[str, Any]) -> list[Any]:
    try:
        return list(row["response"]["body"]["choices"]) if row.get("error") is None else []
    except (KeyError, TypeError):
        return []


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for each in data.values() if isinstance(data, dict) else data:
            yield from _texts(each)


def _is_plain(found: Assessment, checkpoints: Counter[int | None]) -> None:
    json.dumps(found.as_json(), allow_nan=False).encode()
    assert len(found.checkpoints) == max(1, len(checkpoints.keys() - {None})), "more or fewer checkpoints"
    assert sum(each.samples for each in found.checkpoints) == checkpoints.total(), "samples that went nowhere"
    for each in found.measurements:
        whole = each.metric.startswith("pass@") and each.value is not None
        assert not whole or 0 <= (each.value or 0) <= 1, "a share that is none"


def _samples() -> Iterator[Seed]:
    of_lm_eval = [next((MADE / name / "t1").iterdir()) for name in ("lm-eval-greedy", "lm-eval-sampled")]
    for number, path in enumerate(of_lm_eval):
        rows = [row for row in json_lines(path) if row["doc_id"] < KEPT]
        yield Seed(name=f"samples_gsm8k_2026-01-0{number + 1}.jsonl", form="jsonl", content=as_lines(rows))
    chat = json_lines(MADE / "vllm-greedy" / "t1.jsonl")[:KEPT]
    yield Seed(name="chat.jsonl", form="jsonl", content=as_lines(chat))
    failed = {"custom_id": chat[0]["custom_id"] + "#1", "response": None, "error": {"message": "too long"}}
    bodies: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "text": "#### 4", "finish_reason": "length"}]},
        {
            "output": [{"type": "message", "content": [{"type": "output_text", "text": "#### 5"}]}],
            "status": "completed",
        },
    ]
    named = [
        {"custom_id": f"request-{row['custom_id']}#0", "response": {"status_code": 200, "body": body}, "error": None}
        for row, body in zip(chat, bodies, strict=False)
    ]
    yield Seed(
        name="named.jsonl",
        form="jsonl",
        content=as_lines([*named, failed | {"custom_id": f"request-{failed['custom_id']}"}]),
    )
    yield from _logs()
    rows = [
        {"problem_id": row["custom_id"], "sample_index": index, "completion": f"{index} + 4\n#### 4", "iteration": t}
        | {"role": "sample", "score": index / 2, "correct": index == 1, "finish_reason": "stop"}
        for row in chat
        for index in range(2)
        for t in (1, 2)
    ]
    yield Seed(name="own.jsonl", form="jsonl", content=as_lines(rows))
    yield Seed(name="own.parquet", form="parquet", content=as_parquet(rows))


def _logs() -> Iterator[Seed]:
    """A log of few samples, whose header says so, in a zip of each kind and in JSON."""
    every = {
        name: (method, content) for name, method, content in members_of((MADE / "inspect" / "t1.eval").read_bytes())
    }
    header = json.loads(every["header.json"][1])
    header["results"] |= {"total_samples": KEPT, "completed_samples": KEPT}
    header["eval"]["dataset"] = {"samples": KEPT}
    names = sorted(name for name in every if name.startswith("samples/"))[:KEPT]
    samples = [json.loads(every[name][1]) | {"events": []} for name in names]
    methods = {"log": every["header.json"][0], "deflated": DEFLATED, "stored": STORED}
    for called, method in methods.items():
        members = [
            *(packed(name, method, json.dumps(each).encode()) for name, each in zip(names, samples, strict=True)),
            packed("header.json", method, json.dumps(header).encode()),
        ]
        yield Seed(name=f"{called}.eval", form="eval", content=archive(members))
    yield Seed(name="log.json", form="json", content=json.dumps(header | {"samples": samples}, indent=2).encode())


def _problems() -> Iterator[Seed]:
    rows: dict[str, list[dict[str, Any]]] = {
        "gsm8k": [{"question": f"{n} + 1?", "answer": f"{n} + 1 = {n + 1}\n#### {n + 1}"} for n in range(3)],
        "math": [{"problem": "?", "solution": r"\boxed{2}", "level": "Level 3", "type": "Algebra"}] * 2,
        "mbpp": [
            {"task_id": n, "text": "?", "code": "x = 1", "test_list": ["assert x"], "test_setup_code": ""}
            for n in (7, 8)
        ],
        "sanitized": [
            {"task_id": n, "prompt": "?", "code": "x", "test_list": ["assert x"], "test_imports": ["import re"]}
            for n in (7, 8)
        ],
        "own": json_lines(MADE / "problems.jsonl")[:2],
    }
    for name, each in rows.items():
        yield Seed(name=f"problems-{name}.jsonl", form="jsonl", content=as_lines(each))
    for name in ("gsm8k", "mbpp"):
        yield Seed(name=f"problems-{name}.parquet", form="parquet", content=as_parquet(rows[name]))
