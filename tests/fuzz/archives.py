"""Edits of logs in zip files: members by their own form, how they are packed, and directories that lie.

A zip file is written here by hand, so that its directory can say of a member what is not so.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import pyarrow as pa

STORED: Final = 0
DEFLATED: Final = 8
ZSTANDARD: Final = 93
LARGEST: Final = 2**23
METHODS: Final = (STORED, DEFLATED, ZSTANDARD)


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A member as it lies in the file, and what the directory says of it."""

    name: bytes
    method: int
    content: bytes
    crc: int
    size: int
    flags: int = 0x800
    """Names are UTF-8."""
    told_size: int | None = None
    told_packed: int | None = None
    told_offset: int | None = None
    told_version: int = 20


def members_of(content: bytes, only: Container[str] | None = None) -> list[tuple[str, int, bytes]]:
    """Names, methods and contents; none of what is no zip file, or is swollen already. only: of members called so."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            wanted = [each for each in archive.infolist() if only is None or each.filename in only]
            if any(each.file_size > LARGEST for each in wanted):
                return []
            return [(each.filename, each.compress_type, _unpacked(archive, each, content)) for each in wanted]
    except Exception:  # of damaged zip files there are too many kinds
        return []


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, content: bytes) -> bytes:
    if member.compress_type != ZSTANDARD:
        return archive.read(member)
    at = member.header_offset
    name, extra = struct.unpack("<HH", content[at + 26 : at + 30])
    at += 30 + name + extra
    return _zstd_decompressed(content[at : at + member.compress_size])


def _zstd_decompressed(packed: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
        return bytes(stream.read(LARGEST))


def packed(name: str, method: int, content: bytes) -> Packed:
    """A member, packed as it should be."""
    inside = content
    if method == DEFLATED:
        machine = zlib.compressobj(wbits=-15)
        inside = machine.compress(content) + machine.flush()
    elif method == ZSTANDARD:
        inside = pa.Codec("zstd").compress(content, asbytes=True)
    return Packed(
        name=name.encode("utf-8", "replace")[:60000],
        method=method,
        content=inside,
        crc=zlib.crc32(content),
        size=len(content),
    )


def archive(members: Sequence[Packed]) -> bytes:
    """The zip file of these."""
    sink, directory = io.BytesIO(), io.BytesIO()
    for each in members:
        size = each.size if each.told_size is None else each.told_size
        length = len(each.content) if each.told_packed is None else each.told_packed
        common = struct.pack(
            "<HHHHHIIIHH",
            *(each.told_version, each.flags, each.method, 0, 33, each.crc),
            *(length % 2**32, size % 2**32, len(each.name), 0),
        )
        offset = sink.tell() if each.told_offset is None else each.told_offset
        directory.write(
            b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, offset % 2**32)
        )
        directory.write(each.name)
        sink.write(b"PK\x03\x04" + common + each.name + each.content)
    start, written = sink.tell(), directory.getvalue()
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(written), start, 0)
    return sink.getvalue() + written + b"PK\x05\x06" + end


def edited_archive(
    content: bytes, where: int, what: int, inner: Callable[[bytes, str, int, int], bytes], words: Sequence[str]
) -> bytes | None:
    """One edit; None of what is no zip file. inner: edits a member by the form that its name ends in."""
    members = [packed(*each) for each in members_of(content)]
    if not members:
        return None
    at, where = where % len(members), where // len(members)
    kind, rest = what % 9, what // 9
    plain = members_of(content)
    name, method, own = plain[at]
    if kind <= 3:
        members[at] = packed(name, method, inner(own, name.rpartition(".")[2], where, rest))
    elif kind == 4:
        members[at] = packed(name, METHODS[rest % 3], own)
    elif kind == 5:
        other = words[where % len(words)]
        named = (other, f"samples/{other}.json", f"samples/{other}/{name}", f"/{name}", f"../{name}", name.upper())
        members[at] = replace(members[at], name=packed(named[rest % 6], STORED, b"").name)
    elif kind == 6:
        members[at] = _lying(members[at], where, rest)
    elif kind == 7:
        members[at] = _swollen(name, rest)
    elif rest % 3:
        members.insert(where % len(members), members.pop(at) if rest % 3 == 1 else members[at])
    else:
        del members[at]
    return archive(members)


def _lying(member: Packed, where: int, rest: int) -> Packed:
    number = (0, 1, max(0, member.size - 1), member.size + 1, 2**20, 2**29 - 1, 2**31, 2**32 - 1)[where % 8]
    return (
        replace(member, told_size=number),
        replace(member, told_packed=number),
        replace(member, told_offset=number),
        replace(member, crc=number),
        replace(member, method=(*METHODS, 9, 12, 14, 98)[where % 7]),
        replace(member, flags=(1, 0x20, 0x40, 0x800, 0, 8)[where % 6]),
        replace(member, told_version=(0, 10, 63, 255)[where % 4]),
        replace(member, name=(b"\xff", b"samples/\xff.json", b"", b"samples/.json", b"\x00")[where % 5]),
    )[rest % 8]


@cache
def _swollen_content(method: int, kind: int, times: int) -> Packed:
    """A few KiB that are many MiB of JSON: a text, a list of lists, a list of numbers."""
    start, piece, end = ((b'{"id": "', b" ", b'"}'), (b'{"id": [', b"[],", b"0]}"), (b'{"id": [', b"1,", b"0]}"))[kind]
    once = piece * (2**20 // len(piece))
    crc, size, inside = 0, 0, b""
    sink = pa.BufferOutputStream()
    machine = zlib.compressobj(wbits=-15)
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        for part in (start, *[once] * times, end):
            crc, size = zlib.crc32(part, crc), size + len(part)
            if method == ZSTANDARD:
                stream.write(part)
            else:
                inside += machine.compress(part)
    inside = sink.getvalue().to_pybytes() if method == ZSTANDARD else inside + machine.flush()
    return Packed(name=b"", method=method, content=inside, crc=crc, size=size)


def _swollen(name: str, rest: int) -> Packed:
    made = _swollen_content((DEFLATED, ZSTANDARD)[rest % 2], rest // 2 % 3, (300, 4)[rest // 18 % 2])
    told = (None, 100, 2**20)[rest // 6 % 3]
    return replace(made, name=packed(name, STORED, b"").name, told_size=told)
