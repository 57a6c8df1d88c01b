"""The attacks are real: without isolation they get through, and naive harnesses believe them."""

import subprocess
import sys

import pytest

from selfimp_bench.tasks.sandbox.corpus import read_corpus
from selfimp_bench.tasks.sandbox.outside import outside

CORPUS = {attack.name: attack for attack in read_corpus()}

FORGERIES = (
    "a_set_that_agrees",
    "arithmetic",
    "equality_always_true",
    "equality_of_a_str",
    "equality_of_an_int",
    "import_hook",
    "membership",
    "methods_of_containers",
    "order",
    "own_builtins",
    "own_module",
    "patched_builtins",
    "patched_library",
)
BREAKS = (
    "descriptor_flood",
    "existence",
    "fork",
    "fork_bomb",
    "hidden_fork_exec",
    "old_system_calls",
    "orphan",
    "other_packages",
    "overwrite_outside",
    "own_environment",
    "parent_environment",
    "raw_clone",
    "raw_open",
    "read_others",
    "read_secret",
    "read_system",
    "reload",
    "shared_memory",
    "shell",
    "signal_by_descriptor",
    "socket_abstract",
    "socket_ipv4",
    "socket_netlink",
    "socket_unix",
    "symlink",
    "working_folder",
    "write_outside",
    "write_temporary",
)


def run_plainly(attack, places):
    """Program and tests in one process with our rights, as harnesses do; its exit code."""
    order = attack.order(places)
    source = "\n".join([order.program, order.setup, *order.tests])
    return subprocess.run(
        [sys.executable, "-c", source], capture_output=True, timeout=60, cwd=places["OUTSIDE"]
    ).returncode


@pytest.mark.parametrize("name", [*FORGERIES, *BREAKS])
def test_without_isolation_the_attack_succeeds(name):
    with outside() as prepared:
        assert run_plainly(CORPUS[name], prepared.places) == 0


@pytest.mark.parametrize("name", ["hard_exit_zero", "hard_exit_in_call", "exit_zero"])
def test_without_isolation_leaving_early_looks_like_success(name):
    with outside() as prepared:
        assert run_plainly(CORPUS[name], prepared.places) == 0


@pytest.mark.parametrize(
    ("name", "trace"),
    [
        ("write_outside", "made written"),
        ("reload", "made reloaded"),
        ("overwrite_outside", "changed a file"),
        ("socket_ipv4", "connected to"),
        ("socket_unix", "connected to"),
    ],
)
def test_what_an_attack_does_outside_is_seen(name, trace):
    with outside() as prepared:
        assert prepared.traces() == ()
        run_plainly(CORPUS[name], prepared.places)
        assert any(trace in found for found in prepared.traces())


def test_an_ended_bystander_is_seen():
    with outside() as prepared:
        prepared.victim.kill()
        prepared.victim.wait()
        assert prepared.traces() == ("ended a process",)
