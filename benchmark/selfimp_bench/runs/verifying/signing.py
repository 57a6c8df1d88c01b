"""Signatures of bundles: Ed25519, with keys as `ssh-keygen -t ed25519` or OpenSSL writes them."""

import base64
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from selfimp_bench.errors import InputError

_WHAT: Final = b"selfimp-bench bundle 1\n"
"""Stands before what is signed, so that a signature of something else is none of a bundle."""


def private_key(key: Path) -> Ed25519PrivateKey:
    """The private key in a file. Raises InputError."""
    raw = _read(key)
    load = load_ssh_private_key if b"OPENSSH" in raw else load_pem_private_key
    try:
        private = load(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"{key}: no private key that can be used ({error}); expected one of Ed25519 without a passphrase, as "
            "`ssh-keygen -t ed25519` writes it"
        ) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError(f"{key}: expected a key of Ed25519, as `ssh-keygen -t ed25519` writes it")
    return private


def sign(content: bytes, key: Ed25519PrivateKey) -> bytes:
    """The signature of ``bundle.json``: base64, a line."""
    return base64.b64encode(key.sign(_WHAT + content)) + b"\n"


def is_signed_by(content: bytes, signature: bytes, key: Path) -> bool:
    """Whether the signature of ``bundle.json`` is by the key whose public half is in a file. Raises InputError."""
    raw = _read(key)
    load = load_pem_public_key if raw.startswith(b"-----") else load_ssh_public_key
    try:
        public = load(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{key}: no public key ({error}); expected the .pub file of an Ed25519 key") from None
    if not isinstance(public, Ed25519PublicKey):
        raise InputError(f"{key}: expected a public key of Ed25519")
    try:
        public.verify(base64.b64decode(signature, validate=False), _WHAT + content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _read(key: Path) -> bytes:
    try:
        return key.read_bytes()
    except OSError as error:
        raise InputError(f"{key}: cannot be read ({error.strerror}); expected a key file") from None
