"""From one resolved experiment to the dataclasses, or to every flaw at once with its line and column."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from selfimp_bench.errors import Flaw, InputError
from selfimp_bench.manifest.cross_checks import block_faults, manifest_faults
from selfimp_bench.manifest.fault import Fault, JsonPath, nearest, path_text, shown
from selfimp_bench.manifest.partial import ProfilePart, SoundBlocks, sound_blocks
from selfimp_bench.manifest.schema_check import schema_faults
from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.manifest.yaml_source import Position, Source, UnreadableYaml, read_yaml
from selfimp_bench.protocols.protocol import AnyManifest, Protocol
from selfimp_bench.protocols.registry import protocol_in, protocol_names


class InvalidManifest(InputError):
    """A manifest that cannot be used; ``flaws`` are all that is wrong with it, in the order of the file."""

    def __init__(self, flaws: tuple[Flaw, ...]) -> None:
        super().__init__("\n".join(str(flaw) for flaw in flaws))
        self.flaws = flaws


def load_resolved(path: Path) -> tuple[AnyManifest, Json]:
    """The experiment in this file, with its prompt files beside it, and its data. Raises InvalidManifest."""
    examined = _examine(path)
    protocol = protocol_in(examined.data)
    if examined.flaws or protocol is None:
        raise InvalidManifest(examined.flaws)
    manifest: AnyManifest = msgspec.convert(examined.data, protocol.manifest)
    return manifest, examined.data


def find_resolved_flaws(path: Path) -> tuple[Flaw, ...]:
    """Everything that ``load_resolved`` would refuse this file for, in the order of the file."""
    return _examine(path).flaws


def resolved_faults(
    data: Json, untrusted: frozenset[JsonPath], folder: Path, file_name: str | None = None
) -> list[Fault]:
    """Everything wrong with a resolved experiment whose files lie in ``folder``, and with its own file's name."""
    protocol = protocol_in(data)
    if protocol is None:
        return [_unknown_protocol(data)]
    found = schema_faults(data, protocol.schema)
    faults = [fault for fault in found if not is_under(fault.path, untrusted)]
    flawed = {fault.path for fault in faults} | untrusted
    blocks = sound_blocks(data, flawed, protocol.manifest, protocol.profile_blocks)
    return [
        *faults,
        *(() if file_name is None else _file_name_faults(file_name, blocks.own)),
        *_rule_faults(blocks, protocol),
        *_file_faults(blocks, protocol, folder),
    ]


@dataclass(frozen=True, kw_only=True)
class _Examined:
    data: Json
    flaws: tuple[Flaw, ...]


def _examine(path: Path) -> _Examined:
    try:
        source = read_yaml(path)
    except UnreadableYaml as unreadable:
        return _Examined(data=None, flaws=(flaw_at(path, unreadable.position, (), unreadable.message),))
    refused = [flaw_at(path, item.position, item.path, item.message) for item in source.refusals]
    faults = resolved_faults(source.data, source.untrusted, path.parent, path.name)
    flaws = [flaw_at(path, position_of(source, fault), fault.path, fault.message) for fault in faults]
    return _Examined(data=source.data, flaws=tuple(sorted({*refused, *flaws})))


def _unknown_protocol(data: Json) -> Fault:
    """The one fault of a document whose protocol is unknown: nothing else of it can be looked at."""
    found = data["protocol"] if isinstance(data, dict) else None
    hint = nearest(str(found), list(protocol_names())).removeprefix("expected one of ")
    advice = f"; {hint}" if hint.startswith("did you mean") else ""
    return Fault(
        path=("protocol",), message=f"expected one of {', '.join(protocol_names())}, found {shown(found)}{advice}"
    )


def flaw_at(path: Path, position: Position, where: JsonPath, message: str) -> Flaw:
    """A flaw of the file at ``path``."""
    return Flaw(file=str(path), line=position.line, column=position.column, where=path_text(where), message=message)


def position_of(source: Source, fault: Fault) -> Position:
    """Where a fault stands: its key, its value, or the nearest thing around it that is in the file."""
    if fault.on_key:
        return source.keys[fault.path]
    inside_out = (fault.path[:length] for length in range(len(fault.path), -1, -1))
    return next(source.values[path] for path in inside_out if path in source.values)


def is_under(path: JsonPath, roots: Set[JsonPath]) -> bool:
    """Whether the path leads into one of these parts of a document."""
    return any(path[: len(root)] == root for root in roots)


def _file_name_faults(file_name: str, blocks: Mapping[str, object]) -> Iterator[Fault]:
    if "name" in blocks and "version" in blocks:
        expected = f"{blocks['name']}.v{blocks['version']}.yaml"
        if file_name != expected:
            message = (
                f"name and version call this file {shown(expected)}, found {shown(file_name)}; rename one of the two"
            )
            yield Fault(path=("name",), message=message)


def _file_faults(blocks: SoundBlocks, protocol: Protocol[Any], folder: Path) -> Iterator[Fault]:
    for name, block in blocks.own.items():
        yield from protocol.file_faults(block, (name,), folder)
    for part in blocks.profiles:
        for name, block in part.blocks.items():
            yield from protocol.file_faults(block, ("profiles", part.profile, name), folder)


def _rule_faults(blocks: SoundBlocks, protocol: Protocol[Any]) -> Iterator[Fault]:
    for name, block in blocks.own.items():
        yield from block_faults(block, (name,), protocol.block_rules)
    of_paper = frozenset(manifest_faults(blocks.own, protocol.rules, judges_claims=True))
    yield from of_paper
    for part in blocks.profiles:
        for name, block in part.blocks.items():
            yield from block_faults(block, ("profiles", part.profile, name), protocol.block_rules)
        # A smoke run judges no claim, so it need not measure what the claims name.
        for fault in manifest_faults(blocks.resolved(part), protocol.rules, judges_claims=False):
            if fault not in of_paper:
                yield _in_profile(fault, part)


def _in_profile(fault: Fault, part: ProfilePart) -> Fault:
    from_profile = fault.path[0] in part.replaces
    path = ("profiles", part.profile, *fault.path) if from_profile else fault.path
    return replace(fault, path=path, message=f"in profile {part.profile}: {fault.message}")
