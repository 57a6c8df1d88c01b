"""The real data sets that some tests read; the project does not ship them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest


def real_rows(name: str) -> list[dict[str, Any]]:
    """The rows of a JSONL file in SELFIMP_BENCH_DATA. Skips when that is unset, fails when a file is missing."""
    folder = os.environ.get("SELFIMP_BENCH_DATA")
    if folder is None:
        pytest.skip(f"SELFIMP_BENCH_DATA is unset: it names the folder with {name}")
    return [json.loads(line) for line in (Path(folder) / name).read_text("utf-8").splitlines()]
