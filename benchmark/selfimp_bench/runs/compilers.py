"""Compilers that engines call while they run. The images have what is needed; a host of one's own may lack it.

Triton compiles its launchers on GPUs (triton/runtime/build.py: $CC, else clang or gcc, with Python.h); DeepSpeed on a
CPU builds ``deepspeed_shm_comm`` (torch/utils/cpp_extension.py: $CXX, else c++), and vLLM there has torch compile the
model (torch/_inductor/config.py: $CXX, else g++).
"""

import os
import shutil
import sysconfig
from pathlib import Path

from selfimp_bench.manifest.model import Engines


def missing_compiler(engines: Engines, headers: Path | None = None) -> str | None:
    """What these engines would compile with and do not find here, and what to do; else None.

    headers: where Python.h should lie; None is where this Python looks.
    """
    if engines.device == "cpu":
        if engines.sampler == "vllm" and not _found("CXX", "g++"):
            return (
                "vLLM on a CPU compiles the model with a C++ compiler, and there is none ($CXX, g++): install one "
                "(Debian: g++), or sample with engines.sampler: hf"
            )
        if engines.distributed != "deepspeed-zero3" or _found("CXX", "c++"):
            return None
        return (
            "DeepSpeed on a CPU builds an extension with a C++ compiler, and there is none ($CXX, c++): install one "
            "(Debian: g++), or train with engines.distributed: ddp"
        )
    folder = Path(sysconfig.get_path("include")) if headers is None else headers
    if not _found("CC", "clang", "gcc"):
        return "Triton compiles what starts its kernels, and there is no C compiler ($CC, clang, gcc): install gcc"
    if not (folder / "Python.h").is_file():
        return (
            f"Triton compiles what starts its kernels, and {folder} has no Python.h: install Python's headers (Debian: "
            "python3.11-dev; a Python of uv or conda brings them)"
        )
    return None


def _found(variable: str, *names: str) -> bool:
    named = os.environ.get(variable, "").split()
    return any(shutil.which(name) for name in (named[:1] or names))
