"""The mechanisms of the sandbox as parameters of tests; what this machine cannot offer is skipped, by name.

Asked of the machine, not of the sandbox: a fault in how the sandbox uses a mechanism must not skip its tests.
"""

import ctypes
import shutil
import subprocess

import pytest

from selfimp_bench.tasks.sandbox.mechanism import Mechanism

_LANDLOCK_CREATE_RULESET = 444


def _bubblewrap_lacks():
    if shutil.which("bwrap") is None:
        return "the program bwrap is not installed"
    command = ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "true"]
    run = subprocess.run(command, capture_output=True, text=True)
    return run.stderr.strip() if run.returncode else ""


def _landlock_lacks():
    version = ctypes.CDLL(None).syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    return "" if version > 0 else "this kernel has no Landlock, or it is switched off"


_LACKS = {Mechanism.BUBBLEWRAP: _bubblewrap_lacks(), Mechanism.LANDLOCK: _landlock_lacks()}


def _mark(mechanism):
    return pytest.mark.skipif(bool(_LACKS[mechanism]), reason=f"{mechanism}: {_LACKS[mechanism]}")


needs_bubblewrap = _mark(Mechanism.BUBBLEWRAP)
every_mechanism = pytest.mark.parametrize(
    "mechanism", [pytest.param(each, marks=_mark(each), id=each.value) for each in Mechanism]
)
