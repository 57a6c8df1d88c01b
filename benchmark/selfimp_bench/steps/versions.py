"""What does each stage, as a version string: a part of every fingerprint.

A version digests all code that the stage can reach: the modules of its block and its function, everything that these
import, wherever the import stands, and the modules they start as processes of their own; inside this package, and for
a protocol that comes with another package inside that one, too. Nothing is listed by hand, so a corrected constant can
never meet a stale result. Comments and docstrings change nothing. What only carries words, ``errors`` and
``progress``, is left out. Stages that use an engine also reach the engine, whose module names the libraries
(``LIBRARIES``) that go into the version.
"""

import ast
import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from selfimp_bench.canonical import file_sha256
from selfimp_bench.engines.open import engine_module, engine_version
from selfimp_bench.errors import InputError
from selfimp_bench.installed import Brought, entry_point, requirements
from selfimp_bench.places import PACKAGE
from selfimp_bench.steps.plan import Block, Stage, Stages, Step

_PACKAGE = PACKAGE
_NAME = _PACKAGE.name
_CHANGE_NO_RESULT = frozenset({_NAME, f"{_NAME}.errors", f"{_NAME}.steps.progress"})


def step_of(
    stages: Stages, *, id: str, block: object, inputs: Mapping[str, str], rows_at_most: int = 0, tokens_at_most: int = 0
) -> Step:
    """A step of the stage that has this block, with the version of what does it."""
    stage = stages[type(block)]
    return Step(
        id=id,
        stage=stage.name,
        block=block,
        inputs=inputs,
        version=version_of(stage, block),
        rows_at_most=rows_at_most,
        tokens_at_most=tokens_at_most,
    )


def version_of(stage: Stage[Block], block: Block) -> str:
    """The version of what does a step with this block: its engine and libraries, and the code that it can reach."""
    own = _version(modules_of(stage), stage.engine(block), stage.libraries(block))
    return ", ".join([own, *(brought_version(each) for each in stage.brings(block))])


def modules_of(stage: Stage[Block]) -> tuple[str, ...]:
    """The modules that a stage begins in: those of its block and of its function."""
    return tuple(sorted({stage.block.__module__, stage.do.__module__}))


@cache
def _version(modules: tuple[str, ...], engine: str | None, libraries: tuple[str, ...]) -> str:
    if engine is not None:
        modules = (*modules, engine_module(engine))
    parts = [] if engine is None else [engine_version(engine)]
    parts += [f"source {code_digest(*modules)[:16]}", *(f"{name} {_installed(name)}" for name in libraries)]
    return ", ".join(parts)


def brought_version(wanted: Brought) -> str:
    """A function of another package in a version string: distribution, version, digest of its code, what it requires.

    Where it is not installed as the manifest names it, this says so: a plan can be looked at without it.
    """
    try:
        code = brought_code(wanted)
    except InputError:
        return f"{wanted.package} {wanted.version} not installed"
    return ", ".join([f"{wanted.package} {wanted.version} code {code[:16]}", *requirements(wanted)])


@cache
def brought_code(wanted: Brought) -> str:
    """sha256 over the code of another package's function: all that its module can reach in its own top-level package,
    and the files there that are no Python. Raises InputError where it is not installed, or has no such files."""
    module = entry_point(wanted).module
    total = hashlib.sha256()
    if _source(module) is not None:
        own = sorted(name for name in reachable(module) if name.partition(".")[0] != _NAME)
        for name in own:
            total.update(f"{name}\0{_code(name)}\0".encode())
    top = module.partition(".")[0]
    for root in _roots(top):
        for file in sorted((root / top).rglob("*")):
            if file.is_file() and file.suffix not in _PYTHON and "__pycache__" not in file.parts:
                total.update(f"{file.relative_to(root)}\0{file_sha256(file)}\0".encode())
    if total.digest() == hashlib.sha256().digest():
        raise InputError(f"{wanted}: no file of the module {module} was found; install the package anew")
    return total.hexdigest()


_PYTHON = frozenset({".py", ".pyc", ".pyi"})


def _installed(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


@cache
def code_digest(*modules: str) -> str:
    """sha256 over what these modules can reach, names and code."""
    total = hashlib.sha256()
    for module in sorted(reachable(*modules)):
        total.update(f"{module}\0{_code(module)}\0".encode())
    return total.hexdigest()


def reachable(*modules: str) -> frozenset[str]:
    """The modules that these can reach, themselves among them."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found and module not in _CHANGE_NO_RESULT:
            found.add(module)
            waiting.extend(_reached_from(module))
    return frozenset(found)


@cache
def source_digest(*parts: str) -> str:
    """sha256 over these source files and folders of the package, names and bytes."""
    total = hashlib.sha256()
    for part in parts:
        path = _PACKAGE / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            total.update(f"{file.relative_to(_PACKAGE)}\0".encode())
            total.update(file.read_bytes())
    return total.hexdigest()


@cache
def _source(module: str) -> Path | None:
    """The file of a module that is Python code; None for any other name."""
    top, *rest = module.split(".")
    for root in (_PACKAGE.parent,) if top == _NAME else _roots(top):
        path = root.joinpath(top, *rest)
        for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


def _roots(top: str) -> tuple[Path, ...]:
    """The folders that a package or module of this name lies in; a package without ``__init__`` may have several."""
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    if spec.submodule_search_locations is not None:
        return tuple(Path(folder).parent for folder in spec.submodule_search_locations)
    return () if spec.origin is None else (Path(spec.origin).parent,)


@cache
def _reached_from(module: str) -> tuple[str, ...]:
    """The modules of this package, or of its own, that a module imports, or names in a string to start a process."""
    own = (_NAME, module.partition(".")[0])
    return tuple(name for name in _read(module).names if name.partition(".")[0] in own and _source(name) is not None)


def _code(module: str) -> str:
    return _read(module).code


class _Module(NamedTuple):
    """The code of a module, without docstrings and what only the type checker reads, and what it names: modules that it
    imports, and its strings, each once."""

    code: str
    names: tuple[str, ...]


@cache
def _read(module: str) -> _Module:
    source = _source(module)
    if source is None:
        raise ValueError(f"{module}: no module with source code")
    code: list[str] = []
    names: dict[str, None] = {}
    _say(ast.parse(source.read_bytes()), code.append, names)
    return _Module("\0".join(code), tuple(names))


def _say(node: ast.AST, say: Callable[[str], None], names: dict[str, None]) -> None:
    """Every node and field in turn, and what they name: one walk, for a plan walks through a third of the package."""
    kind = type(node)
    say(kind.__name__)
    if kind in _NAMING:
        names.update(dict.fromkeys(_named(node)))
    for field in kind._fields:
        value = getattr(node, field, None)
        if isinstance(value, ast.AST):
            if value._fields:
                _say(value, say, names)
            else:
                say(type(value).__name__)
        elif isinstance(value, list):
            say(f"{field} of")
            for each in value:
                if not isinstance(each, ast.AST):
                    say(repr(each))
                elif field != "body" or not _says_nothing(each):
                    _say(each, say, names)
            say("end")
        else:
            say(repr(value))


_NAMING: Final = (ast.ImportFrom, ast.Import, ast.Constant)


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _says_nothing(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
