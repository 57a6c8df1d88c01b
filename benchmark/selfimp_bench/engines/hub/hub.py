"""The Hugging Face hub over the network: listing a repository at a pinned revision, and downloading files of it.

A file is accepted when its size and hash are those of the listing: until then it lies beside, as a part that a later
download goes on from. Only ``fetch.py`` comes here; a run uses no network.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from selfimp_bench.engines.hub.fetched import FetchedFile, Kind, Pinned
from selfimp_bench.errors import InputError
from selfimp_bench.paths import leads_outside
from selfimp_bench.plain_json import shortened

TRIES: Final = 3
TIMEOUT: Final = 15.0
"""Seconds without an answer to a listing. Downloads have huggingface_hub's own limit (HF_HUB_DOWNLOAD_TIMEOUT)."""

LICENCE_HOST: Final = "https://huggingface.co"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where something pinned comes from: its own repository, or a mirror of it. ``revision`` is 40 hex digits.

    ``endpoint`` is the hub's address; None is what HF_ENDPOINT names, or else the public hub.
    """

    wanted: Pinned
    repo: str
    revision: str
    endpoint: str | None

    def __str__(self) -> str:
        mirror = "" if self.repo == self.wanted.repo else f" (mirror {self.repo} at revision {self.revision})"
        return f"{self.wanted}{mirror}"


@dataclass(frozen=True, kw_only=True)
class HubFile:
    """A file of a repository. ``sha256`` is given for large files, ``git_sha1`` (of the git blob) for the others."""

    path: str
    bytes: int
    sha256: str | None
    git_sha1: str

    def same_content(self, other: "HubFile") -> bool:
        """Whether the hub gives both the same size and the same hash of the same kind."""
        mine = self.sha256 or self.git_sha1
        return (self.bytes, mine) == (other.bytes, other.sha256 or other.git_sha1)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A repository's files at a revision. ``gated``: its owner lets in whom he has granted access."""

    gated: bool
    files: tuple[HubFile, ...]

    def find(self, path: str) -> HubFile | None:
        """The file of this path, or None."""
        return next((file for file in self.files if file.path == path), None)


class _Lfs(msgspec.Struct):
    sha256: str
    size: int


class _Sibling(msgspec.Struct):
    rfilename: str
    size: int
    blobId: str
    lfs: _Lfs | None = None


class _Info(msgspec.Struct):
    sha: str
    siblings: list[_Sibling]
    gated: bool | str = False


def list_repository(source: Source) -> Listing:
    """The files of the source's revision. Raises InputError, in words for the user, for whatever goes wrong."""
    with _explained(source):
        response = _get(source, f"revision/{source.revision}", {"blobs": "true"})
        _utils().hf_raise_for_status(response)
        try:
            info = msgspec.json.decode(response.content, type=_Info)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{source}: {_endpoint(source)} does not answer as a hub does ({error})") from None
    if info.sha != source.revision:
        raise InputError(f"{source}: the hub answers with revision {info.sha}; expected the pinned one")
    return Listing(gated=bool(info.gated), files=tuple(_hub_file(sibling, source) for sibling in info.siblings))


def refuse_without_access(source: Source) -> None:
    """Ask whether files of a gated repository may be downloaded. Raises InputError with what to do when not."""
    with _explained(source):
        _utils().hf_raise_for_status(_get(source, "auth-check", {}))


def read_small(source: Source, file: HubFile, parts: Path) -> bytes:
    """The content of a small file, proved like ``download``; nothing of it stays."""
    part = parts / f"{file.git_sha1}.small"
    try:
        download(source, file, part)
        return part.read_bytes()
    finally:
        part.unlink(missing_ok=True)


def download(source: Source, file: HubFile, part: Path) -> FetchedFile:
    """Download a file to ``part``, going on from what is there, and prove it.

    Raises InputError when it cannot be had, leaving the part for the next time, or when its content is not what the
    listing promises, leaving nothing.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    if part.is_file() and part.stat().st_size > file.bytes:
        part.unlink()
    with _explained(source, file.path):
        _get_file(source, file, part)
    found = proved(file, part)
    if found is None:
        part.unlink()
        raise InputError(
            f"{source}: {file.path} came with another hash than the hub's listing promises "
            f"({file.sha256 or file.git_sha1}); it was not kept: run the same command again, and if it happens again "
            "the server or a proxy on the way changes files"
        )
    return found


def proved(file: HubFile, path: Path) -> FetchedFile | None:
    """The file at ``path`` where it has the content that the listing promises; else None."""
    if not path.is_file():
        return None
    sha256, git_sha1 = _hashes(path)
    same = git_sha1 == file.git_sha1 if file.sha256 is None else sha256 == file.sha256
    return FetchedFile(path=file.path, bytes=file.bytes, sha256=sha256) if same else None


def _get_file(source: Source, file: HubFile, part: Path) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get

    url = hf_hub_url(
        source.repo,
        file.path,
        repo_type=_repo_type(source),
        revision=source.revision,
        endpoint=source.endpoint,
    )
    with part.open("ab") as stream:
        # The client drops the token on a redirect to another host, as of a content network.
        headers = _utils().build_hf_headers() | {"Accept-Encoding": "identity"}
        http_get(
            url,
            stream,
            resume_size=stream.tell(),
            headers=headers,
            expected_size=file.bytes,
            displayed_filename=file.path,
        )


def _get(source: Source, path: str, parameters: dict[str, str]) -> Any:
    return _utils().http_backoff(
        "GET",
        f"{_endpoint(source)}/api/{_repo_type(source)}s/{source.repo}/{path}",
        params=parameters,
        headers=_utils().build_hf_headers(),
        timeout=TIMEOUT,
        max_retries=TRIES - 1,
    )


def _utils() -> Any:
    """huggingface_hub's tools, imported on first use; it documents them, and does not declare them to type checkers."""
    from huggingface_hub import utils

    return utils


def _endpoint(source: Source) -> str:
    from huggingface_hub import constants

    return source.endpoint or constants.ENDPOINT


def _repo_type(source: Source) -> str:
    return "dataset" if source.wanted.kind is Kind.DATASET else "model"


def _hub_file(sibling: _Sibling, source: Source) -> HubFile:
    if leads_outside(sibling.rfilename):
        raise InputError(f"{source}: the hub lists a file {sibling.rfilename!r}, which would lie outside its folder")
    sha256 = "0" * 64 if sibling.lfs is None else sibling.lfs.sha256
    size = sibling.size if sibling.lfs is None else sibling.lfs.size
    if not (re.fullmatch("[0-9a-f]{40}", sibling.blobId) and re.fullmatch("[0-9a-f]{64}", sha256) and size >= 0):
        raise InputError(
            f"{source}: the hub lists {sibling.rfilename!r} with blobId {shortened(sibling.blobId)!r}, sha256 "
            f"{shortened(sha256)!r} and size {size}; expected 40 and 64 hex digits, and no negative size"
        )
    if sibling.lfs is not None:
        return HubFile(
            path=sibling.rfilename, bytes=sibling.lfs.size, sha256=sibling.lfs.sha256, git_sha1=sibling.blobId
        )
    return HubFile(path=sibling.rfilename, bytes=sibling.size, sha256=None, git_sha1=sibling.blobId)


def _hashes(path: Path) -> tuple[str, str]:
    """sha256 of a file, and the sha1 that git gives its blob."""
    sha256, git = hashlib.sha256(), hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while piece := stream.read(2**20):
            sha256.update(piece)
            git.update(piece)
    return sha256.hexdigest(), git.hexdigest()


@contextmanager
def _explained(source: Source, path: str | None = None) -> Iterator[None]:
    """Turn the library's errors into an InputError: what, where, expected, what to do."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.HfHubHTTPError as error:
        raise InputError(f"{source}{_of(path)}: {_http_words(error, source)}") from None
    except (httpx2.RequestError, httpx2.InvalidURL, errors.OfflineModeIsEnabled) as error:
        raise InputError(
            f"{source}{_of(path)}: {_endpoint(source)} cannot be reached or broke off ({_name(error)}); check the "
            "network, the proxy, HF_ENDPOINT and HF_HUB_OFFLINE, and run the same command again: it goes on from "
            "what is there"
        ) from None
    except OSError as error:
        if error.errno is not None:  # the disk's
            raise
        raise InputError(
            f"{source}{_of(path)}: the download broke off ({_name(error)}); run the same command again: it goes on "
            "from what is there"
        ) from None
    except ValueError as error:  # an invalid repository name, a file of more than 50 GB
        raise InputError(f"{source}{_of(path)}: {_name(error)}; correct `repo` in the manifest") from None


def _http_words(error: Any, source: Source) -> str:
    from huggingface_hub import errors

    status, page = error.response.status_code, licence_page(source.wanted.kind, source.repo)
    if isinstance(error, errors.GatedRepoError):
        return f"the repository is gated (HTTP {status}); accept its licence at {page}, then {_token_words()}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the repository has no such revision (HTTP {status}); correct `revision`, a commit's 40 hex digits"
    if isinstance(error, errors.EntryNotFoundError):
        return f"the revision has no such file (HTTP {status}), although it lists it; run the same command again"
    if isinstance(error, errors.RepositoryNotFoundError) and status == 404:
        return f"no such repository, or a private one (HTTP 404); see {page}; for a private one {_token_words()}"
    if status in (401, 403):
        return f"the hub refuses access, or has no such repository (HTTP {status}); see {page}, and {_token_words()}"
    if status == 429:
        wait = _seconds_to_wait(error.response.headers)
        after = f"in {wait} seconds" if wait else "later"
        return (
            f"the hub limits the number of requests (HTTP 429); run the same command again {after}, or {_token_words()}"
        )
    return f"the hub answers HTTP {status}; run the same command again later"


def _seconds_to_wait(headers: Any) -> Any:
    """As a refusal for too many requests says: in the hub's own header, where the limit is the reason, or the usual."""
    limit = _utils().parse_ratelimit_headers(headers)
    return headers.get("Retry-After") if limit is None or limit.remaining else limit.reset_in_seconds


def token_is_set() -> bool:
    """Whether the hub's client finds a token: in HF_TOKEN, or where its login left one."""
    from huggingface_hub import get_token

    return get_token() is not None


def licence_page(kind: Kind, repo: str) -> str:
    """The page of a repository on the public hub, where a gated one's licence is accepted."""
    return f"{LICENCE_HOST}/{'datasets/' if kind is Kind.DATASET else ''}{repo}"


def _token_words() -> str:
    if not token_is_set():
        return f"set HF_TOKEN to a token of that account (made at {LICENCE_HOST}/settings/tokens): no token is set"
    return "use the token of an account that has access: one is set (HF_TOKEN or its login file), and it has none"


def _of(path: str | None) -> str:
    return "" if path is None else f": {path}"


def _name(error: Exception) -> str:
    first = (str(error).strip() or "no more is known").splitlines()[0]
    return f"{type(error).__name__}: {first}"
