"""The conversation of examiner and candidate: either may hold objects of the other, by number, and ask about them.

An object that does not travel (``values.py``) is a ``Remote`` on the other side. The examiner's Remotes let a test
call, read, set, index and iterate what belongs to the program, so that every value arrives as a value. No comparison
and no arithmetic is ever asked of a Remote: the program would learn the expected value, and could answer as it likes.
The candidate may call the functions that a test has passed to it, nothing else.
"""

import builtins
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from selfimp_bench.tasks.sandbox.channel import Channel, ChannelClosed, encode
from selfimp_bench.tasks.sandbox.values import pack, pack_iterator, unpack

LONGEST_REMARK: Final = 200
_MOST_AHEAD: Final = 1 << 16
_MUTABLE: Final = (list, dict, set, bytearray)


class Remote:
    """An object of the other side. Equal to itself only."""

    __slots__ = ("_number", "_peer")

    def __init__(self, peer: "Peer", number: int) -> None:
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_number", number)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return _ask(self, "call", *arguments, **named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _ask(self, "attribute", name)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, "set attribute", name, value)

    def __getitem__(self, key: Any) -> Any:
        return _ask(self, "item", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _ask(self, "set item", key, value)

    def __iter__(self) -> Iterator[Any]:
        iterator = _ask(self, "iterator")
        return iterator if type(iterator) is Remote else iter(iterator)

    def __next__(self) -> Any:
        return _ask(self, "next")

    def __len__(self) -> int:
        return int(_ask(self, "length"))

    def __bool__(self) -> bool:
        return bool(_ask(self, "truth"))

    def __str__(self) -> str:
        return str(_ask(self, "text"))

    def __repr__(self) -> str:
        return str(_ask(self, "representation"))


OPERATIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "call": lambda target, *arguments, **named: target(*arguments, **named),
    "attribute": lambda target, name: getattr(target, name),
    "set attribute": lambda target, name, value: setattr(target, name, value),
    "item": lambda target, key: target[key],
    "set item": lambda target, key, value: target.__setitem__(key, value),
    "iterator": lambda target: iter(target),
    "next": lambda target: next(target),
    "length": lambda target: len(target),
    "truth": lambda target: bool(target),
    "text": lambda target: str(target),
    "representation": lambda target: repr(target),
}
"""What can be asked of an object, by name."""


class Peer:
    """One side. ``name`` marks this side's objects, ``operations`` is what the other side may ask of them."""

    def __init__(self, channel: Channel, name: str, operations: Mapping[str, Callable[..., Any]]) -> None:
        self._channel = channel
        self._name = name
        self._operations = operations
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._remotes: dict[int, Remote] = {}
        self._foreseen: deque[bytes] = deque()
        self._early: deque[Mapping[str, Any]] = deque()
        self.objects = False
        """Whether an object of the other side came as a result of a call, or a value with a class of its own."""
        self.lost = False
        """Whether the other side was found to be gone, or to make no sense; a test may have hidden that."""

    def hold(self, value: Any) -> int:
        """The number of an own object, kept from now on."""
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        return self._numbers[id(value)]

    def remote(self, number: int) -> Remote:
        """The stub of the other side's object; the same one for the same number."""
        if type(number) is not int or number < 0:
            raise ValueError("no number of an object")
        return self._remotes.setdefault(number, Remote(self, number))

    def ask(self, operation: str, number: int, *arguments: Any, **named: Any) -> Any:
        """Have the other side do something, serving what it asks meanwhile.

        Raises what it raised, or ChannelClosed; ``lost`` is then set, because a test may catch that, too.
        """
        try:
            return self._ask(operation, number, arguments, named)
        except ChannelClosed:
            self.lost = True
            raise

    def _ask(self, operation: str, number: int, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
        question = self._question(operation, number, arguments, named)
        reply = self._reply_to(question)
        if "raised" in reply:
            raise error_from(reply["raised"])
        try:
            for index, tree in reply.get("changed", ()):
                _overwrite(arguments[index], self._unpack(tree))
            return self._unpack(reply["value"])
        except (ValueError, TypeError, OverflowError, KeyError, IndexError, ArithmeticError):
            raise ChannelClosed("a reply that is no value") from None

    def _reply_to(self, question: bytes) -> Mapping[str, Any]:
        if self._foreseen and self._foreseen[0] == question:
            self._foreseen.popleft()
            return self._early.popleft() if self._early else self._next_reply()
        while len(self._early) < len(self._foreseen):  # something in between: what is on its way comes first
            self._early.append(self._next_reply())
        self._channel.send_encoded(question)
        return self._next_reply()

    def foresee(self, calls: Sequence[tuple[Remote, tuple[Any, ...]]]) -> None:
        """Ask for calls ahead of time: an ``ask`` for the first of them, then the second ... finds it on its way.

        No more are asked for than the connection holds, or both sides could wait for each other.
        """
        ahead, size = [], 0
        for remote, arguments in calls:
            question = self._question("call", object.__getattribute__(remote, "_number"), arguments, {})
            size += len(question)
            if size > _MOST_AHEAD:
                break
            ahead.append(question)
        self._foreseen.extend(ahead)
        try:
            self._channel.send_encoded(b"".join(ahead))
        except ChannelClosed:
            self.lost = True
            raise

    def _question(self, operation: str, number: int, arguments: Sequence[Any], named: Mapping[str, Any]) -> bytes:
        return encode(
            {
                "do": operation,
                "of": number,
                "arguments": [self._pack(each) for each in arguments],
                "named": {name: self._pack(value) for name, value in named.items()},
            }
        )

    def serve(self) -> None:
        """Answer until the other side goes. Raises ChannelClosed."""
        self._next_reply()
        raise ChannelClosed("a reply that nobody asked for")

    def _next_reply(self) -> Mapping[str, Any]:
        while True:
            message = self._channel.receive()
            if not isinstance(message, dict):
                raise ChannelClosed("no message of ours")
            if "do" not in message:
                return message
            self._answer(message)

    def _answer(self, message: Mapping[str, Any]) -> None:
        try:
            reply = self._reply(message)
        except ChannelClosed:
            raise
        except BaseException as error:
            reply = {"raised": error_tree(error)}
        try:
            self._channel.send(reply)
        except ChannelClosed:
            raise
        except BaseException as error:
            self._channel.send({"raised": error_tree(error)})

    def _reply(self, message: Mapping[str, Any]) -> dict[str, Any]:
        operation, target = self._operations[message["do"]], self._objects[message["of"]]
        sent = message["arguments"]
        arguments = [self._unpack(tree) for tree in sent]
        named = {name: self._unpack(tree) for name, tree in message["named"].items()}
        value = operation(target, *arguments, **named)
        after = [(index, each) for index, each in enumerate(arguments) if type(each) in _MUTABLE]
        packed = [[index, self._pack(each)] for index, each in after]
        return {
            "value": self._pack(value),
            "changed": [[index, tree] for index, tree in packed if tree != sent[index]],
        }

    def _pack(self, value: Any) -> Any:
        def refer(value: Any) -> Any:
            if type(value) is Remote:
                return {"yours": object.__getattribute__(value, "_number")}
            if self._name == "examiner" and isinstance(value, Iterator):
                return pack_iterator(value, self._pack)
            name = value.__name__ if type(value) is type else ""
            if name and getattr(builtins, name, None) is value:
                return {"type": name}
            return {"mine": self.hold(value)}

        return pack(value, refer)

    def _unpack(self, tree: Any) -> Any:
        def resolve(tag: str, content: Any) -> Any:
            if tag in ("mine", "like"):
                self.objects = True
            if tag == "like":
                return None
            if tag == "mine":
                return self.remote(content)
            if tag == "yours" and type(content) is int and content >= 0:
                return self._objects[content]
            if tag == "type" and isinstance(getattr(builtins, content, None), type):
                return getattr(builtins, content)
            raise ValueError("no such tag")

        return unpack(tree, resolve)


def error_tree(error: BaseException) -> dict[str, Any]:
    """An exception as plain data; its own text may fail too."""
    try:
        text = str(error)[:LONGEST_REMARK]
    except BaseException:
        text = ""
    bases = [each.__name__ for each in type(error).__mro__ if getattr(builtins, each.__name__, None) is each]
    return {"name": type(error).__name__, "text": text, "bases": bases}


def error_from(tree: Any) -> BaseException:
    """The exception of a tree: of its name, derived from the built-in one that it was derived from."""
    try:
        base = getattr(builtins, tree["bases"][0])
        name, text = tree["name"], str(tree["text"])[:LONGEST_REMARK]
        error = type(name, (base,), {"__init__": lambda *_: None, "__str__": lambda _: text})(text)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        error = None
    return error if isinstance(error, BaseException) else ChannelClosed("an error that is none")


def describe(error: BaseException) -> str:
    """An exception in one short line."""
    tree = error_tree(error)
    return f"{tree['name']}: {tree['text']}"[:LONGEST_REMARK].rstrip(": \n")


def _ask(remote: Remote, operation: str, *arguments: Any, **named: Any) -> Any:
    peer: Peer = object.__getattribute__(remote, "_peer")
    return peer.ask(operation, object.__getattribute__(remote, "_number"), *arguments, **named)


def _overwrite(target: Any, value: Any) -> None:
    """Do to an argument what the other side did to its copy."""
    if type(target) is not type(value) or type(value) not in _MUTABLE:
        raise ValueError("not the argument's type")
    if isinstance(target, list | bytearray):
        target[:] = value
    else:
        target.clear()
        target.update(value)
