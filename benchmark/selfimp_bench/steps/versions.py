"""What does each stage, as a version string: a part of every fingerprint.

A version digests all code inside the package that the stage can reach: its own module, everything that this imports,
wherever the import stands, and the modules it starts as processes of their own. Nothing is listed by hand, so a
corrected constant can never meet a stale result. Comments and docstrings change nothing. What only carries words,
``errors`` and ``progress``, is left out. Stages that use an engine also reach the engine, whose module names the
libraries (``LIBRARIES``) that go into the version.
"""

import ast
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from selfimp_bench.engines.open import engine_module, engine_version
from selfimp_bench.places import PACKAGE
from selfimp_bench.steps.plan import Stage
from selfimp_bench.tasks.grading.graders import LIBRARIES

_PACKAGE = PACKAGE
_NAME = _PACKAGE.name
_CHANGE_NO_RESULT = frozenset({f"{_NAME}.errors", f"{_NAME}.progress"})
STAGE_MODULES: Final[Mapping[Stage, tuple[str, ...]]] = {
    Stage.PROBLEMS: ("steps.dataset",),
    Stage.MODEL: ("steps.model",),
    Stage.PROBE: ("steps.probe",),
    Stage.SAMPLE: ("steps.sample",),
    Stage.GRADE: ("steps.grade",),
    Stage.EMBED: ("protocols.post_training.embed",),
    Stage.VERIFY: ("protocols.verification.verify",),
    Stage.SCORE: ("protocols.verification.score",),
    Stage.TOURNAMENT: ("protocols.verification.tournament",),
    Stage.SELECT: ("steps.select", "protocols.verification.keep"),
    Stage.TRAIN: (),
    Stage.MEASURE: ("protocols.post_training.measure", "protocols.verification.measure"),
}


@cache
def grade_version(task: str) -> str:
    """The version of grading a task: our sources, and the libraries that decide grades of it."""
    libraries = (f"{name} {version(name)}" for name in LIBRARIES.get(task, ()))
    return ", ".join([stage_version(Stage.GRADE), *libraries])


@cache
def stage_version(stage: Stage, engine: str | None = None) -> str:
    """The version of a stage; those that use an engine need its name."""
    modules = [f"{_NAME}.{module}" for module in STAGE_MODULES[stage]]
    if engine is None:
        return f"source {code_digest(*modules)[:16]}"
    return f"{engine_version(engine)}, source {code_digest(*modules, engine_module(engine))[:16]}"


@cache
def code_digest(*modules: str) -> str:
    """sha256 over what these modules of the package can reach inside it, names and code."""
    total = hashlib.sha256()
    for module in sorted(reachable(*modules)):
        total.update(f"{module}\0{_code(module)}\0".encode())
    return total.hexdigest()


def reachable(*modules: str) -> frozenset[str]:
    """The modules of the package that these can reach, themselves among them."""
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


def _source(module: str) -> Path | None:
    """The file of a module of the package; None for any other name."""
    if module != _NAME and not module.startswith(f"{_NAME}."):
        return None
    path = _PACKAGE.parent.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


@cache
def _reached_from(module: str) -> tuple[str, ...]:
    """The modules of the package that this one imports, or names in a string, as one that starts a process does."""
    tree = _tree(module)
    names = [name for node in ast.walk(tree) for name in _named(node)]
    return tuple(dict.fromkeys(name for name in names if _source(name) is not None))


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


@cache
def _code(module: str) -> str:
    return ast.dump(_tree(module))


@cache
def _tree(module: str) -> ast.Module:
    """The code of a module, without docstrings and what only the type checker reads."""
    source = _source(module)
    if source is None:
        raise ValueError(f"{module}: no module of this package")
    tree = ast.parse(source.read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [inner for inner in body if not _says_nothing(inner)]  # type: ignore[attr-defined]
    return tree


def _says_nothing(node: ast.stmt) -> bool:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
