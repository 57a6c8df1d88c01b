"""Documents that are refused, each written as what differs from a valid one.

A file of cases is a list. A case has an ``id``; ``edits`` of its ``base``, a file of ``manifest/valid/``, in each of
which ``find`` stands once in the base and gives way to ``put``, or instead of them the whole ``text``; the ``file``
name and the ``encoding``, if they are not those of the base and UTF-8; and ``refused``, the lines in which the document
is refused, without the file's name.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml  # type: ignore[import-untyped]

VALID = Path(__file__).parent / "manifest" / "valid"


@dataclass(frozen=True, kw_only=True)
class Edit:
    """``find`` gives way to ``put``."""

    find: str
    put: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """One document and the words in which it is refused."""

    id: str
    base: str = ""
    file: str = ""
    encoding: str = "utf-8"
    edits: tuple[Edit, ...] = ()
    text: str | None = None
    refused: tuple[str, ...]


def read_cases(path: Path, base: str = "") -> tuple[Case, ...]:
    """The cases of a file; ``base`` is that of a case that names none. Raises ValueError for one id of two cases."""
    raw = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    cases = msgspec.convert([{"base": base} | case for case in raw], tuple[Case, ...])
    if len({case.id for case in cases}) < len(cases):
        raise ValueError(f"{path}: two cases have one id")
    return cases


def content(case: Case) -> bytes:
    """The case's document."""
    if case.text is not None:
        return case.text.encode(case.encoding)
    return edited((VALID / case.base).read_text(encoding="utf-8"), case.edits).encode(case.encoding)


def write_case(case: Case, folder: Path) -> Path:
    """Write the case's document, with the prompts of the valid ones beside it; its path."""
    shutil.copytree(VALID / "prompts", folder / "prompts")
    path = folder / (case.file or case.base)
    path.write_bytes(content(case))
    return path


def edited(base: str, edits: tuple[Edit, ...]) -> str:
    """The base with every edit made; each stands in the base once, and none lies in another."""
    for edit in edits:
        assert base.count(edit.find) == 1, f"stands {base.count(edit.find)} times in the base: {edit.find}"
    in_order = sorted(edits, key=lambda edit: base.index(edit.find))
    parts, done = [], 0
    for edit in in_order:
        begin = base.index(edit.find)
        assert begin >= done, f"overlaps the edit before: {edit.find}"
        parts += [base[done:begin], edit.put]
        done = begin + len(edit.find)
    return "".join([*parts, base[done:]])
