"""Which shared libraries interpreter and standard library need: asked of the dynamic loader."""

import ctypes
import json
import sys

from selfimp_bench.tasks.sandbox.preload import load_modules


class _Info(ctypes.Structure):
    """The beginning of ``struct dl_phdr_info`` (link.h)."""

    _fields_ = (("address", ctypes.c_void_p), ("name", ctypes.c_char_p))


_VISIT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Info), ctypes.c_size_t, ctypes.c_void_p)


def report(packages: str) -> None:
    """Load what programs may use, and write the names of all loaded libraries to standard output, as JSON.

    packages: the folder of packages, for a wide zygote; else nothing.
    The names are those that the loader looked for, not what a symbolic link leads to.
    """
    load_modules(packages=packages or None)
    names: list[str] = []

    def visit(info: "ctypes._Pointer[_Info]", _size: int, _data: int | None) -> int:
        names.append((info.contents.name or b"").decode())
        return 0

    ctypes.CDLL(None).dl_iterate_phdr(_VISIT(visit), None)
    sys.stdout.write(json.dumps([name for name in names if name.startswith("/")]))
