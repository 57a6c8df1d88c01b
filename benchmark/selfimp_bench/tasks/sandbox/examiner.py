"""The process that runs the tests. No line of the program runs here; its functions are stubs (``peer.py``).

All that a program can do to its examiner is answer a call with a value, raise, or be gone. The tests passed when this
process, which the program cannot reach, came to the end of the last one.
"""

import ast
import importlib
import mmap
import os
from collections.abc import Sequence
from enum import IntFlag
from typing import Any, Final

from selfimp_bench.tasks.sandbox.candidate import MODULE
from selfimp_bench.tasks.sandbox.channel import Channel, ChannelClosed
from selfimp_bench.tasks.sandbox.foresight import foreseen_calls
from selfimp_bench.tasks.sandbox.names import Names, names_in
from selfimp_bench.tasks.sandbox.parts import SETUP, Part, parts_of
from selfimp_bench.tasks.sandbox.peer import Peer, Remote, describe, error_from
from selfimp_bench.tasks.sandbox.purity import leave_nothing
from selfimp_bench.tasks.sandbox.together import CONTROL, beside, require

_RESERVE_BYTES: Final = 1 << 24
"""Address space kept free to say so when values of the program have used up the rest."""
_MAY_ASK: Final = {"call": lambda target, *arguments, **named: target(*arguments, **named)}


class After(IntFlag):
    """What the zygote has to know after an examination."""

    NOTHING = 0
    GONE = 1
    """The candidate was gone before the tests were done."""
    USED = 2
    """The tests may have left something behind: this examiner must not be used again."""


_AFTER: Final = {"gone": After.GONE, "memory": After.USED}  # memory in shreds is something left behind


def run_examiner(grader: Channel, candidate: Channel) -> After:
    """Take an order from the grader, examine, and send the verdict."""
    order = grader.receive()
    after = After.USED
    reserve = mmap.mmap(-1, _RESERVE_BYTES)
    try:
        parts = parts_of(order["setup"], order["tests"], order["entry_point"])
        if order["together"] or leave_nothing([part.tree for part in parts]):
            after = After.NOTHING
        verdict = _examine(order, parts, candidate)
    except ChannelClosed as error:
        verdict = _verdict("gone", error=str(error))
    except MemoryError as error:
        reserve.close()
        verdict = _failed("the tests", error)
    except BaseException as error:
        verdict = _failed("the tests", error)
    reserve.close()
    grader.send(verdict)
    return after | _AFTER.get(verdict["kind"], After.NOTHING)


def _examine(order: dict[str, Any], parts: Sequence[Part], candidate: Channel) -> dict[str, Any]:
    candidate.send({name: order[name] for name in ("program", "rescue", "setup", "together")})
    compiled = candidate.receive()
    if "raised" in compiled:
        return _failed("the code", error_from(compiled["raised"])) | {"kind": "no program"}
    loaded = candidate.receive()
    if not isinstance(loaded, dict):
        raise ChannelClosed("no message of ours")
    if loaded.get("raised") is not None:
        verdict = _failed("the code", error_from(loaded["raised"]))
    else:
        names = names_in([part.tree for part in parts], order["entry_point"], order["own"])
        verdict = (_run_beside if order["together"] else _run)(parts, names, candidate)
    return verdict | {"characters": compiled["characters"]}


def _run_beside(parts: Sequence[Part], names: Names, candidate: Channel) -> dict[str, Any]:
    """Have the parts run beside the program, one after the other, each sent when the one before came to its end."""
    sources = beside([part.tree for part in parts], names)
    texts = [(part.at, None if part.at == SETUP else source) for part, source in zip(parts, sources, strict=True)]
    control = os.urandom(1)[0] % (len(texts) + 1)
    texts.insert(control, ("the control", CONTROL))
    for number, (at, text) in enumerate(texts):
        word = os.urandom(16).hex()
        own = names.builtin if text is not None else ()
        candidate.send({"at": at, "text": text, "word": word, "modules": names.modules, "own": own})
        reply = candidate.receive()
        if not isinstance(reply, dict):
            raise ChannelClosed("no message of ours")
        if "raised" not in reply and reply.get("word") != word:
            raise ChannelClosed("an end that was not reached")
        if "raised" in reply and number != control:
            return _failed(at, error_from(reply["raised"]))
        if "raised" not in reply and number == control:
            return _verdict("failed", at=at, error="what cannot be true was said to be")
    return _verdict("passed")


def _run(parts: Sequence[Part], names: Names, candidate: Channel) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "tests"}
    peer = Peer(candidate, "examiner", _MAY_ASK)
    at = "the tests"
    try:
        trees = [part.tree for part in parts]
        namespace |= {name: importlib.import_module(name) for name in names.modules}
        _bind(namespace, names, peer)
        if parts[0].at != SETUP:
            _foresee(trees, namespace, names, peer)
        for part in parts:
            at = part.at
            _bind(namespace, names, peer)
            exec(compile(part.tree, f"<{at}>", "exec", dont_inherit=True), namespace)
    except BaseException as error:
        if peer.lost:
            raise ChannelClosed(at) from None
        return _failed(at, error) | {"objects": peer.objects}
    if peer.lost:
        raise ChannelClosed("at the end")
    return _verdict("passed") | {"objects": peer.objects}


def _foresee(trees: Sequence[ast.Module], namespace: dict[str, Any], names: Names, peer: Peer) -> None:
    functions = {name: namespace[name] for name in names.program if isinstance(namespace.get(name), Remote)}
    if len(functions) == len(names.program):  # else asking for a name comes between
        calls = foreseen_calls(trees, names.program)
        peer.foresee([(functions[call.name], call.arguments) for call in calls])


def _bind(namespace: dict[str, Any], names: Names, peer: Peer) -> None:
    """Give the program's names their meaning of this moment; what it does not define stays undefined.

    A function or class is fetched once: a program has no business to replace it between tests.
    """
    for name in names.program:
        if isinstance(namespace.get(name), Remote):
            continue
        try:
            objects = peer.objects
            namespace[name] = peer.ask("attribute", MODULE, name)
            peer.objects = objects
        except AttributeError:
            namespace.pop(name, None)
            require({name} & set(names.builtin), namespace)


def _failed(at: str, error: BaseException) -> dict[str, Any]:
    kind = "memory" if isinstance(error, MemoryError) else "failed"
    return _verdict(kind, at=at, error=describe(error))


def _verdict(kind: str, *, at: str = "", error: str = "") -> dict[str, Any]:
    return {"kind": kind, "at": at, "error": error, "characters": 0, "objects": False}
