"""Functions that other installed packages bring, by distribution, version and entry point."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from selfimp_bench.errors import InputError
from selfimp_bench.methods import Kind

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

OUR_OWN: Final = "selfimp-bench"
_GIVEN: Final[Mapping[Kind, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    Kind.SAMPLE_RULE: (("problems",), ("most", "seed")),
    Kind.PAIR_RULE: (("problems",), ("most", "seed")),
    Kind.PAIR_LOSS: (("pairs",), ("beta",)),
}
"""The arguments that a function of a kind is called with, besides options: by position, and by name."""


class NotInstalled(InputError):
    """The package is not there, in this version; the message says what installs it."""


@dataclass(frozen=True, kw_only=True)
class Brought:
    """A function that a manifest names: the distribution that brings it, its version, the entry point, and the options
    that it is called with."""

    kind: Kind
    package: str
    version: str
    name: str
    options: tuple[tuple[str, str | int | float | bool | None], ...] = ()

    def __str__(self) -> str:
        """As messages call it: ``sample rule most-different of my-package 0.1.0``."""
        return f"{self.kind.words} {self.name} of {self.package} {self.version}"


def entry_point(wanted: Brought) -> "EntryPoint":
    """The entry point; nothing of the package is imported.

    Raises NotInstalled without the package in this version, InputError where it has no such entry point.
    """
    found = _distribution(wanted)
    points = found.entry_points.select(group=wanted.kind.value)
    for point in points:
        if point.name == wanted.name:
            return point
    others = ", ".join(sorted(point.name for point in points)) or "none"
    raise InputError(f"{wanted}: no such entry point of {wanted.kind.value}; {wanted.package} has: {others}")


def load(wanted: Brought) -> Callable[..., Any]:
    """The function itself, which takes the options. Raises InputError, NotInstalled."""
    point = entry_point(wanted)
    try:
        function = point.load()
    except ModuleNotFoundError as error:
        raise NotInstalled(
            f"{wanted}: {point.value} cannot be imported without the module {error.name}, which is not installed; "
            f"{_install(wanted)}, or what it says it needs"
        ) from None
    except Exception as error:  # whatever an import of foreign code raises
        raise InputError(f"{wanted}: {point.value} cannot be imported: {type(error).__name__}: {error}") from None
    if not callable(function):
        raise InputError(f"{wanted}: {point.value} is {type(function).__name__}; expected a function")
    positional, named = _GIVEN[wanted.kind]
    try:
        inspect.signature(function).bind(*positional, **dict.fromkeys(named), **dict(wanted.options))
    except (TypeError, ValueError) as error:
        given = ", ".join([*positional, *(f"{name}=" for name in (*named, *dict(wanted.options)))])
        raise InputError(f"{wanted}: {point.value} cannot be called as {point.attr}({given}): {error}") from None
    return function  # type: ignore[no-any-return]


def requirements(wanted: Brought) -> tuple[str, ...]:
    """What the package requires in any case, our own package apart: ``("numpy 2.4.1",)``. Raises NotInstalled."""
    names = [_REQUIRED.match(line) for line in _distribution(wanted).requires or () if "extra ==" not in line]
    required = sorted({found.group().lower().replace("_", "-") for found in names if found} - {OUR_OWN})
    return tuple(f"{name} {_version(name)}" for name in required)


_REQUIRED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _distribution(wanted: Brought) -> "Distribution":
    from importlib.metadata import PackageNotFoundError, distribution  # 0.05 s, which most commands need not

    try:
        found = distribution(wanted.package)
    except (PackageNotFoundError, ValueError):
        raise NotInstalled(f"{wanted} is not installed; {_install(wanted)}") from None
    if found.version != wanted.version:
        raise NotInstalled(
            f"{wanted}: version {found.version} is installed; {_install(wanted)}, or name {found.version} in the "
            "manifest"
        )
    return found


def _install(wanted: Brought) -> str:
    return f"pip install '{wanted.package}=={wanted.version}'"


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
