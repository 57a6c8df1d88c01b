"""What there is to say of a manifest before it runs: assumptions and size."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from selfimp_bench.protocols.protocol import AnyManifest
from selfimp_bench.protocols.registry import protocol_of

_MOST_NAMED: Final = 4
"""So many elements of a list are named in a path, and so many of their values."""


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """A value the source does not give: its JSON path in the manifest, the value, and the reason for it."""

    path: str
    value: str
    reason: str


def size_words(manifest: AnyManifest) -> str:
    """How large an experiment is, in a few words."""
    return protocol_of(manifest).size_words(manifest)


def assumptions(manifest: AnyManifest) -> tuple[Assumption, ...]:
    """Every assumed value, in the order of the manifest; what several of a list have for one reason is one row."""
    rows: dict[tuple[object, ...], list[_Assumed]] = {}
    for each in _assumptions(msgspec.to_builtins(manifest, str_keys=True), ()):
        keys = tuple(key if isinstance(key, str) else None for key in each.path)
        rows.setdefault((keys, each.reason), []).append(each)
    return tuple(_one_row(several) for several in rows.values())


@dataclass(frozen=True, kw_only=True)
class _Assumed:
    """An assumed value at its path: keys, and of a list's elements (in a tuple of one) their ids or indices."""

    path: tuple[str | tuple[str], ...]
    value: str
    reason: str


def _assumptions(value: Any, path: tuple[str | tuple[str], ...]) -> Iterator[_Assumed]:
    if isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            name = inner.get("id", index) if isinstance(inner, dict) else index
            yield from _assumptions(inner, (*path, (str(name),)))
    if not isinstance(value, dict):
        return
    assumed = value.get("assumed")
    if isinstance(assumed, str):
        yield _Assumed(path=path, value=_brief(value), reason=assumed)
    for field, reason in assumed.items() if isinstance(assumed, dict) else ():
        yield _Assumed(path=(*path, field), value=_brief(value[field]), reason=reason)
    for key, inner in value.items():
        if key != "assumed":
            yield from _assumptions(inner, (*path, key))


def _one_row(several: Sequence[_Assumed]) -> Assumption:
    values = dict.fromkeys(each.value for each in several)
    value = ", ".join(values) if len(values) <= _MOST_NAMED else f"{len(values)} values"
    return Assumption(path=_path([each.path for each in several]), value=value, reason=several[0].reason)


def _path(paths: Sequence[tuple[str | tuple[str], ...]]) -> str:
    """``$.models[qwen2-7b].revision``; of several ``$.verification[cot-binary, cot-score].judging``, or ``[*]``."""
    parts = ["$"]
    for keys in zip(*paths, strict=True):
        if isinstance(keys[0], str):
            parts.append(f".{keys[0]}")
        else:
            names = list(dict.fromkeys(name for key in keys for name in key))
            parts.append(f"[{', '.join(names) if len(names) <= _MOST_NAMED else '*'}]")
    return "".join(parts)


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        if value.keys() == {"path", "sha256"}:  # a prompt's file
            return str(value["path"])
        inner = {key: item for key, item in value.items() if key not in ("source", "assumed") and item is not None}
        return f"{', '.join(inner)}"
    plain = isinstance(value, str) and value == value.strip() != "" and "\n" not in value
    return str(value) if plain else json.dumps(value, ensure_ascii=False)
