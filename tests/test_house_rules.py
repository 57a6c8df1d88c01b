"""The rules that keep the code simple, as tests (benchmark/decisions, design rules)."""

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from support import PYTHON

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "benchmark" / "selfimp_bench"
SOURCES = sorted(PACKAGE.rglob("*.py"))

ROOMS = {
    "cli": "report runs verdict protocols steps tasks engines manifest",
    "report": "runs verdict protocols steps manifest",
    "runs": "protocols verdict steps tasks engines manifest",
    "protocols": "verdict steps tasks engines manifest",
    "verdict": "manifest",
    "steps": "tasks engines manifest",
    "tasks": "manifest",
    "engines": "manifest",
    "manifest": "",
}
"""What each room may import besides itself and the ground, which is the modules at the root and imports only itself."""

HEAVY = {"torch", "transformers", "trl", "accelerate", "datasets", "deepspeed", "vllm", "sentence_transformers"}
LONGEST_FUNCTION = 60


def _module(source: Path) -> str:
    return ".".join(source.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def _room(module: str) -> str:
    """The room of a module, empty for the ground."""
    first = module.partition(".")[0]
    return first if (PACKAGE / first).is_dir() else ""


@cache
def _nodes(source: Path) -> tuple[ast.AST, ...]:
    """The module, and its imports, classes and functions; not to be changed."""
    kept = (ast.Module, ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return tuple(node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, kept))


def _imports(source: Path) -> Iterator[str]:
    for node in _nodes(source):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_a_module_imports_only_from_its_own_room_and_those_to_its_right() -> None:
    found = [
        f"{_module(source)} imports {name}"
        for source in SOURCES
        if source not in (PACKAGE / "__main__.py", PACKAGE / "__init__.py")
        for name in _imports(source)
        if name.startswith("selfimp_bench.") and not _may_import(_module(source), name)
    ]
    assert found == []


def _may_import(module: str, name: str) -> bool:
    own, room = _room(module), _room(name.removeprefix("selfimp_bench."))
    return room in ("", own) or (own != "" and room in ROOMS[own].split())


def test_the_rooms_are_the_folders() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders == set(ROOMS)


def test_only_engines_import_heavy_packages() -> None:
    heavy = {_module(source) for source in SOURCES if {name.partition(".")[0] for name in _imports(source)} & HEAVY}
    assert heavy and {_room(module) for module in heavy} == {"engines"}, heavy


def test_no_function_is_long() -> None:
    found = [
        f"{_module(source)}: {node.name}"
        for source in SOURCES
        for node in _nodes(source)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    assert found == []


def test_every_public_thing_has_a_docstring() -> None:
    modules = {_module(source): node for source in SOURCES for node in _nodes(source) if isinstance(node, ast.Module)}
    assert [module for module, tree in modules.items() if not ast.get_docstring(tree)] == []
    public = [
        (module, node)
        for module, tree in modules.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    assert [f"{module}: {node.name}" for module, node in public if not ast.get_docstring(node)] == []


def test_public_dataclasses_are_frozen_and_all_are_keyword_only() -> None:
    found = [
        f"{_module(source)}: {node.name}"
        for source in SOURCES
        for node in _nodes(source)
        if isinstance(node, ast.ClassDef)
        for decorator in map(ast.unparse, node.decorator_list)
        if decorator.startswith("dataclass")
        and not ("kw_only=True" in decorator and ("frozen=True" in decorator or node.name.startswith("_")))
    ]
    assert found == []


def test_no_paper_or_data_set_is_named_in_code_outside_tasks_and_what_is_read_of_a_text() -> None:
    named = re.compile(r"mistral|llama-?[23]|commonsense|\bcsqa\b|\bmbpp\b|\bsudoku\b", re.IGNORECASE)
    found = [
        f"{_module(source)}: {node.value[:60]}"
        for source in SOURCES
        if _room(_module(source)) != "tasks" and source.stem not in ("judgement", "shown")
        for node in ast.walk(_without_docstrings(ast.parse(source.read_text())))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and named.search(node.value)
    ]
    assert found == []


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                inner for inner in body if not (isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant))
            ]
    return tree


@pytest.mark.parametrize("recipe", sorted(path.name for path in (PACKAGE.parent / "recipes").glob("*.py")))
def test_a_recipe_imports_what_there_is(recipe: str) -> None:
    """They are run by hand, so that nothing else says when a name of theirs went."""
    for node in ast.walk(ast.parse((PACKAGE.parent / "recipes" / recipe).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("selfimp_bench"):
            place = PACKAGE.parent.joinpath(*(node.module or "").split("."))
            source = (
                place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
            ).read_text()
            lacking = {each.name for each in node.names if not (place / f"{each.name}.py").is_file()}
            assert lacking <= set(_defined(ast.parse(source))), node.module


def _defined(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (each.asname or each.name for each in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from (each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def test_help_imports_nothing_heavy() -> None:
    unwanted = sorted(HEAVY | {"scipy", "numpy", "pyarrow", "matplotlib"})
    code = (
        "import sys; from selfimp_bench.cli.app import cli; cli(['--help'], standalone_mode=False); "
        f"print([name for name in {unwanted} if name in sys.modules])"
    )
    run = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert run.stdout.endswith("[]\n")


def test_help_answers_in_under_three_tenths_of_a_second() -> None:
    """Processor time, which another process's load does not lengthen as it does the wall clock's."""
    command = [PYTHON, "-c", "from selfimp_bench.cli.app import main; main()", "--help"]
    seconds = []
    for _ in range(5):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=PACKAGE.parent) as run:
            _, status, usage = os.wait4(run.pid, 0)
            run.returncode = os.waitstatus_to_exitcode(status)
        assert run.returncode == 0
        seconds.append(usage.ru_utime + usage.ru_stime)
    assert min(seconds) < 0.3, seconds
