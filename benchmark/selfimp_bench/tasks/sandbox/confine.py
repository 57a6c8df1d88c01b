"""Giving up rights, for good: seccomp filter, Landlock, capabilities, resource limits. No library but libc.

Runs inside the isolation only. Everything here either holds when it returns or raises OSError.
"""

import ctypes
import os
import resource
import signal
import struct
from collections.abc import Sequence
from errno import EPERM
from typing import Final

from selfimp_bench.tasks.sandbox.policy import MEMORY_BYTES, OPEN_FILES
from selfimp_bench.tasks.sandbox.syscalls import MACHINES, Machine

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_INTERPRETER: Final = ctypes.PyDLL(None, use_errno=True)
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_PR_SET_NO_NEW_PRIVS: Final = 38
_LANDLOCK_CREATE_RULESET: Final = 444
_LANDLOCK_RESTRICT_SELF: Final = 446
_CAPSET: Final = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3: Final = 0x20080522

ANYBODY: Final = 0xFFFFFFFE
"""Stands for the process's own number in a filter that is made ahead; no process has it."""

# linux/seccomp.h, linux/bpf_common.h, struct seccomp_data: nr, arch, instruction pointer, six arguments of 8 bytes.
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_KILL_PROCESS: Final = 0x80000000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06


def seccomp_program(machine: Machine, more: Sequence[int] = ()) -> bytes:
    """The filter as BPF: the allowed calls, and signals to process ``ANYBODY`` only.

    ``more``: calls that are allowed besides.

    Calls of another architecture's table (int 0x80) end the process; x32 numbers are on no list.
    """
    refuse = _step(_RETURN, _ERRNO | EPERM)
    allow = _step(_RETURN, _ALLOW)
    steps = [_step(_LOAD, _ARCH), _step(_EQUAL, machine.audit_arch, 1, 0), _step(_RETURN, _KILL_PROCESS)]
    steps.append(_step(_LOAD, _NUMBER))
    for number in (*machine.allowed, *more):
        steps += [_step(_EQUAL, number, 0, 1), allow]
    steps += [_step(_EQUAL, machine.tgkill, 0, 4), _argument(0), _step(_EQUAL, ANYBODY, 0, 1), allow, refuse]
    steps += [_step(_EQUAL, machine.prlimit64, 0, 8)]  # reading one's own limits
    steps += [_argument(0), _step(_EQUAL, 0, 0, 5)]
    steps += [_argument(2), _step(_EQUAL, 0, 0, 3), _argument(2, upper=True), _step(_EQUAL, 0, 0, 1), allow, refuse]
    return b"".join([*steps, refuse])


def end_with_parent() -> None:
    """Be killed when the parent ends."""
    _check(_LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def fork() -> int:
    """fork(2) without the interpreter's own preparations, for a process of one thread that holds no lock.

    ``os.fork`` calls handlers that make new locks and seeds; they touch some 200 pages of memory, which is most of what
    a fork costs. Where there is one thread there is nothing to make new, and the seeds are to stay as they are.
    """
    pid: int = _INTERPRETER.fork()
    _check(pid, "fork")
    return pid


def limit_cpu_time(cpu_seconds: float) -> None:
    """End this process for good some time after its limit, should the zygote fail to."""
    whole = int(cpu_seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole))


def limit_resources() -> None:
    """Bound this process and its children, each: address space, descriptors, no file contents, no core dump."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    for nothing in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE):
        resource.setrlimit(nothing, (0, 0))


class SystemCallFilter:
    """The filter of this machine's architecture, made ahead: a fork has only to put in its own number."""

    def __init__(self, *, receiving: bool) -> None:
        """receiving: allow descriptors to be received. Raises OSError for an architecture without a table."""
        here = machine()
        self._program = bytearray(seccomp_program(here, (here.recvmsg,) if receiving else ()))
        self._own = self._program.index(struct.pack("I", ANYBODY))
        self._address = (ctypes.c_char * len(self._program)).from_buffer(self._program)
        header = struct.pack("HxxxxxxP", len(self._program) // 8, ctypes.addressof(self._address))
        self._header = ctypes.create_string_buffer(header)

    def enforce(self) -> None:
        """Put it in force in this process, which must have one thread only; needs ``drop_privileges`` before."""
        struct.pack_into("I", self._program, self._own, os.getpid())
        _check(_LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, self._header, 0, 0), "prctl(PR_SET_SECCOMP)")


def drop_privileges() -> None:
    """No new privileges through any program, and no capability, also where this is root."""
    _check(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    _check(_LIBC.syscall(_CAPSET[os.uname().machine], header, bytes(24)), "capset")


def forbid_files() -> None:
    """Landlock without a rule: nothing can be opened, made, renamed or removed; where the kernel can, no TCP either,
    no abstract unix socket and no signal to a process outside."""
    version = _LIBC.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    _check(version, "landlock_create_ruleset (this kernel has no Landlock, or it is switched off)")
    files = 0x1FFF | (0x2000 if version >= 2 else 0) | (0x4000 if version >= 3 else 0) | (0x8000 if version >= 5 else 0)
    attributes = struct.pack("QQQ", files, 0b11, 0b11)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _LIBC.syscall(_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    _check(ruleset, "landlock_create_ruleset")
    _check(_LIBC.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def machine() -> Machine:
    """The architecture this runs on. Raises OSError for one without a table."""
    name = os.uname().machine
    if name not in MACHINES:
        raise OSError(f"no system call table for {name} (there are {', '.join(MACHINES)})")
    return MACHINES[name]


def _step(code: int, k: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, k)


def _argument(index: int, *, upper: bool = False) -> bytes:
    """Load half of an argument (little endian)."""
    return _step(_LOAD, _ARGUMENTS + 8 * index + 4 * upper)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
