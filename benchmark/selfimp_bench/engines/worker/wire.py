"""What the hf sampler and its worker say to each other: MessagePack messages, each after its length in 8 bytes."""

from typing import IO, Literal

import msgspec

from selfimp_bench.engines.base import Completion, Decoding, LabelPrompt, LabelScores, Prompt, SamplerSettings


class Open(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The first request: what holds for the worker's whole life."""

    settings: SamplerSettings


class Sample(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One call of ``sample``. The worker answers with any number of ``Done`` and one ``Finished`` or ``Failed``."""

    checkpoint: str
    prompts: list[Prompt]
    decoding: Decoding


class Weigh(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One call of ``label_logprobs``. Answered by any number of ``Weighed`` and one ``Finished`` or ``Failed``."""

    checkpoint: str
    prompts: list[LabelPrompt]
    label_ids: list[int]


class Weighed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The label scores of one batch."""

    scores: list[LabelScores]


class Done(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The completions of one batch."""

    completions: list[Completion]


class Finished(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Every answer to the request has been sent."""


class Failed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The request cannot be served; ``kind`` says which of our errors the client raises."""

    kind: Literal["input", "step"]
    message: str


Request = Open | Sample | Weigh
Answer = Done | Weighed | Finished | Failed

_request_decoder = msgspec.msgpack.Decoder(Request)
_answer_decoder = msgspec.msgpack.Decoder(Answer)


def write_message(stream: IO[bytes], message: msgspec.Struct) -> None:
    """Write one message and flush."""
    body = msgspec.msgpack.encode(message)
    stream.write(len(body).to_bytes(8, "little") + body)
    stream.flush()


def read_request(stream: IO[bytes]) -> Request | None:
    """The next request; None at the end of the stream."""
    body = read_frame(stream)
    return None if body is None else _request_decoder.decode(body)


def decode_answer(body: bytes) -> Answer:
    """The answer that a message's bytes are."""
    answer: Answer = _answer_decoder.decode(body)
    return answer


def read_frame(stream: IO[bytes]) -> bytes | None:
    """The bytes of the next message; None where the stream ends, also in the middle of one."""
    header = stream.read(8)
    if len(header) < 8:
        return None
    size = int.from_bytes(header, "little")
    body = stream.read(size)
    return body if len(body) == size else None
