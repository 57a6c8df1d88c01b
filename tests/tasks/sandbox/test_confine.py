"""Each wall alone: what the kernel refuses under the filter, and under Landlock without the filter."""

import os
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy
import pytest
from mechanisms import needs_bubblewrap

from selfimp_bench.tasks.sandbox.confine import ANYBODY, seccomp_program
from selfimp_bench.tasks.sandbox.mechanism import Mechanism, command
from selfimp_bench.tasks.sandbox.syscalls import MACHINES


def confined(steps, code):
    """What a process prints after it gave up rights in these steps."""
    source = "import _thread, ctypes, os, socket\nfrom selfimp_bench.tasks.sandbox import confine\n"
    run = subprocess.run(
        [sys.executable, "-P", "-c", source + steps + "\n" + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return run.stdout.strip() or run.stderr


ATTEMPT = """
def attempt(function):
    try:
        function()
    except OSError as error:
        return error.errno
    return 0
"""


def test_landlock_alone_refuses_files_and_tcp():
    steps = "confine.drop_privileges(); confine.forbid_files()"
    code = ATTEMPT + (
        "print([attempt(lambda: open('/etc/passwd')), attempt(lambda: os.mkdir('/tmp/selfimp-x')), "
        "attempt(lambda: os.listdir('/')), "
        "attempt(lambda: socket.socket().connect(('127.0.0.1', 9)))])"
    )
    assert confined(steps, code) == "[13, 13, 13, 13]"


def test_the_filter_alone_refuses_files_sockets_processes_and_threads():
    steps = "confine.drop_privileges(); confine.SystemCallFilter(receiving=False).enforce()"
    code = ATTEMPT + (
        "print([attempt(lambda: open('/etc/passwd')), attempt(os.fork), attempt(socket.socket), "
        "attempt(lambda: os.kill(os.getpid(), 0)), attempt(lambda: os.dup(0))], flush=True)\n"
        "try: _thread.start_new_thread(print, ('started',))\n"
        "except RuntimeError as error: print(error, flush=True)\n"
        "os._exit(0)"
    )
    assert confined(steps, code) == "[1, 1, 1, 1, 1]\ncan't start new thread"


def test_no_capability_is_left():
    code = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith(('CapPrm', 'CapEff'))])"
    assert confined("confine.drop_privileges()", code) == "['0000000000000000', '0000000000000000']"


@pytest.mark.parametrize("machine", MACHINES.values(), ids=list(MACHINES))
def test_the_filter_of_every_architecture_refuses_by_default(machine):
    program = seccomp_program(machine)
    assert verdict(program, machine.audit_arch, 0x7FFFFFFF) == 0x00050001
    assert verdict(program, 0xDEAD, machine.allowed[0]) == 0x80000000
    assert verdict(program, machine.audit_arch, machine.tgkill, ANYBODY) == 0x7FFF0000
    assert verdict(program, machine.audit_arch, machine.tgkill, 1) == 0x00050001
    assert verdict(program, machine.audit_arch, machine.prlimit64, 0, 0, 0) == 0x7FFF0000
    assert verdict(program, machine.audit_arch, machine.prlimit64, 0, 0, 1 << 32) == 0x00050001
    assert verdict(program, machine.audit_arch, machine.prlimit64, 5, 0, 0) == 0x00050001
    allowed = {number for number in range(600) if verdict(program, machine.audit_arch, number) == 0x7FFF0000}
    assert allowed == {*machine.allowed, machine.prlimit64}


def verdict(program, arch, number, *arguments):
    """Run the BPF program as the kernel would, on one call."""
    data = struct.pack("IIQ6Q", number, arch, 0, *(*arguments, *[0] * (6 - len(arguments))))
    accumulator, place = 0, 0
    while True:
        code, if_true, if_false, k = struct.unpack_from("HBBI", program, 8 * place)
        place += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("I", data, k)
        elif code == 0x06:
            return k
        else:
            assert code == 0x15
            place += if_true if accumulator == k else if_false


@needs_bubblewrap
@pytest.mark.parametrize(("wide", "expected"), [(False, []), (True, ["numpy", "numpy.libs"])])
def test_under_bubblewrap_there_is_nothing_but_the_interpreter_and_the_packages_of_the_list(wide, expected):
    given = command(Mechanism.BUBBLEWRAP, 0, wide=wide)
    above = {each.split("/")[1] for each in given if each.startswith("/")}  # what is bound lies in these folders
    foreign = {"etc", "home", "tmp", "proc", "sys", "var", "bin"} - above
    code = f"""
import os, socket
packages = os.path.join(os.path.dirname(os.__file__), "site-packages")
print(os.getpid() < 5, os.listdir("/dev"), len(socket.if_nameindex()))
print([name for name in {foreign} if os.path.exists(f"/{{name}}")])
print(os.listdir(packages) if os.path.exists(packages) else [])
print(sorted(os.listdir({str(Path(numpy.__file__).parents[1])!r})) if {wide} else [])
"""
    run = subprocess.run([*given[:-1], code], capture_output=True, text=True, env={})
    assert (run.stdout, run.stderr) == (f"True ['null'] 1\n[]\n[]\n{expected}\n", "")
