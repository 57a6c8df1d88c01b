"""The prompt files of a manifest: read, and proven to be the pinned ones."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.fault import Fault, JsonPath, shown
from selfimp_bench.places import ASSETS
from selfimp_bench.protocols.verification.manifest import (
    GenerationPrompt,
    PromptFile,
    SelfImprovement,
    VerifierKind,
    VerifierMethod,
)

QUESTION, RESPONSE, RESPONSE_A, RESPONSE_B = FIELDS = ("question", "response", "response_a", "response_b")
_FIELD = re.compile(rf"\{{({'|'.join(FIELDS)})\}}")


@dataclass(frozen=True, kw_only=True)
class PlacedFile:
    """A prompt file of a manifest: its place, and the fields that its text has exactly once."""

    place: JsonPath
    file: PromptFile
    fields: tuple[str, ...]


def prompt_files(value: object, place: JsonPath) -> Iterator[PlacedFile]:
    """Every prompt file in this block (or tuple of blocks, or manifest), which stands at ``place``."""
    if isinstance(value, GenerationPrompt | SelfImprovement):
        yield PlacedFile(place=(*place, "file"), file=value.file, fields=(QUESTION,))
    elif isinstance(value, VerifierMethod):
        pair = value.kind is VerifierKind.TOURNAMENT
        wanted = (QUESTION, RESPONSE_A, RESPONSE_B) if pair else (QUESTION, RESPONSE)
        yield PlacedFile(place=(*place, "file"), file=value.file, fields=wanted)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from prompt_files(item, (*place, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from prompt_files(item, (*place, key))
    elif is_dataclass(value):
        for field in fields(value):
            yield from prompt_files(getattr(value, field.name), (*place, field.name))


def prompt_file_faults(value: object, place: JsonPath, folder: Path) -> Iterator[Fault]:
    """What keeps the prompt files of a block from being used; ``folder`` is the manifest's."""
    for placed in prompt_files(value, place):
        try:
            text = read_prompt(placed.file, folder)
        except _Unreadable as error:
            yield Fault(path=(*placed.place, error.key), message=str(error))
            continue
        named = _FIELD.findall(text)
        for name in FIELDS:
            wanted, found = int(name in placed.fields), named.count(name)
            if found != wanted:
                times = "exactly once" if wanted else "nowhere"
                message = f"expected {{{name}}} {times} in {placed.file.path}, found it {found} times"
                yield Fault(path=(*placed.place, "path"), message=message)


@dataclass(frozen=True, kw_only=True)
class PromptTexts:
    """The texts of a manifest's prompt files, by the sha256 of the files."""

    by_digest: Mapping[str, str]

    def of(self, file: PromptFile) -> str:
        """The text of one of them."""
        return self.by_digest[file.sha256]


def read_prompts(manifest: object, folder: Path) -> PromptTexts:
    """The texts of all prompt files. Raises InputError for a file that is not the pinned one."""
    files = [placed.file for placed in prompt_files(manifest, ())]
    return PromptTexts(by_digest={file.sha256: read_prompt(file, folder) for file in files})


def prompt_places(manifest: object, folder: Path) -> dict[str, Path]:
    """A manifest's prompt files, those of its profiles too, by their paths relative to it, and where they lie."""
    paths = (placed.file.path for placed in prompt_files(manifest, ()))
    return {path: _place(path, folder) for path in paths}


def _place(path: str, folder: Path) -> Path:
    """Where a prompt file lies: beside the manifest, or, of those that a smoke run takes, in the package."""
    beside, shipped = folder / path, ASSETS / path
    return shipped if shipped.is_file() and not beside.is_file() else beside


def read_prompt(file: PromptFile, folder: Path) -> str:
    """The text of one prompt file, without its last newline. Raises InputError."""
    path = _place(file.path, folder)
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise _Unreadable("path", f"{shown(file.path)}: {reason}; it is looked for beside the manifest") from None
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        message = f"{file.path} has sha256 {found}; take the pinned text, or pin this one in a manifest of your own"
        raise _Unreadable("sha256", message)
    try:
        return content.decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise _Unreadable("path", f"{file.path}: not UTF-8 (byte {error.start})") from None


class _Unreadable(InputError):
    """A prompt file that cannot be used; ``key`` of its block is to blame."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key
