"""What a device must show before it is trusted with a run of days. Run it through ``ci/gpu``.

    python benchmark/recipes/gpu_checks.py --list
    python benchmark/recipes/gpu_checks.py --checks [--device cpu]

Each check is tests of this repository, run on the device; on a CPU those that can run there, as ``ci/test`` does, too.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from selfimp_bench.engines.device_probe import probe_devices
from selfimp_bench.errors import InputError

ROOT = Path(__file__).parents[2]
CONTRACT = ("tests/engines/test_sampler_contract.py", "tests/engines/test_vllm.py", "-k", "vllm")
TRAINING = "tests/engines/test_on_device.py"


@dataclass(frozen=True, kw_only=True)
class Check:
    """tests: arguments of pytest. runner: vLLM's model runner that they run. not_on_a_cpu: why not; None: it can."""

    name: str
    shows: str
    tests: tuple[str, ...]
    runner: str | None = None
    not_on_a_cpu: str | None = None


CHECKS = (
    Check(
        name="samplers, model runner v1",
        shows="the contract of samplers, weights swapped, hf's tokens and distribution; batch-invariant on a GPU",
        tests=CONTRACT,
        runner="v1",
    ),
    Check(
        name="samplers, model runner v2",
        shows="the same of the runner that vLLM takes by itself on a GPU",
        tests=CONTRACT,
        runner="v2",
        not_on_a_cpu="it needs Triton",
    ),
    Check(
        name="training twice",
        shows="SFT and DPO give the same bytes twice under the deterministic settings",
        tests=(TRAINING, "-k", "same_bytes"),
        not_on_a_cpu="tests/engines/test_trainer_contract.py does it there",
    ),
    Check(
        name="ZeRO-3 at rate 0",
        shows="a step at learning rate 0 changes no weight of a start in float16, bfloat16, float32 or all of them",
        tests=(TRAINING, "-k", "rate_0"),
    ),
    Check(
        name="training as on a CPU",
        shows="float32 weights of DDP and ZeRO-3 within 1 % of the distance moved of a CPU's",
        tests=(TRAINING, "-k", "that_of_a_cpu"),
        not_on_a_cpu="it is what a GPU is compared with",
    ),
)
MEASURED = (
    "the miniature's experiments to their verdicts",
    "SFT and DPO steps under ZeRO-3 at a manifest's batch, length and micro batch: tokens a second, peak memory",
    "completions through vLLM with seeds, and greedy ones: tokens a second, and what seeds cost a row and step",
)
"""What ``gpu_calibration.py`` does afterwards."""


def listed(device: str) -> Iterator[str]:
    """The list, a line each."""
    yield f"ci/gpu checks on {device}:"
    for check in CHECKS:
        skipped = device == "cpu" and check.not_on_a_cpu
        yield f"  {check.name}: {check.shows}" + (f" [not on a CPU: {check.not_on_a_cpu}]" if skipped else "")
    yield "and measures, for benchmark/calibration:"
    yield from (f"  {each}" for each in MEASURED)


def run(check: Check, device: str) -> bool:
    """Whether its tests passed; what they say goes to stderr."""
    environment = {"SELFIMP_TEST_DEVICE": device, "SELFIMP_TEST_RUNNER": check.runner or "v1"}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *check.tests]
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, stdout=sys.stderr, check=False)
    sys.stderr.write(f"ci/gpu: {check.name}: {'ok' if done.returncode == 0 else 'FAILED'}")
    sys.stderr.write(f" after {time.monotonic() - began:.0f} s\n")
    return done.returncode == 0


def check_all(device: str) -> list[str]:
    """The names of the checks that failed. Raises InputError where there is no such device."""
    if device == "cuda" and not (report := probe_devices()).gpus:
        raise InputError(
            f"no CUDA device here: {report.reason}; torch may be a build for CPUs (`ci/setup cuda`). On a CPU, "
            "`ci/gpu --checks --device cpu` does the checks that can be done there, and `ci/gpu --device cpu --tiny "
            "--out FOLDER` tries the script that measures"
        )
    failed = []
    for check in CHECKS:
        if device == "cpu" and check.not_on_a_cpu is not None:
            sys.stderr.write(f"ci/gpu: {check.name}: not on a CPU, {check.not_on_a_cpu}\n")
        elif not run(check, device):
            failed.append(check.name)
    return failed


def main() -> int:
    """Exit code 0, 2 where there is no such device, 4 when a check failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true", help="print what would be checked and measured")
    what.add_argument("--checks", action="store_true", help="check, and measure nothing")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    given = parser.parse_args()
    if given.list:
        sys.stdout.write("\n".join(listed(given.device)) + "\n")
        return 0
    try:
        failed = check_all(given.device)
    except InputError as error:
        sys.stderr.write(f"ci/gpu: {error}\n")
        return 2
    if failed:
        sys.stderr.write(f"ci/gpu: failed: {', '.join(failed)}\n")
    return 4 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
