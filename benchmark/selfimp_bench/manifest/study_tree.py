"""Plain data that remembers where in a study file each of its values was written.

A study file is expanded to resolved experiments by moving, merging and copying parts of this tree, so every value of
the result still knows its place; what an expansion makes itself has the place of what made it necessary. Flaws that
are found in the result are so reported at the line that caused them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.manifest.fault import Fault, JsonPath, nearest, shown
from selfimp_bench.manifest.yaml_scalar import Json

Scalar = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Node:
    """A value and its ``place`` in the study file: a mapping's or list's entries are nodes themselves."""

    value: "dict[str, Node] | list[Node] | Scalar"
    place: JsonPath

    @property
    def entries(self) -> "dict[str, Node]":
        """The entries of a mapping. Raises Misfit for anything else."""
        if not isinstance(self.value, dict):
            raise Misfit(self, f"expected a mapping, found {shown(plain(self))}")
        return self.value

    @property
    def items(self) -> "list[Node]":
        """The items of a list. Raises Misfit for anything else."""
        if not isinstance(self.value, list):
            raise Misfit(self, f"expected a list, found {shown(plain(self))}")
        return self.value

    @property
    def text(self) -> str:
        """A text. Raises Misfit for anything else."""
        if not isinstance(self.value, str):
            raise Misfit(self, f"expected text, found {shown(plain(self))}")
        return self.value

    @property
    def number(self) -> int | float:
        """A number. Raises Misfit for anything else."""
        if not isinstance(self.value, int | float) or isinstance(self.value, bool):
            raise Misfit(self, f"expected a number, found {shown(plain(self))}")
        return self.value

    def get(self, key: str) -> "Node | None":
        """The entry of this key; None where the mapping has none."""
        return self.entries.get(key)

    def need(self, key: str) -> "Node":
        """The entry of this key. Raises Misfit where the mapping has none."""
        found = self.get(key)
        if found is None:
            raise Misfit(self, f"key '{key}' is missing; add it")
        return found

    @property
    def texts(self) -> tuple[str, ...]:
        """One text, or a list of them."""
        return (self.value,) if isinstance(self.value, str) else tuple(item.text for item in self.items)


class Misfit(Exception):
    """Something in the study file that cannot be expanded; ``fault`` says what and where."""

    def __init__(self, node: Node, message: str, *, on_key: bool = False) -> None:
        super().__init__(message)
        self.fault = Fault(path=node.place, message=message, on_key=on_key)


def planted(data: Json, place: JsonPath = ()) -> Node:
    """Plain data as it stands in a file at ``place``."""
    if isinstance(data, dict):
        return Node(value={key: planted(item, (*place, key)) for key, item in data.items()}, place=place)
    if isinstance(data, list):
        return Node(value=[planted(item, (*place, index)) for index, item in enumerate(data)], place=place)
    return Node(value=data, place=place)


def made(data: object, cause: Node) -> Node:
    """Plain data that an expansion makes because of ``cause``: all of it stands where that stands."""
    if isinstance(data, Mapping):
        return Node(value={str(key): made(item, cause) for key, item in data.items()}, place=cause.place)
    if isinstance(data, list | tuple):
        return Node(value=[made(item, cause) for item in data], place=cause.place)
    if data is None or isinstance(data, str | int | float):
        return Node(value=data, place=cause.place)
    raise TypeError(f"{type(data).__name__} is no plain data")


def mapping(entries: Mapping[str, Node | None], cause: Node) -> Node:
    """A mapping of these nodes, the absent ones left out."""
    return Node(value={key: node for key, node in entries.items() if node is not None}, place=cause.place)


def sequence(items: Sequence[Node], cause: Node) -> Node:
    """A list of these nodes."""
    return Node(value=list(items), place=cause.place)


def plain(node: Node) -> Json:
    """The value without its places."""
    if isinstance(node.value, dict):
        return {key: plain(item) for key, item in node.value.items()}
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    return node.value


def origins(node: Node) -> dict[JsonPath, JsonPath]:
    """For every path in the value, the place in the study file that it came from."""
    return dict(_origins(node, ()))


def _origins(node: Node, path: JsonPath) -> Iterator[tuple[JsonPath, JsonPath]]:
    yield path, node.place
    if isinstance(node.value, dict):
        for key, item in node.value.items():
            yield from _origins(item, (*path, key))
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            yield from _origins(item, (*path, index))


def merged(*layers: Node | None) -> Node | None:
    """Layers of one block, later ones over earlier ones, key by key; lists and single values are replaced whole."""
    given = [layer for layer in layers if layer is not None]
    if not given:
        return None
    whole = given[0]
    for layer in given[1:]:
        whole = _over(whole, layer)
    return whole


def _over(below: Node, above: Node) -> Node:
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return above
    both = dict(below.value)
    for key, node in above.value.items():
        both[key] = _over(both[key], node) if key in both else node
    return Node(value=both, place=above.place)


def only_keys(node: Node, known: Sequence[str]) -> None:
    """Raise Misfit for a key that is not among ``known``, with the nearest of them."""
    for key, item in node.entries.items():
        if key not in known:
            raise Misfit(item, f"unknown key {shown(key)}; {nearest(key, list(known))}", on_key=True)
