"""The manifest formats, one a protocol: schema, dataclasses and rules."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from selfimp_bench.manifest.cross_checks import BLOCK_RULES, MANIFEST_RULES, BlockRules, ManifestRule
from selfimp_bench.manifest.model import Manifest, ProfileBlocks
from selfimp_bench.manifest.schema_check import SCHEMA_FILE, VERIFICATION_SCHEMA_FILE
from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.protocols.verification.checks import VERIFICATION_BLOCK_RULES, VERIFICATION_RULES
from selfimp_bench.protocols.verification.manifest import VerificationManifest, VerificationProfileBlocks


@dataclass(frozen=True, kw_only=True)
class Format:
    """What one protocol's manifests are checked against and become."""

    protocol: str
    schema: Path
    manifest: type[Manifest] | type[VerificationManifest]
    profile_blocks: type
    block_rules: BlockRules
    rules: tuple[ManifestRule, ...]


POST_TRAINING: Final = Format(
    protocol="iterative-post-training",
    schema=SCHEMA_FILE,
    manifest=Manifest,
    profile_blocks=ProfileBlocks,
    block_rules=BLOCK_RULES,
    rules=MANIFEST_RULES,
)
VERIFICATION: Final = Format(
    protocol="verification-gap",
    schema=VERIFICATION_SCHEMA_FILE,
    manifest=VerificationManifest,
    profile_blocks=VerificationProfileBlocks,
    block_rules=VERIFICATION_BLOCK_RULES,
    rules=VERIFICATION_RULES,
)
FORMATS: Final = {format_.protocol: format_ for format_ in (POST_TRAINING, VERIFICATION)}


def format_of(data: Json) -> Format | None:
    """The format that a document says it has; post-training where it says none, None for an unknown protocol."""
    protocol = data.get("protocol", POST_TRAINING.protocol) if isinstance(data, dict) else POST_TRAINING.protocol
    return FORMATS.get(protocol) if isinstance(protocol, str) else POST_TRAINING
