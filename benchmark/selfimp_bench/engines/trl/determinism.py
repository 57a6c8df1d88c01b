"""The settings under which one job gives the same bytes twice on one kind of device, each chosen by itself.

transformers' ``full_determinism`` is not used. It also sets ``CUDA_LAUNCH_BLOCKING``, by which the host waits for every
kernel, for debugging: a kernel's result does not depend on when the host looks. And it puts ``:16:8`` (128 KiB) in the
place of the cuBLAS workspace that the worker was started with, ``:4096:8`` (24 MiB): both are deterministic, and with
the small one large products are slower (docs.nvidia.com/cuda/cublas, Results Reproducibility).
"""

import os

import torch
from torch.utils import deterministic


def be_deterministic() -> None:
    """Set them in this process, before a model is loaded. ``worker/child.py`` sets cuBLAS's, for all engines."""
    os.environ["FLASH_ATTENTION_DETERMINISTIC"] = "1"  # transformers reads it: flash-attn's backward adds in one order
    torch.use_deterministic_algorithms(True)  # an operation that has no deterministic kernel is an error
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False  # would choose a kernel by its speed on that day
    # A debugging aid of deterministic mode that would fill TRL's large buffers at every step (4 times slower).
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
