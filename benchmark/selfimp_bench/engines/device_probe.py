"""What torch makes of the GPUs here, asked in a child process, so that nothing heavy enters the caller.

Run as ``python -m selfimp_bench.engines.device_probe`` it prints one JSON object.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from typing import Final

import msgspec

from selfimp_bench.engines.open import WITH_ENGINES
from selfimp_bench.engines.worker.child import SOURCE_ROOT, command, exit_words, tail
from selfimp_bench.errors import InputError

SECONDS: Final = 180.0
"""Importing torch from a cold network disk takes long; a driver that hangs takes for ever."""


@dataclass(frozen=True, kw_only=True)
class DeviceReport:
    """torch's version, the CUDA version it was built for (None: a CPU build), and the GPUs that it can use.

    ``reason`` is what it says when it can use none.
    """

    torch: str
    cuda: str | None
    gpus: tuple[str, ...]
    reason: str | None


DRIVERS: Final = {"11": 450, "12": 525, "13": 580}
"""The first driver of NVIDIA's that runs a CUDA major version (CUDA Compatibility, minor version compatibility)."""


def why_none(report: DeviceReport, driver: str | None) -> tuple[str, str]:
    """Why torch can use no GPU, in its own words and with the driver's number, and what to do."""
    if report.cuda is None:
        return (
            f"torch {report.torch} is a build for the CPU",
            "install selfimp-bench with the CUDA build of torch (ci/setup cuda), use the image built for cuda (docker "
            "run --gpus all ..., with the NVIDIA container toolkit on the host), or --profile smoke",
        )
    words = f"torch {report.torch} (CUDA {report.cuda}) finds none: {report.reason or 'no device'}"
    wanted = DRIVERS.get(report.cuda.partition(".")[0])
    if driver is None:
        return (
            f"{words}; nvidia-smi finds no driver",
            "use a machine where nvidia-smi lists a GPU (in a container: docker run --gpus all ... of an image built "
            "for cuda, with the NVIDIA container toolkit on the host), or try the stages on a CPU with --profile smoke",
        )
    if wanted is not None and int(driver.partition(".")[0]) < wanted:
        return (
            f"{words}; driver {driver}, and CUDA {report.cuda} wants {wanted} or newer",
            f"have the driver renewed, or on data-centre GPUs (A100, H100) install cuda-compat-"
            f"{report.cuda.replace('.', '-')} and set LD_LIBRARY_PATH=/usr/local/cuda-{report.cuda}/compat "
            "(docs/how-to/install.md)",
        )
    return f"{words}; driver {driver}", "look at nvidia-smi, CUDA_VISIBLE_DEVICES and the machine's kernel log (dmesg)"


@cache
def probe_devices() -> DeviceReport:
    """Ask torch, once. Raises InputError when it cannot be imported or does not answer."""
    if find_spec("torch") is None:
        raise InputError(f"torch is not installed; {WITH_ENGINES}")
    python_path = os.pathsep.join([str(SOURCE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        run = subprocess.run(
            command("selfimp_bench.engines.device_probe"),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            env=os.environ | {"PYTHONPATH": python_path},
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"torch did not answer within {SECONDS:.0f} s; look at the driver with nvidia-smi") from None
    if run.returncode != 0:
        raise InputError(f"torch cannot be used: its process {exit_words(run.returncode)}\n{tail(run.stderr)}")
    return msgspec.json.decode(run.stdout, type=DeviceReport)


def look() -> DeviceReport:
    """Import torch and look; for the child process."""
    import torch

    gpus: tuple[str, ...] = ()
    reason = None
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
        gpus = tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    except (RuntimeError, AssertionError) as error:  # the driver's words; a build without CUDA asserts
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return DeviceReport(torch=str(torch.__version__), cuda=torch.version.cuda, gpus=gpus, reason=reason)


if __name__ == "__main__":
    json.dump(asdict(look()), sys.stdout)
