"""ZeRO-3 in bfloat16: what is trained is the stored weights in float32, and what computes is bfloat16 copies of them.

DeepSpeed makes a shard in the dtype that its configuration computes in, and the float32 weights that Adam changes
("masters") of that shard: a float16 or float32 start would lose what bfloat16 cannot hold before the first step. So a
model is loaded in float32, its shards are kept, and DeepSpeed is given them once it has made its own. They lie on the
device until then, where Adam's moments, twice as large, come at the first step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import TrainerCallback
from transformers.integrations import deepspeed_config, is_deepspeed_zero3_enabled

Shards = dict[str, torch.Tensor]


@contextmanager
def float32_shards() -> Iterator[None]:
    """Models that are loaded meanwhile have float32 shards and buffers, whatever DeepSpeed is to compute in."""
    settings = deepspeed_config()["bf16"] if is_deepspeed_zero3_enabled() else {}
    asked = dict(settings)
    settings.update(enabled=False)
    try:
        yield
    finally:
        settings.update(asked)


def take_masters(model: Any) -> Shards:
    """Make the shards bfloat16, as DeepSpeed expects them. Returns the float32 ones, by the parameter's name."""
    masters = {}
    for name, parameter in model.named_parameters():
        masters[name] = parameter.ds_tensor.data
        parameter.ds_tensor.data = parameter.ds_tensor.data.to(torch.bfloat16)
        parameter.data = parameter.data.to(torch.bfloat16)
    return masters


class GiveMasters(TrainerCallback):  # type: ignore[misc]
    """Gives DeepSpeed the float32 shards, before the first step only: a checkpoint that is resumed has its own."""

    def __init__(self, model: Any, masters: Shards) -> None:
        self._model = model
        self._masters = masters

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_kwargs: Any) -> None:
        """DeepSpeed's engine is there now."""
        from deepspeed.utils import safe_set_local_fp32_param  # slow to import, and only needed here

        if state.global_step == 0:
            for name, parameter in self._model.named_parameters():
                safe_set_local_fp32_param(parameter, self._masters[name])
        self._masters.clear()
