"""Functions of this package in a process of their own, so that a row can say what memory one takes.

``python -m bench.child MODULE FUNCTION ARGUMENT...`` calls the function with the arguments, which are text.
"""

import importlib
import sys
from collections.abc import Callable

from bench.turns import Command


def child(function: Callable[..., object], *arguments: object) -> Command:
    """The command that calls ``function``, a module's own, with its arguments as text."""
    argv = (sys.executable, "-m", "bench.child", function.__module__, function.__name__, *map(str, arguments))
    return Command(argv=argv)


if __name__ == "__main__":
    getattr(importlib.import_module(sys.argv[1]), sys.argv[2])(*sys.argv[3:])
