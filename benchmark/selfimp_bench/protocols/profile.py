"""Profiles: a manifest at another size."""

from dataclasses import fields, replace

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile, ProfileBlocks
from selfimp_bench.protocols.any_manifest import AnyManifest
from selfimp_bench.protocols.verification.manifest import VerificationProfileBlocks


def resolve_profile(manifest: AnyManifest, profile: Profile) -> AnyManifest:
    """The manifest with the profile's blocks in place of its own, whole block by whole block.

    ``paper`` is the manifest itself. The result of another profile has no profiles of its own.
    Raises InputError, with the profiles there are, when the manifest lacks this one.
    """
    if profile is Profile.PAPER:
        return manifest
    blocks = _blocks_by_profile(manifest).get(profile)
    if blocks is None:
        known = ", ".join([Profile.PAPER, *_blocks_by_profile(manifest)])
        raise InputError(f"{manifest.name}: no profile {profile}; expected one of: {known}")
    given = {field.name: getattr(blocks, field.name) for field in fields(blocks)}
    return replace(manifest, profiles=None, **{name: block for name, block in given.items() if block is not None})


def _blocks_by_profile(manifest: AnyManifest) -> dict[Profile, ProfileBlocks | VerificationProfileBlocks]:
    return {Profile(name): blocks for name, blocks in (manifest.profiles or {}).items()}
