"""The system calls that confined code may make, by number; every other one is refused with EPERM.

Not on the list, so not possible: every call that takes a path, sockets, processes, threads, signals to others, ptrace,
process_vm, io_uring, bpf, keys, mounts, namespaces, shared memory, new descriptors.
Numbers: Linux ``asm/unistd_64.h`` (x86-64) and ``asm-generic/unistd.h`` (aarch64).
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A processor architecture: its AUDIT_ARCH value and the numbers of its system calls."""

    audit_arch: int
    allowed: tuple[int, ...]
    tgkill: int
    prlimit64: int
    recvmsg: int


_X86_64: Final = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
    "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "readv": 19, "writev": 20, "select": 23,
    "sched_yield": 24, "mremap": 25, "madvise": 28, "pause": 34, "nanosleep": 35, "getitimer": 36, "alarm": 37,
    "setitimer": 38, "getpid": 39, "exit": 60, "uname": 63, "getcwd": 79, "gettimeofday": 96, "getrlimit": 97,
    "getrusage": 98, "times": 100, "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108, "getppid": 110,
    "rt_sigpending": 127, "rt_sigtimedwait": 128, "rt_sigsuspend": 130, "sigaltstack": 131, "arch_prctl": 158,
    "gettid": 186, "time": 201, "futex": 202, "sched_getaffinity": 204, "set_tid_address": 218,
    "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231,
    "pselect6": 270, "ppoll": 271, "set_robust_list": 273, "getcpu": 309, "getrandom": 318, "rseq": 334,
}  # fmt: skip
_AARCH64: Final = {
    "getcwd": 17, "close": 57, "lseek": 62, "read": 63, "write": 64, "readv": 65, "writev": 66, "pselect6": 72,
    "ppoll": 73, "fstat": 80, "exit": 93, "exit_group": 94, "set_tid_address": 96, "futex": 98, "set_robust_list": 99,
    "nanosleep": 101, "getitimer": 102, "setitimer": 103, "clock_gettime": 113, "clock_getres": 114,
    "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124, "restart_syscall": 128, "sigaltstack": 132,
    "rt_sigsuspend": 133, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigpending": 136, "rt_sigtimedwait": 137,
    "rt_sigreturn": 139, "times": 153, "uname": 160, "getrusage": 165, "getcpu": 168, "gettimeofday": 169,
    "getpid": 172, "getppid": 173, "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177, "gettid": 178,
    "brk": 214, "munmap": 215, "mremap": 216, "mmap": 222, "mprotect": 226, "madvise": 233, "getrandom": 278,
    "rseq": 293,
}  # fmt: skip

MACHINES: Final = {
    "x86_64": Machine(
        audit_arch=0xC000003E,
        allowed=tuple(_X86_64.values()),
        tgkill=234,
        prlimit64=302,
        recvmsg=47,
    ),
    "aarch64": Machine(
        audit_arch=0xC00000B7,
        allowed=tuple(_AARCH64.values()),
        tgkill=131,
        prlimit64=261,
        recvmsg=212,
    ),
}
"""By ``os.uname().machine``."""
