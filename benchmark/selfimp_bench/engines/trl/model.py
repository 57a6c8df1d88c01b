"""Models to train: loading them whole or in 4 bits, and writing what training left as one checkpoint."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from selfimp_bench.engines.trl.config import quantisation_config
from selfimp_bench.engines.trl.job import WEIGHTS
from selfimp_bench.engines.trl.masters import float32_shards
from selfimp_bench.engines.weights import weight_files
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Lora

if TYPE_CHECKING:
    from peft.tuners.lora import LoraLayer

CARRIED_FILES: Final = (
    *("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja"),
)
TORCH_DTYPES: Final = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
ADAPTER: Final = "default"


def load_model(folder: Path, lora: Lora | None, device: Literal["cpu", "cuda"]) -> Any:
    """The model in float32, whatever it is stored in; what adapters want in 4 bits, on the device.

    Raises InputError when it cannot be loaded whole.
    """
    quantisation = None if lora is None else lora.quantisation
    try:
        with float32_shards():
            model, info = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=torch.float32,
                attn_implementation="sdpa",
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                quantization_config=None if quantisation is None else quantisation_config(quantisation),
                device_map=None if quantisation is None else {"": _place(device)},
            )
    except Exception as error:  # OSError, SafetensorError, ValueError: all mean "these files"
        raise InputError(
            f"{folder}: cannot be loaded ({type(error).__name__}: {error}); fetch or train it again"
        ) from error
    if info["missing_keys"] or info["mismatched_keys"]:  # transformers would go on with random weights there
        raise InputError(f"{folder}: the weights do not fit config.json: {info}; fetch or train it again")
    if lora is not None:
        _check_targets(model, lora)
    return model


def _place(device: Literal["cpu", "cuda"]) -> str:
    return "cpu" if device == "cpu" else f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


def _check_targets(model: Any, lora: Lora) -> None:
    """Every name must be that of a layer: PEFT is content when one of several is."""
    names = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    unknown = [name for name in lora.target_modules if name not in names]
    if unknown:
        raise InputError(f"lora.target_modules: no linear layer {', '.join(unknown)} here; it has {sorted(names)}")


def write_checkpoint(model: Any, start: Path, scratch: Path, out: Path, state: Mapping[str, Any] | None) -> None:
    """Write each weight in the dtype it has in the start; every other file is the start's, byte for byte.

    state: the weights where ``model`` holds only a shard of them.
    """
    if hasattr(model, "peft_config"):
        merge(start, adapters_of(model), out / WEIGHTS)
    else:
        dtype_of = stored_dtypes(start)
        if state is not None:
            state = {name: tensor.to(dtype_of(name)) for name, tensor in state.items()}
        else:
            for name, tensor in (*model.named_parameters(), *model.named_buffers()):
                tensor.data = tensor.data.to(dtype_of(name))
        model.save_pretrained(scratch / "saved", max_shard_size="1000GB", state_dict=state)
        shutil.move(scratch / "saved" / WEIGHTS, out / WEIGHTS)
    (out / WEIGHTS).chmod(0o644)  # safetensors writes files that only their owner can read
    for name in CARRIED_FILES:
        if (start / name).is_file():
            shutil.copyfile(start / name, out / name)


def adapters_of(model: Any) -> dict[str, "LoraLayer"]:
    """The layers with trained adapters, by the name of the weight that they add to."""
    from peft.tuners.lora import LoraLayer  # slow to import, and hidden where no adapters are trained

    return {
        f"{name.removeprefix('base_model.model.')}.weight": module
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer)
    }


def merge(start: Path, adapters: Mapping[str, "LoraLayer"], target: Path) -> None:
    """Write the start's own weights plus what adapters add, alpha / rank * B A, in the start's dtype.

    Each sum is in float32 and made by itself: those of all layers together take twice the memory of the model.
    """
    merged = {}
    for name, tensor in _stored_weights(start):
        if name in adapters:
            added = adapters[name].get_delta_weight(ADAPTER).detach().cpu().float()
            tensor = (tensor.float() + added).to(tensor.dtype)
        merged[name] = tensor
    missing = adapters.keys() - merged.keys()
    if missing:
        raise InputError(f"{start}: holds no weights {sorted(missing)}, to which adapters were trained")
    save_file(merged, target, metadata={"format": "pt"})


def _stored_weights(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - not a dict
                yield name, file.get_tensor(name)


def stored_dtypes(folder: Path) -> Callable[[str], torch.dtype]:
    """The dtype in which a folder stores a weight, by the weight's name.

    A weight that the model calls otherwise than its file does has the narrowest dtype that holds all that are stored.
    Raises InputError when one is stored as anything but floating-point numbers of 16 or 32 bits.
    """
    found: dict[str, str] = {}
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                found |= {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 - not a dict
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path}: cannot be loaded ({error}); fetch or train it again") from error
    unknown = {name: dtype for name, dtype in found.items() if dtype not in TORCH_DTYPES}
    if unknown:
        raise InputError(
            f"{folder}: {len(unknown)} of {len(found)} weights cannot be trained on as they are stored "
            f"({dict(list(unknown.items())[:3])}); save it with weights of {', '.join(TORCH_DTYPES)}"
        )
    stored = {name: TORCH_DTYPES[dtype] for name, dtype in found.items()}
    holds_all = reduce(torch.promote_types, stored.values())
    return lambda name: stored.get(name, holds_all)
