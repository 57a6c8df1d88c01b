"""``trl_worker.py`` where accelerate lets several processes on a CPU be DeepSpeed's; it knows one alone there.

Run by the contract of trainers in the worker's place: shards, their gathering and their checkpoints are then the real
ones, over gloo. Says so when a process holds more of the model than its shard.
"""

import os
import sys
from pathlib import Path
from typing import Any

import deepspeed
from accelerate.state import PartialState
from accelerate.utils import DistributedType
from transformers import training_args

from selfimp_bench.engines.trl import worker as trl_worker

load_whole = trl_worker.load_model


def load_shard(*arguments: Any) -> Any:
    """Load as the worker does, and see that every process has its share of every parameter, and no more."""
    model = load_whole(*arguments)
    for name, parameter in model.named_parameters():
        held, whole = parameter.numel() + parameter.ds_tensor.numel(), parameter.ds_numel
        if held > -(-whole // int(os.environ["WORLD_SIZE"])) + 1:
            raise AssertionError(f"{name}: {held} of {whole} numbers lie in this process")
    return model


if __name__ == "__main__":
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    training_args.is_torch_bf16_gpu_available = lambda: True  # transformers asks a GPU whether it has bfloat16
    PartialState._prepare_backend = lambda *_args, **_kwargs: ("gloo", DistributedType.MULTI_GPU)
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # gloo's own collectives, without a minute's build
    trl_worker.load_model = load_shard
    trl_worker.leave(trl_worker.main(Path(sys.argv[1]), tuple(sys.argv[2:])))
