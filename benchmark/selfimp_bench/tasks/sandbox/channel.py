"""Messages over a descriptor: JSON with its length before it, and a limit on the length."""

import json
import os
import struct
from typing import Any, Final

from selfimp_bench.tasks.sandbox.policy import LONGEST_MESSAGE

_HEADER: Final = struct.Struct(">I")


class ChannelClosed(Exception):
    """The other side is gone, or sent what is no message."""


def encode(message: Any) -> bytes:
    """A message with its length before it. Raises OverflowError for one that is too long, ValueError."""
    payload = json.dumps(message, separators=(",", ":")).encode("ascii")
    if len(payload) > LONGEST_MESSAGE:
        raise OverflowError(f"a value of more than {LONGEST_MESSAGE} bytes")
    return _HEADER.pack(len(payload)) + payload


class Channel:
    """One end of a stream. What is received is plain JSON data and nothing else."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, message: Any) -> None:
        """Send a message whole. Raises OverflowError (nothing is sent then), ValueError, ChannelClosed."""
        self.send_encoded(encode(message))

    def send_encoded(self, data: bytes) -> None:
        """Send messages that were encoded before. Raises ChannelClosed."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except OSError as error:
                raise ChannelClosed(str(error)) from None

    def receive(self) -> Any:
        """The next message. Raises ChannelClosed."""
        (length,) = _HEADER.unpack(self._read(_HEADER.size))
        if length > LONGEST_MESSAGE:
            raise ChannelClosed("a message that is too long")
        try:
            return json.loads(self._read(length))
        except (ValueError, RecursionError):
            raise ChannelClosed("a message that is no JSON") from None

    def _read(self, count: int) -> bytes:
        pieces = []
        while count:
            try:
                piece = os.read(self._descriptor, min(count, 1 << 20))
            except OSError as error:
                raise ChannelClosed(str(error)) from None
            if not piece:
                raise ChannelClosed("the end")
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)
