"""The two ways to isolate a zygote, and the commands that start it."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

import selfimp_bench
from selfimp_bench.tasks.sandbox.preload import PACKAGES

_SOURCE_ROOT: Final = Path(selfimp_bench.__file__).resolve().parents[1]
# Nothing of ours. The hash seed is fixed because the order of sets would make verdicts change from run to run.
_ENVIRONMENT: Final = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC0"}
_PATIENCE_SECONDS: Final = 60.0


class Mechanism(StrEnum):
    """How the kernel is asked to isolate. Both also use a seccomp filter and resource limits."""

    BUBBLEWRAP = "bubblewrap"
    """Namespaces: an own file system of interpreter and standard library, own processes, no network devices."""
    LANDLOCK = "landlock"
    """Landlock rights: no files, no TCP, no signals outside. Works for an ordinary user in a container."""


class MechanismMissing(Exception):
    """What this machine lacks for a mechanism."""


def command(mechanism: Mechanism, control: int, *, wide: bool) -> list[str]:
    """The command of an isolated zygote that is told what to do over the descriptor ``control``.

    Raises MechanismMissing.
    """
    landlock = mechanism is Mechanism.LANDLOCK
    packages = _packages_folder() if wide else ""
    arguments = [str(control), "landlock" if landlock else "none", packages]
    code = _start("selfimp_bench.tasks.sandbox.zygote", f"main({arguments!r})")
    return [*_python(), code] if landlock else [*_bubblewrap(packages), "--", *_python(), code]


def environment() -> dict[str, str]:
    """The environment of a zygote, whole."""
    return dict(_ENVIRONMENT)


def _start(module: str, call: str) -> str:
    return f"import sys; sys.path.append({str(_SOURCE_ROOT)!r}); import {module} as module; module.{call}"


def _python() -> list[str]:
    """The interpreter outside any virtual environment, isolated from user and site packages."""
    executable = str(Path(getattr(sys, "_base_executable", sys.executable) or sys.executable).resolve())
    return [executable, "-I", "-S", "-B", "-X", "utf8", "-c"]


@cache
def _packages_folder() -> str:
    """Where the packages that programs may use are installed; where they are not, a folder that holds nothing."""
    found = importlib.util.find_spec(PACKAGES[0])
    return str(Path(found.origin).resolve().parents[1]) if found is not None and found.origin else os.devnull


def _bubblewrap(packages: str) -> list[str]:
    """bwrap with nothing but interpreter, standard library, shared libraries and this package's sandbox in it; and the
    packages that programs may use, of the folder, if one is given."""
    program = shutil.which("bwrap", path="/usr/local/bin:/usr/bin:/bin")
    if program is None:
        raise MechanismMissing("the program bwrap is not installed (Debian, Ubuntu, Fedora: package bubblewrap)")
    names = ("user", "ipc", "pid", "net", "uts")
    options = [program, *(f"--unshare-{name}" for name in names), "--unshare-cgroup-try"]
    options += ["--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"]
    library = Path(os.__file__).parent
    options += ["--ro-bind", str(library), str(library)]
    hidden = [str(library / each) for each in ("site-packages", "dist-packages") if (library / each).is_dir()]
    for folder in hidden:
        options += ["--tmpfs", folder]
    for path in (_python()[0], *_shared_libraries(packages), *_own_sources(), *_package_folders(packages)):
        options += ["--ro-bind", path, path]
    for folder in hidden:
        options += ["--remount-ro", folder]
    return [*options, "--dev-bind", "/dev/null", "/dev/null", "--remount-ro", "/", "--chdir", "/"]


@cache
def _shared_libraries(packages: str) -> tuple[str, ...]:
    """The shared libraries of interpreter, standard library and packages, by the names that the loader looks for."""
    code = _start("selfimp_bench.tasks.sandbox.libraries", f"report({packages!r})")
    try:
        run = subprocess.run(
            [*_python(), code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_ENVIRONMENT,
            timeout=_PATIENCE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise MechanismMissing(f"the interpreter does not start: {error}") from None
    library = str(Path(os.__file__).parent)
    found: list[str] = json.loads(run.stdout)
    bound = (f"{library}/", *(f"{folder}/" for folder in _package_folders(packages)))
    return tuple(dict.fromkeys(name for name in found if not name.startswith(bound)))


def _package_folders(packages: str) -> list[str]:
    """The folders of the packages, and of the shared libraries that wheels bring beside theirs."""
    named = [Path(packages) / f"{name}{suffix}" for name in PACKAGES for suffix in ("", ".libs")] if packages else []
    return [str(path) for path in named if path.is_dir()]


def _own_sources() -> tuple[str, ...]:
    folder = Path(__file__).parent
    packages = [_SOURCE_ROOT / "selfimp_bench", folder.parent]
    return tuple(str(path) for path in (*(each / "__init__.py" for each in packages), *sorted(folder.glob("*.py"))))
