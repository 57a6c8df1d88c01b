"""The protocols by name: those of this package, a line each, and those that other installed packages bring.

A package brings one by an entry point of the group ``selfimp_bench.protocols``: the name that manifests say, and where
the ``Protocol`` is found (``third-protocol = "my_package.protocol:PROTOCOL"``). They are looked for when a manifest
says a name that is not one of ours.
"""

from dataclasses import fields, replace
from functools import cache
from typing import Any, Final

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.measured import MeasuredCell
from selfimp_bench.manifest.model import Profile
from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.protocols.post_training.protocol import PROTOCOL as POST_TRAINING
from selfimp_bench.protocols.protocol import AnyManifest, Protocol
from selfimp_bench.protocols.verification.protocol import PROTOCOL as VERIFICATION

GROUP: Final = "selfimp_bench.protocols"

PROTOCOLS: Final[dict[str, Protocol[Any]]] = {
    POST_TRAINING.name: POST_TRAINING,
    VERIFICATION.name: VERIFICATION,
}


def find_protocol(name: str) -> Protocol[Any] | None:
    """The protocol of this name; None where nobody brings one."""
    return PROTOCOLS.get(name) or _brought().get(name)


def protocol_names() -> tuple[str, ...]:
    """Every name that ``find_protocol`` knows."""
    return (*PROTOCOLS, *(name for name in _brought() if name not in PROTOCOLS))


def protocol_of(manifest: AnyManifest) -> Protocol[Any]:
    """The protocol of a manifest that was read."""
    found = find_protocol(manifest.protocol)
    if found is None:
        raise InputError(f"{manifest.name}: no protocol {manifest.protocol}; install the package that brings it")
    return found


def protocol_in(data: Json) -> Protocol[Any] | None:
    """The protocol that a document says it has; post-training where it says none, None for an unknown one."""
    name = data.get("protocol", POST_TRAINING.name) if isinstance(data, dict) else POST_TRAINING.name
    return find_protocol(name) if isinstance(name, str) else POST_TRAINING


@cache
def _brought() -> dict[str, Protocol[Any]]:
    from importlib.metadata import entry_points  # 0.05 s, which most commands need not

    return {found.name: found for found in (point.load() for point in entry_points(group=GROUP))}


def measured_cells(manifest: AnyManifest) -> tuple[MeasuredCell, ...]:
    """Every (measurement, split) that a run of this manifest yields, and in which iterations."""
    return protocol_of(manifest).cells(manifest)


def resolve_profile(manifest: AnyManifest, profile: Profile) -> AnyManifest:
    """The manifest with the profile's blocks in place of its own, whole block by whole block.

    ``paper`` is the manifest itself. The result of another profile has no profiles of its own.
    Raises InputError, with the profiles there are, when the manifest lacks this one.
    """
    if profile is Profile.PAPER:
        return manifest
    by_profile = {Profile(name): blocks for name, blocks in (manifest.profiles or {}).items()}
    blocks = by_profile.get(profile)
    if blocks is None:
        known = ", ".join([Profile.PAPER, *by_profile])
        raise InputError(f"{manifest.name}: no profile {profile}; expected one of: {known}")
    given = {each.name: getattr(blocks, each.name) for each in fields(blocks)}
    return replace(manifest, profiles=None, **{name: block for name, block in given.items() if block is not None})
