"""What every engine's child process has in common: its command, its environment, and the end of its log."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, Literal

import selfimp_bench

SOURCE_ROOT: Final = Path(selfimp_bench.__file__).resolve().parents[1]

# Names the process that starts an engine, to that engine.
PARENT: Final = "SELFIMP_BENCH_PARENT"
# How much of a dead child's standard error goes into the message.
TAIL_LINES: Final = 15
# With these words torchrun begins to report that a worker died.
LAUNCHER_REPORT: Final = "torch/distributed/elastic/multiprocessing/api.py"

# Inherited variables through which a launcher or a user's shell would change the engine that runs.
_STRIPPED_PREFIXES: Final = (
    "ACCELERATE_",
    "DEEPSPEED_",
    "FSDP_",
    "PARALLELISM_CONFIG_",
    "WANDB_",
    "TRL_",
    "TORCH_",
    "VLLM_",
)
# vLLM's switch for NVIDIA's forward compatibility: which driver library is loaded, not what is computed.
_KEPT: Final = frozenset({"VLLM_ENABLE_CUDA_COMPATIBILITY", "VLLM_CUDA_COMPATIBILITY_PATH"})
_STRIPPED: Final = frozenset(
    {
        *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
        *("NVIDIA_TF32_OVERRIDE", "PYTHONSTARTUP", "PYTHONWARNINGS", "CUDA_LAUNCH_BLOCKING"),
    }
)


def command(module: str, *arguments: str, without: Sequence[str] = ()) -> list[str]:
    """The command that runs a module of this package; ``-P`` keeps the working directory off its import path.

    ``without``: packages that libraries would import only because they are there (see ``lean.py``).
    """
    hidden = ["selfimp_bench.engines.worker.lean", ",".join(without)] if without else []
    return [sys.executable, "-P", "-m", *hidden, module, *arguments]


# Exactly what CUDA counts: a container's GPUs from 0, whatever the host calls them; of a GPU in MIG mode one instance.
_COUNT: Final = """
import ctypes
cuda, count = ctypes.CDLL("libcuda.so.1"), ctypes.c_int()
if cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0:
    print(count.value)
"""
_COUNT_SECONDS: Final = 60.0


def visible_gpus() -> tuple[str, ...]:
    """The GPUs an engine may use, as CUDA_VISIBLE_DEVICES has or would have them: names as given (numbers, UUIDs, MIG
    instances), as many as CUDA takes of them; without any, every number from 0."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = cuda_devices(named, os.environ.get("LD_LIBRARY_PATH"))
    if named is None:
        return tuple(str(number) for number in range(count))
    return tuple(gpu.strip() for gpu in named.split(","))[:count]


@cache
def cuda_devices(named: str | None, libraries: str | None) -> int:  # noqa: ARG001
    """How many devices CUDA has, asked once in a process of its own for these two of the environment's variables.

    0 without a driver, or with one that does not answer.
    """
    try:
        command = [sys.executable, "-S", "-c", _COUNT]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_COUNT_SECONDS)
    except subprocess.TimeoutExpired:
        return 0
    return int(run.stdout) if run.returncode == 0 and run.stdout.strip() else 0


def environment(
    *, device: Literal["cpu", "cuda"], threads: int, scratch: Path, gpus: Sequence[str] | None
) -> dict[str, str]:
    """The environment of an engine: offline, these GPUs, fixed threads, caches in ``scratch`` only.

    ``gpus`` None is the first visible one: with several, a trainer would split the batch over them.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or (name not in _STRIPPED and not name.startswith(_STRIPPED_PREFIXES))
    }
    chosen = (visible_gpus() or ("0",))[:1] if gpus is None else gpus
    python_path = [str(SOURCE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return inherited | {
        PARENT: str(os.getpid()),
        "PYTHONPATH": os.pathsep.join(python_path),
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "CUDA_VISIBLE_DEVICES": ",".join(chosen) if device == "cuda" else "",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        # Threads that spin at a barrier make a shared machine tens of times slower; waiting costs little.
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "0",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HOME": str(scratch / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "DO_NOT_TRACK": "1",
        # Else in the user's cache, where a lock that a killed build left would stop every later one.
        "TORCH_EXTENSIONS_DIR": str(scratch / "torch_extensions"),
        "TMPDIR": str(scratch),
    }


def die_with_parent() -> None:
    """End this process (SIGKILL) as soon as its parent has ended, however that ended (Linux's PR_SET_PDEATHSIG).

    A trainer that outlives the run that started it would write beside the one that takes over. To be called before
    anything heavy is imported; a parent that had ended by then is missed by its name in the environment.
    """
    set_parent_death_signal = 1
    ctypes.CDLL(None, use_errno=True).prctl(set_parent_death_signal, signal.SIGKILL, 0, 0, 0)
    parent = os.environ.pop(PARENT, None)
    if parent is not None and os.getppid() != int(parent):
        os.kill(os.getpid(), signal.SIGKILL)


def tail(log: str) -> str:
    """The last lines of a log, indented for a message; says so when the child wrote nothing.

    What a launcher says after its workers' own words is left out.
    """
    own = log.partition(LAUNCHER_REPORT)[0]
    lines = [line for line in own.splitlines() if line.strip()][-TAIL_LINES:]
    return "\n".join(f"    {line}" for line in lines) or "    (it wrote nothing)"


def exit_words(code: int | None) -> str:
    """An exit code in words: ``ended with exit code 1``, ``was killed by signal 9``."""
    if code is not None and code < 0:
        return f"was killed by signal {-code}" + (" (often: out of memory)" if code == -9 else "")
    return f"ended with exit code {code}"
