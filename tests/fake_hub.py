"""A hub on this machine that speaks the Hugging Face hub's protocol, so far as its client uses it, with faults on wish.

Large files (LFS) are redirected to a content network, which is this server under its other name, ``localhost``; small
ones to the hub's own cache, by a relative address.
"""

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LFS = (".safetensors", ".parquet", ".bin")
CACHE = "/api/resolve-cache/"


@dataclass(kw_only=True)
class Fault:
    """What goes wrong with the next ``times`` requests whose path contains ``on``.

    status: answer this instead, with ``headers``. cut: close the connection after so many bytes of the body.
    corrupt: flip the body's last byte. stall: seconds before the answer.
    """

    on: str
    times: int = 10**6
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    corrupt: bool = False
    stall: float = 0.0


@dataclass(kw_only=True)
class Repository:
    """One repository at one revision. ``token``: the only one that may download, where it is gated or private;
    ``lies``: what its listing says of a file in place of the truth."""

    revision: str
    files: dict[str, bytes]
    gated: bool = False
    private: bool = False
    token: str | None = None
    lies: dict[str, dict[str, Any]] = field(default_factory=dict)

    def opens_to(self, authorization: str | None) -> bool:
        return self.token is None or authorization == f"Bearer {self.token}"


class FakeHub(ThreadingHTTPServer):
    """``repositories`` by ``models/ORG/NAME`` or ``datasets/ORG/NAME``; ``asked``: each request's line and token."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, str | None]] = []
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def downloads(self) -> list[str]:
        """The paths of the files that were asked for, without the content network's."""
        return [line.split("/resolve/")[1].split("/", 1)[1] for line, _ in self.asked if "/resolve/" in line]

    def fault(self, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.on in path and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are part of the tests."""


@contextmanager
def running_hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeHub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((f"{self.command} {self.path}", self.headers.get("Authorization")))
        self.server.ranges.append(self.headers.get("Range"))
        fault = self.server.fault(path)
        if fault is not None:
            time.sleep(fault.stall)
            if fault.status is not None:
                self._send(fault.status, b"{}", fault.headers)
                return
        if path.startswith("/cdn/"):
            self._file(_blobs(self.server)[path.removeprefix("/cdn/")], {}, fault)
        elif path.startswith(CACHE):
            self._cached(path.removeprefix(CACHE), fault)
        elif path.startswith("/api/"):
            self._api(path.removeprefix("/api/"))
        else:
            self._resolve(path.removeprefix("/"))

    def _api(self, path: str) -> None:
        """``models/ORG/NAME/revision/REVISION``, ``.../auth-check`` and ``.../tree/REVISION``."""
        kind, organisation, name, what, *rest = path.split("/")
        repository = self.server.repositories.get(f"{kind}/{organisation}/{name}")
        if repository is None or (repository.private and not repository.opens_to(self.headers.get("Authorization"))):
            self._refuse(401 if self.headers.get("Authorization") is None else 404, "RepoNotFound")
        elif what == "auth-check":
            if repository.opens_to(self.headers.get("Authorization")):
                self._send(200, b"OK", {})
            else:
                self._refuse(401 if self.headers.get("Authorization") is None else 403, "GatedRepo")
        elif rest[0] != repository.revision:
            self._refuse(404, "RevisionNotFound")
        elif what == "tree":
            self._json([_tree_entry(*item) for item in repository.files.items()])
        else:
            siblings = [_sibling(*item) | repository.lies.get(item[0], {}) for item in repository.files.items()]
            gated = "manual" if repository.gated else False
            self._json({"id": f"{organisation}/{name}", "sha": rest[0], "gated": gated, "siblings": siblings})

    def _resolve(self, path: str) -> None:
        repo, _, place = path.partition("/resolve/")
        revision, _, name = place.partition("/")
        key = repo if repo.startswith("datasets/") else f"models/{repo}"
        repository = self.server.repositories.get(key)
        if repository is None:
            self._refuse(404, "RepoNotFound")
        elif not repository.opens_to(self.headers.get("Authorization")):
            self._refuse(401 if self.headers.get("Authorization") is None else 403, "GatedRepo")
        elif revision != repository.revision:
            self._refuse(404, "RevisionNotFound")
        elif name not in repository.files:
            self._refuse(404, "EntryNotFound", {"X-Repo-Commit": revision})
        else:
            self._content(f"{key}/{revision}/{name}", repository.files[name], revision)

    def _content(self, place: str, content: bytes, revision: str) -> None:
        """Where the content of ``models/ORG/NAME/REVISION/FILE`` lies."""
        headers = {"X-Repo-Commit": revision}
        if place.endswith(LFS):
            sha256, _ = hashes(content)
            linked = {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(content))}
            network = {"Location": f"http://localhost:{self.server.server_port}/cdn/{sha256}"}
            self._send(302, b"", headers | linked | network)
        else:
            self._send(307, b"Temporary Redirect", headers | {"Location": CACHE + place})

    def _cached(self, place: str, fault: Fault | None) -> None:
        kind, organisation, repo, revision, name = place.split("/", 4)
        content = self.server.repositories[f"{kind}/{organisation}/{repo}"].files[name]
        self._file(content, {"X-Repo-Commit": revision, "ETag": f'"{hashes(content)[1]}"'}, fault)

    def _file(self, content: bytes, headers: Mapping[str, str], fault: Fault | None) -> None:
        if fault is not None and fault.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        asked = self.headers.get("Range")
        start = 0 if asked is None else int(asked.removeprefix("bytes=").partition("-")[0])
        ranged = {} if asked is None else {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        status, cut = (200 if asked is None else 206), None if fault is None else fault.cut
        self._send(status, content[start:], {"Accept-Ranges": "bytes", **headers, **ranged}, cut)

    def _refuse(self, status: int, code: str, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code, **(headers or {})})

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.close_connection = True


def hashes(content: bytes) -> tuple[str, str]:
    """sha256, and git's sha1 of the blob."""
    return hashlib.sha256(content).hexdigest(), hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def _sibling(name: str, content: bytes) -> dict[str, Any]:
    sha256, git = hashes(content)
    lfs = {"lfs": {"sha256": sha256, "size": len(content), "pointerSize": 134}} if name.endswith(LFS) else {}
    return {"rfilename": name, "size": len(content), "blobId": git, **lfs}


def _tree_entry(name: str, content: bytes) -> dict[str, Any]:
    sha256, git = hashes(content)
    lfs = {"lfs": {"oid": sha256, "size": len(content), "pointerSize": 134}} if name.endswith(LFS) else {}
    return {"type": "file", "path": name, "size": len(content), "oid": git, **lfs}


def _blobs(hub: FakeHub) -> dict[str, bytes]:
    return {hashes(content)[0]: content for each in hub.repositories.values() for content in each.files.values()}
