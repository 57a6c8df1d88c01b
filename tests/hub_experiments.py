"""Small experiments whose model and data lie on a fake hub, for the tests of `fetch`, `needs` and `doctor`."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fake_hub import FakeHub, Repository
from support import ManifestMaker

from selfimp_bench.measurement import Split
from selfimp_bench.places import ASSETS
from selfimp_bench.steps.dataset import problems_digest
from selfimp_bench.tasks.gsm8k import problem_from_row
from selfimp_bench.tasks.tiny_gsm import generate

MODEL, DATA = "models/org/tiny", "datasets/org/rows"
REVISION, DATA_REVISION = "a" * 40, "d" * 40
MODEL_ID = "tiny-gsm-base"
COUNTS = {Split.TRAIN: 20, Split.TEST: 24}
CARD = """---
configs:
- config_name: main
  data_files:
  - split: train
    path: main/train-*
  - split: test
    path: main/test-*
---
Word problems.
"""


def model_repository(**settings: Any) -> Repository:
    """The tiny model as people publish one: besides safetensors, pickled weights, code and another format's copy."""
    files = {file.name: file.read_bytes() for file in (ASSETS / MODEL_ID).iterdir()}
    unwanted = {
        "pytorch_model.bin": b"\x80pickle",
        "modeling_tiny.py": b"raise SystemExit",
        "original/params.json": b"{}",
    }
    return Repository(revision=REVISION, files=files | unwanted, **settings)


def data_repository() -> Repository:
    """Generated problems as a data set of two splits, the training split in two files."""
    train, test = rows(Split.TRAIN), rows(Split.TEST)
    files = {
        "README.md": CARD.encode(),
        "main/train-00000-of-00002.parquet": parquet(train[:12]),
        "main/train-00001-of-00002.parquet": parquet(train[12:]),
        "main/test-00000-of-00001.parquet": parquet(test),
        "rows.py": b"raise SystemExit",
    }
    return Repository(revision=DATA_REVISION, files=files)


def rows(split: Split) -> list[dict[str, str]]:
    """The rows that the hub has of a split."""
    return [{"question": p.question, "answer": str(p.answer)} for p in generate(split, count=COUNTS[split], seed=1)]


def parquet(content: list[dict[str, str]]) -> bytes:
    """Rows as the bytes of a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(content), sink)
    return sink.getvalue()


def jsonl(content: list[dict[str, str]]) -> bytes:
    """Rows as JSON Lines."""
    return "".join(f"{json.dumps(row)}\n" for row in content).encode()


def fill(hub: FakeHub, **model_settings: Any) -> None:
    """Put the model and the data on a hub."""
    hub.repositories = {MODEL: model_repository(**model_settings), DATA: data_repository()}


def hub_experiment(make_manifest: ManifestMaker, *, data: bool = True, engine: str = "fake", **model: Any) -> Path:
    """A manifest whose model (with these further keys) and, with ``data``, whose data sets lie on a hub."""

    def change(manifest: dict[str, Any]) -> None:
        on_hub = {"id": MODEL_ID, "repo": "org/tiny", "revision": REVISION, "source": "test"}
        manifest["models"] = [on_hub | model]
        if data:
            for split in COUNTS:
                manifest["datasets"][split.value] = _dataset(split)

    return make_manifest(engine=engine, change=change, counts=(20, 24, 0), schedule=("sft-gold", "dpo"))


def _dataset(split: Split) -> dict[str, Any]:
    problems = [problem_from_row(row, f"{split}-{index}") for index, row in enumerate(rows(split))]
    return {
        "id": f"rows-{split}",
        "repo": "org/rows",
        "revision": DATA_REVISION,
        "configs": ["main"],
        "split": split.value,
        "rows": len(problems),
        "digest": problems_digest(problems),
        "source": "test",
    }
