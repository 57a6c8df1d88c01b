"""The program in a completion: taken out of fences and of the words around it, at the stops of a protocol."""

import ast
import re
import warnings
from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# A fence marked as Python in any of the ways that models mark it: `python`, `Python3`, `python 3`, `{python}`, `.py`,
# `python title="x.py"`.
_PYTHON_FENCE: Final = re.compile(
    r"```[ \t]{0,5}\{?\.?(?:python|py)(?:[ \t]?[23](?:\.[0-9]{1,2})?)?(?![\w-])[^\n`]{0,200}\r?\n", re.IGNORECASE
)
_ANY_FENCE: Final = re.compile(r"^[ \t]*```[^\n`]*\n", re.MULTILINE)
_FIRST_FENCE: Final = re.compile(r"\s*```[^\n`]*\n")
_FENCE_END: Final = re.compile(r"^[ \t]*```", re.MULTILINE)
_END_TOKEN: Final = r"</s>|<\|(?:endoftext|end_of_text|eot_id|im_end)\|>"
_BEGIN: Final = re.compile(r"\s*\[BEGIN\][ \t]*\r?\n?")
_MOST_BLOCKS: Final = 16


class Stops(StrEnum):
    """Where a program outside a fence ends, by protocol.

    MBPP: at ``[DONE]``, a closing fence, an end-of-text token, or a line that begins an assert: tests of the model's own
    are not the answer. HUMAN_EVAL: at an end-of-text token alone; the protocol runs what was sampled, and tells its
    users to stop sampling themselves.
    """

    MBPP = "mbpp"
    HUMAN_EVAL = "human-eval"


_STOPS: Final = {
    Stops.MBPP: re.compile(rf"\[DONE\]|^[ \t]*```|^assert\b|{_END_TOKEN}", re.MULTILINE),
    Stops.HUMAN_EVAL: re.compile(_END_TOKEN),
}


@dataclass(frozen=True, kw_only=True)
class Program:
    """Code taken out of a completion; ``complete`` tells that a fence or a stop ended it."""

    code: str
    complete: bool


def strict_program(completion: str, *, stops: Stops, wanted: Set[str]) -> Program:
    """The first block marked as Python, or the block that the completion begins with; else the text to its first stop.

    wanted: the names that the tests use. Where the first block defines none of them and a later one does, the blocks up
    to that one are the program (imports or helpers first).
    """
    fence = _PYTHON_FENCE.search(completion) or _FIRST_FENCE.match(completion)
    if fence is not None:
        first = _up_to(_FENCE_END, completion[fence.end() :])
        return _joined(completion, fence.end(), first, wanted)
    begin = _BEGIN.match(completion)
    return _up_to(_STOPS[stops], completion[begin.end() if begin else 0 :])


def first_fenced(completion: str, *, wanted: Set[str]) -> str | None:
    """The first block of any kind, with the blocks up to the one that defines what is wanted; None without one."""
    fence = _ANY_FENCE.search(completion)
    if fence is None:
        return None
    first = _up_to(_FENCE_END, completion[fence.end() :])
    return _joined(completion, fence.end(), first, wanted).code


def is_nothing(code: str) -> bool:
    """Whether code is blank, or a program that does nothing: comments, and texts that stand alone."""
    tree = _tree(code)
    return tree is not None and all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in tree.body
    )


def _joined(completion: str, start: int, first: Program, wanted: Set[str]) -> Program:
    """The first block, or all up to the first that defines a wanted name, where the first one defines none."""
    if not first.complete or not wanted or _defined(first.code) & wanted or _tree(first.code) is None:
        return first
    blocks, place = [first.code], start + len(first.code)
    for _ in range(_MOST_BLOCKS):
        closing = _FENCE_END.search(completion, place)
        opening = _ANY_FENCE.search(completion, closing.end()) if closing else None
        if opening is None:
            return first
        block = _up_to(_FENCE_END, completion[opening.end() :])
        blocks.append(block.code)
        if _defined(block.code) & wanted:
            return Program(code="\n".join(blocks), complete=block.complete)
        if _tree(block.code) is None:
            return first
        place = opening.end() + len(block.code)
    return first


def _defined(code: str) -> set[str]:
    """The functions, classes and variables that a program defines at its top."""
    tree = _tree(code)
    names: set[str] = set()
    for node in tree.body if tree else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names


def _tree(code: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _up_to(end: re.Pattern[str], text: str) -> Program:
    found = end.search(text)
    return Program(code=text[: found.start()] if found else text, complete=found is not None)


def names_used(tests: tuple[str, ...], entry_point: str | None) -> frozenset[str]:
    """The names that tests use, and the entry point."""
    trees = [tree for test in tests if (tree := _tree(test)) is not None]
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return frozenset(used | ({entry_point} if entry_point else set()))
