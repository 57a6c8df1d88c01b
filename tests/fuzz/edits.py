"""Edits of files: each is two numbers, a place and what happens there, so that one list of numbers is one damaged file.

Of a file of fields (JSON, YAML) every other edit is one of its data, written anew in that form: a value in the place of
another, a key that is gone, a second or an unknown one; and of a zip file one of its members, by the member's own form,
or of its names and modes, sometimes with seals and hashes made anew, as one does who knows of them. All others are of
bytes, of lines and of words.
"""

import hashlib
import io
import json
import stat
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ruamel.yaml import YAML

from fuzz.archives import edited_archive
from fuzz.tables import edited_table
from selfimp_bench.seals import SEAL, seal_of

Edit = tuple[int, int]
Path = tuple[Any, ...]

NONSENSE: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2, 1e308, -1e-308, 0.5, 1.5, -0.0, 10**18, 2**63, 2**64, 10**30, 10**5000),
    *(float("nan"), float("inf"), float("-inf")),
    *(
        "",
        " ",
        "a",
        "x" * 5000,
        "\x00",
        "\ud800",
        "é",
        "e\u0301",
        "\u202e",
        "\u2028",
        "😀",
        "nan",
        "1e5",
        "1_000",
        "0x10",
    ),
    *(
        "../../evil",
        "/etc/passwd",
        "..\\evil",
        "C:\\evil",
        "a/b",
        ".",
        "..",
        "~",
        "$HOME",
        "{question}",
        "%s",
        "#",
        ";",
    ),
    *("2026-01-01", "no", "null", "-", "'", '"', "\n", "\t", "*", "&a", "!!python/object:os.system"),
    *([], {}, [[]], [None], {"": None}, ["a"] * 1000, {"a": {"a": {"a": 1}}}),
)
WORDS: Final = (
    *(
        b"\x00",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\r",
        b"\n",
        b"\r\n",
        b"\t",
        b" ",
        b'"',
        b"'",
        b",",
    ),
    *(
        b";",
        b":",
        b": ",
        b"#",
        b"- ",
        b"{",
        b"}",
        b"[",
        b"]",
        b"&a ",
        b"*a",
        b"!!str ",
        b"<<: ",
        b"%YAML 1.1\n",
        b"---\n",
    ),
    *(b"NaN", b"Infinity", b"-0", b"1e999", b"0.", b"1e-400", b"9" * 5000, b"0" * 100, b"\\ud800", b"\\u0000", b"null"),
    *(
        b"../",
        b"/",
        b"\\",
        b"\\boxed{",
        b"$",
        b"####",
        b"```",
        b"(" * 300,
        b"[" * 300,
        b"{" * 300,
        b"\xe2\x80\xa8",
        b"1_0",
    ),
)
OTHER_ROWS: Final = (
    b'{"problem_id": "p", "sample_index": 0, "completion": "#### 4"}',
    b'{"doc_id": 0, "doc": {"question": "?", "answer": "#### 4"}, "resps": [["#### 4"]], "filter": "none"}',
    b'{"custom_id": "p", "response": {"status_code": 200, "body": {"choices": [{"text": "#### 4"}]}}, "error": null}',
    b'{"problem_id": "p", "question": "?", "answer": "#### 4"}',
    b'{"question": "?", "answer": "#### 4"}',
    b'{"version": 2, "eval": {"task": "gsm8k"}, "samples": []}',
    b"[]",
    b"null",
    b"1",
)
"""Rows of other formats."""


def edited(content: bytes, form: str, edits: Sequence[Edit]) -> bytes:
    """The content of a file after edits.

    form: ``yaml``, ``json``, ``jsonl``, ``zip``, ``eval``, ``parquet``, or another, which has no fields.
    """
    for where, what in edits:
        if form in _FIELDS and what % 2:
            content = _FIELDS[form](content, where, what // 2)
        else:
            content = _bytewise(content, where, what // 2)
    return content


def _bytewise(content: bytes, where: int, what: int) -> bytes:
    at = where % (len(content) + 1)
    kind, rest = what % 10, what // 10
    end = min(len(content), at + 1 + rest % 64)
    if kind == 0 and at < len(content):
        return content[:at] + bytes([content[at] ^ (1 << rest % 8)]) + content[at + 1 :]
    if kind == 1:
        return content[:at] + content[end:]
    if kind == 2:
        return content[:end] + content[at:]
    if kind == 3:
        return content[:at]
    if kind == 4:
        word = WORDS[rest % len(WORDS)]
        return content[:at] + word + content[at + (len(word) if rest % 2 else 0) :]
    if kind in (5, 6, 7):
        return _by_line(content, where, kind, rest)
    if kind == 8:
        return content[:at] + bytes([rest % 256]) + content[at + 1 :]
    return content[:at] + content[at:end][::-1] + content[end:]


def _by_line(content: bytes, where: int, kind: int, rest: int) -> bytes:
    """Doubled, dropped or moved lines."""
    lines = content.splitlines(keepends=True) or [b""]
    at, other = where % len(lines), rest % len(lines)
    if kind == 5:
        lines.insert(other, lines[at])
    elif kind == 6:
        del lines[at]
    else:
        lines[at], lines[other] = lines[other], lines[at]
    return b"".join(lines)


def _json_lines(content: bytes, where: int, what: int) -> bytes:
    lines = content.splitlines()
    if not lines:
        return content
    at = where % len(lines)
    if what % 17 == 0:
        lines.insert(at + what % 2, OTHER_ROWS[what // 34 % len(OTHER_ROWS)])
    else:
        lines[at] = _json(lines[at], where // len(lines), what, None)
    return b"\n".join(lines) + b"\n"


def _json(content: bytes, where: int, what: int, indent: int | None = 2) -> bytes:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return _bytewise(content, where, what)
    try:
        data = _data(data, where, what)
        text = json.dumps(data, indent=indent)
    except (ValueError, RecursionError):  # an integer too long to be written
        return _bytewise(content, where, what)
    if what % 13 == 0 and text.startswith("{") and isinstance(data, dict) and data:
        key = sorted(data)[where % len(data)]
        text = f"{{{json.dumps(key)}: {json.dumps(NONSENSE[where % 16])}, {text[1:]}"  # a key twice
    return text.encode()


def _yaml(content: bytes, where: int, what: int) -> bytes:
    yaml = YAML(typ="safe", pure=False)
    try:
        data = yaml.load(content)
        stream = io.BytesIO()
        yaml.dump(_data(data, where, what), stream)
        return stream.getvalue()
    except Exception:  # what cannot be read, or written, as YAML
        return _bytewise(content, where, what)


_MODES: Final = (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR, stat.S_IFCHR, stat.S_IFREG | stat.S_ISUID)
_Member = tuple[str, int, bytes]
"""A file of a zip file: its name, mode and content."""


def _zip(content: bytes, where: int, what: int) -> bytes:
    members = zip_members(content)
    if not members:
        return _bytewise(content, where, what)
    at, where = where % len(members), where // len(members)
    kind, rest = what % 8, what // 8
    name, mode, own = members[at]
    if kind <= 4:
        own = edited(own, name.rpartition(".")[2], [(where, rest // 4)])
        members[at] = (name, mode, _sealed(own) if rest % 4 > 1 else own)
    elif kind == 5:
        other = _NAMES[where % len(_NAMES)]
        members[at] = ((other, f"runs/{other}", f"{other}.json", f"{name}/{other}.json")[rest % 4], mode, own)
    elif kind == 6:
        members[at] = (name, _MODES[rest % len(_MODES)], own)
    elif rest % 3:
        members.insert(where % len(members), members.pop(at) if rest % 3 == 1 else members[at])
    else:
        del members[at]
    return zipped(_described(members) if rest % 2 else members)


def zip_members(content: bytes) -> list[_Member]:
    """The files of a zip file; none where it cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return [(each.filename, each.external_attr >> 16, archive.read(each)) for each in archive.infolist()]
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        return []


def zipped(members: Sequence[_Member]) -> bytes:
    """A zip file of these."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive, warnings.catch_warnings(action="ignore"):  # of a name twice
        for name, mode, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return sink.getvalue()


def _sealed(content: bytes) -> bytes:
    """A file with a seal, with the one of its content."""
    try:
        data = json.loads(content)
        return json.dumps(data | {SEAL: seal_of(content)}).encode() if SEAL in data else content
    except (ValueError, TypeError, RecursionError):
        return content


def _described(members: list[_Member]) -> list[_Member]:
    """With the hashes in ``bundle.json`` made anew."""
    by_name = {name: content for name, _, content in members}
    try:
        about = json.loads(by_name.pop("bundle.json"))
        about["files"] = {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in by_name.items()
        }
        made = json.dumps(about).encode()
    except (ValueError, TypeError, KeyError, RecursionError):
        return members
    return [(name, mode, made if name == "bundle.json" else content) for name, mode, content in members]


def _log(content: bytes, where: int, what: int) -> bytes:
    made = edited_archive(content, where, what, lambda own, form, *edit: edited(own, form, [edit]), _NAMES)
    return _bytewise(content, where, what) if made is None else made


_NAMES: Final = [each for each in NONSENSE if isinstance(each, str) and "\ud800" not in each]


def _table(content: bytes, where: int, what: int) -> bytes:
    made = edited_table(content, where, what, _data)
    return _bytewise(content, where, what) if made is None else made


_FIELDS: Final[dict[str, Callable[[bytes, int, int], bytes]]] = {
    "json": _json,
    "jsonl": _json_lines,
    "yaml": _yaml,
    "zip": _zip,
    "eval": _log,
    "parquet": _table,
}


def _data(data: Any, where: int, what: int) -> Any:
    """The data with one thing changed, in place."""
    places = list(_places(data))
    if not places:
        return NONSENSE[what % len(NONSENSE)]
    holder, key = places[where % len(places)]
    kind, rest = what % 8, what // 8
    if kind <= 2:
        holder[key] = NONSENSE[rest % len(NONSENSE)]
    elif kind == 3:
        del holder[key]
    elif kind == 4 and isinstance(holder, dict):
        holder[f"{key}{'_' if rest % 2 else ''}x"] = holder[key] if rest % 3 else holder.pop(key)
    elif kind == 5 and isinstance(holder, list):
        holder.insert(rest % (len(holder) + 1), holder[key])
    elif kind == 6 and isinstance(holder[key], int | float):
        holder[key] = (-holder[key], holder[key] + 1, holder[key] * 1000, holder[key] / 7, str(holder[key]))[rest % 5]
    else:
        other, name = places[rest % len(places)]
        try:
            holder[key], other[name] = other[name], holder[key]
        except (KeyError, IndexError):
            return data
    return data


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every value of nested data, as what holds it and its key there."""
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in list(entries):
        yield data, key
        yield from _places(value)
