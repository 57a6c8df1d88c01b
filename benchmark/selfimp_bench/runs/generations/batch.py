"""Batch outputs in OpenAI's form, which vLLM's ``run-batch`` writes, too: one row a request, named by ``custom_id``.

A request that failed gives no generation. Chat completions, completions and responses are read.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from selfimp_bench.errors import InputError
from selfimp_bench.plain_json import shortened
from selfimp_bench.runs.generations.source import Generation, Source, no_problems, shown
from selfimp_bench.steps.dataset import iterate_rows
from selfimp_bench.tasks.fields import BATCH


def is_batch(row: Mapping[str, Any]) -> bool:
    """Whether a row of JSON Lines is one of these."""
    return "custom_id" in row and "response" in row


def batch_source(path: Path) -> Source:
    """The file."""
    return Source(
        path=path,
        format=BATCH,
        problems=no_problems,
        generations=lambda: _generations(path),
        failed=lambda: list(_failed(path)),
        named_by_requests=True,
    )


def _generations(path: Path) -> Iterator[Generation]:
    for number, row in enumerate(iterate_rows(path), start=1):
        place = f"{path}:{number}"
        if not is_batch(row):
            raise InputError(f"{place}: no custom_id and response, as the rows before; expected {BATCH} throughout")
        name, response = row["custom_id"], row["response"]
        if not isinstance(name, str) or not name:
            raise InputError(f"{place}: custom_id is {shown(name)}; expected a text")
        if not _answered(row):
            continue
        for index, (text, reason) in enumerate(_texts(place, response.get("body"))):
            yield Generation(place=place, problem_id=name, sample_index=index, completion=text, finish_reason=reason)


def _answered(row: Mapping[str, Any]) -> bool:
    response = row.get("response")
    return row.get("error") is None and isinstance(response, dict) and response.get("status_code", 200) == 200


def _failed(path: Path) -> Iterator[str]:
    """Requests without an answer, each with its line and what was said."""
    for number, row in enumerate(iterate_rows(path), start=1):
        if not _answered(row):
            said = row.get("error") or row.get("response")
            yield f"{path}:{number}: {shortened(json.dumps(said, ensure_ascii=False), 200)}"


def _texts(place: str, body: object) -> list[tuple[str, str | None]]:
    """Completions, each with why it ended. A message without a text is an empty answer."""
    if isinstance(body, dict) and isinstance(body.get("choices"), list) and body["choices"]:
        return [_choice(place, choice) for choice in body["choices"]]
    if isinstance(body, dict) and isinstance(body.get("output"), list):
        contents = [item.get("content") or [] for item in body["output"] if isinstance(item, dict)]
        if not all(isinstance(content, list) for content in contents):
            raise InputError(f"{place}: the content of an output is no list; expected a response")
        parts = [part for content in contents for part in content]
        texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
        return [("".join(texts), "length" if body.get("status") == "incomplete" else "stop")]
    raise InputError(f"{place}: the response's body has no choices; expected a (chat) completion or a response")


def _choice(place: str, choice: object) -> tuple[str, str | None]:
    if isinstance(choice, dict):
        message = choice.get("message")
        text = message.get("content") if isinstance(message, dict) else choice.get("text")
        reason = choice.get("finish_reason")
        if (text is None and isinstance(message, dict)) or isinstance(text, str):
            return text or "", reason if isinstance(reason, str) else None
    raise InputError(f"{place}: a choice has neither message.content nor text; expected a (chat) completion")
