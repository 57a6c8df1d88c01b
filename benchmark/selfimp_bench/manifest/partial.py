"""The blocks of a manifest that are right by themselves, as dataclasses: what the rules between fields can look at.

One flaw must not hide another, so a flawed block is left out and the others are still looked at.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

import msgspec

from selfimp_bench.manifest.fault import JsonPath
from selfimp_bench.manifest.model import Profile
from selfimp_bench.manifest.yaml_scalar import Json


@dataclass(frozen=True, kw_only=True)
class ProfilePart:
    """What one profile gives: its sound blocks by name, and the names of all that it replaces, sound or not."""

    profile: str
    blocks: Mapping[str, object]
    replaces: Set[str]


@dataclass(frozen=True, kw_only=True)
class SoundBlocks:
    """The sound blocks of the paper profile by name (None for an optional one that is absent), and each profile's."""

    own: Mapping[str, object]
    profiles: tuple[ProfilePart, ...]

    def resolved(self, part: ProfilePart) -> dict[str, object]:
        """The sound blocks of the manifest that this profile makes."""
        kept = {name: block for name, block in self.own.items() if name not in part.replaces}
        return kept | dict(part.blocks)


def sound_blocks(data: Json, flawed: Set[JsonPath], manifest: type, profile_blocks: type) -> SoundBlocks:
    """The blocks of a document of these two dataclasses.

    ``flawed`` are the paths of everything found wrong so far; what is left must convert, or it is our bug.
    """
    if not isinstance(data, dict):
        return SoundBlocks(own={}, profiles=())
    absent = {field.name: None for field in fields(manifest) if field.default is None}
    given = {name: block for name, block in (absent | data).items() if name != "profiles"}
    profiles = data.get("profiles")
    return SoundBlocks(
        own=_converted((), given, get_type_hints(manifest), flawed),
        profiles=tuple(
            _profile_part(name, blocks, flawed, profile_blocks)
            for name, blocks in (profiles if isinstance(profiles, dict) else {}).items()
            if name in frozenset(Profile) and isinstance(blocks, dict)
        ),
    )


def _profile_part(profile: str, blocks: Mapping[str, Json], flawed: Set[JsonPath], profile_blocks: type) -> ProfilePart:
    given = {name: block for name, block in blocks.items() if block is not None}
    converted = _converted(("profiles", profile), given, get_type_hints(profile_blocks), flawed)
    return ProfilePart(profile=profile, blocks=converted, replaces=given.keys())


def _converted(
    parent: JsonPath, blocks: Mapping[str, Json], types: Mapping[str, Any], flawed: Set[JsonPath]
) -> dict[str, object]:
    return {
        name: msgspec.convert(block, types[name])
        for name, block in blocks.items()
        if name in types and not any(_overlap((*parent, name), flaw) for flaw in flawed)
    }


def _overlap(path: JsonPath, flaw: JsonPath) -> bool:
    """Whether the flaw lies in the block or around it. One at the root is a missing key, and concerns no block."""
    return bool(flaw) and path[: len(flaw)] == flaw[: len(path)]
