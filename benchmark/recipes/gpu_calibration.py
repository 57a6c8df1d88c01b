"""What one device reaches, written as a calibration that ``plan --hardware`` reads. Run it through ``ci/gpu``.

    python benchmark/recipes/gpu_calibration.py --experiment NAME --model ID [--device cpu] [--tiny] [--out FOLDER]

Three parts, none of which uses a network:

1. the miniature's experiments, with ``engines.device`` replaced;
2. optimiser steps of SFT and of DPO under DeepSpeed ZeRO-3 at the manifest's batch, length and micro batch, on random
   weights of the model's ``architecture`` (with fewer layers where one device cannot hold the optimiser state of all);
3. completions of such a model through the vLLM adapter, where vLLM is installed.

A part's tokens per second and peak memory are measured; shares of the device's peak follow from its datasheet
(``runs/hardware/devices.json``), so a CPU has none.
"""

import argparse
import copy
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from selfimp_bench.engines.base import PLAIN_TRAINING, Decoding, Prompt, SamplerSettings, TrainFolders, TrainJob
from selfimp_bench.engines.open import TWINS
from selfimp_bench.engines.trl.config import CHECKPOINTS
from selfimp_bench.engines.trl.job import SPEED_LOG
from selfimp_bench.engines.trl.trainer import TrlTrainer
from selfimp_bench.engines.trl.training_set import COLUMNS
from selfimp_bench.engines.vllm.sampler import vllm_sampler
from selfimp_bench.engines.worker.child import visible_gpus
from selfimp_bench.engines.worker.serve import claim_stdout
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.manifest.catalog import entries, find
from selfimp_bench.manifest.model import Architecture, Manifest, Method, ModelRef, VllmSettings
from selfimp_bench.manifest.yaml_text import yaml_text
from selfimp_bench.measurement import Split
from selfimp_bench.places import ASSETS, CALIBRATION, MANIFESTS
from selfimp_bench.protocols.load import load_experiment
from selfimp_bench.protocols.post_training.plan import optimisation_of, preference_of
from selfimp_bench.runs.hardware.device import Device, Hardware, devices
from selfimp_bench.runs.hardware.fit import most_that_fits, usable_bytes
from selfimp_bench.runs.hardware.footprint import (
    Footprint,
    Sharding,
    full_states,
    linear_weights,
    sampling_footprint,
    training_footprint,
)
from selfimp_bench.runs.hardware.lengths import lengths_of
from selfimp_bench.runs.hardware.sampling import BYTES_OF_PRECISION
from selfimp_bench.runs.hardware.sizes import architecture_of
from selfimp_bench.runs.hardware.workload import Decode, decode_seconds, training_seconds
from selfimp_bench.runs.init import init
from selfimp_bench.steps.dataset import problems_digest
from selfimp_bench.tasks.tables import GENERATORS

STEPS = 4
"""Optimiser steps a method; the first, which also allocates, is not counted."""

TOKENIZER = ASSETS / "tiny-gsm-base"
"""Random weights read and write token ids; a model folder needs some tokenizer all the same."""

LIBRARIES = ("torch", "transformers", "trl", "deepspeed", "vllm")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured on what. ``datasheet`` is None for a CPU; ``tiny`` keeps everything small."""

    manifest: Manifest
    model: ModelRef
    device: Literal["cpu", "cuda"]
    name: str
    datasheet: Device | None
    tiny: bool
    scratch: Path

    @property
    def allowed(self) -> int | None:
        """Bytes that may be filled; None: no limit is known."""
        if self.datasheet is None:
            return None
        return usable_bytes(Hardware(count=1, name=self.name, device=self.datasheet))


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Steps of one method. ``ideal_seconds`` is what they take at the datasheet's peak; None without one."""

    method: str
    layers: int
    rows_per_step: int
    tokens_per_step: int
    seconds: tuple[float, ...]
    tokens_per_second: float
    peak_memory_bytes: int
    ideal_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """Completions of ``rows`` prompts at a time, drawn with a seed each.

    decoding_seconds, ideal_seconds: of greedy decoding, measured and at the roofline. seeding: seconds that drawing
    with seeds adds to a token.
    """

    rows: int
    prompt_tokens: int
    tokens: int
    seconds: float
    tokens_per_second: float
    decoding_seconds: float
    ideal_seconds: float | None
    model_runner: str
    seeding: float


def random_model(sizes: Architecture, positions: int, device: str, folder: Path) -> Path:
    """A model folder with random 16-bit weights of these sizes; ``positions`` is the longest sequence.

    Raises InputError where the sizes do not come to the parameters that the block says.
    """
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copyfile(TOKENIZER / name, folder / name)
    special = json.loads((TOKENIZER / "config.json").read_text())
    config = LlamaConfig(
        vocab_size=sizes.vocab_size,
        hidden_size=sizes.hidden_size,
        intermediate_size=sizes.intermediate_size,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.kv_heads,
        head_dim=sizes.head_dim,
        max_position_embeddings=positions,
        tie_word_embeddings=sizes.parameters == parameters_of(sizes, tied=True),
        dtype="bfloat16",
        **{key: special[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")},
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    if (found := sum(weight.numel() for weight in model.parameters())) != sizes.parameters:
        raise InputError(f"architecture: its sizes come to {found} parameters, it says {sizes.parameters}")
    model.save_pretrained(folder, max_shard_size="1000GB")
    return folder


def parameters_of(sizes: Architecture, *, tied: bool) -> int:
    """Weights of a decoder of these sizes; ``tied``: one table for reading and writing tokens."""
    tables = sizes.vocab_size * sizes.hidden_size * (1 if tied else 2)
    return tables + sizes.layers * layer_parameters(sizes) + sizes.hidden_size


def layer_parameters(sizes: Architecture) -> int:
    """Weights of one layer: its linear maps and two norms."""
    return sum(inputs * outputs for inputs, outputs in linear_weights(sizes).values()) + 2 * sizes.hidden_size


def with_layers(sizes: Architecture, layers: int) -> Architecture:
    """The same widths with another number of layers."""
    parameters = sizes.parameters - (sizes.layers - layers) * layer_parameters(sizes)
    return replace(sizes, layers=layers, parameters=parameters)


def trainable(sizes: Architecture, tokens: int, setting: Setting) -> Architecture:
    """As many of the layers as the device can train, with ``tokens`` in a pass. Raises InputError if it is none."""
    if setting.allowed is None:
        return sizes

    def footprint(layers: int) -> Footprint:
        kept = with_layers(sizes, layers)
        states = full_states(kept, sharding=Sharding.ZERO_3, devices=1)
        checkpointing = setting.manifest.engines.gradient_checkpointing
        return training_footprint(kept, states=states, tokens=tokens, checkpointing=checkpointing)

    layers = most_that_fits(footprint, sizes.layers, setting.allowed)
    if not layers:
        raise InputError(f"{setting.name}: not one layer of {setting.model.id} fits with {tokens} tokens in a pass")
    return with_layers(sizes, layers)


def write_rows(path: Path, method: Literal["sft", "dpo"], *, rows: int, length: int, vocabulary: int) -> None:
    """A training set of random token ids, every sequence exactly ``length`` tokens long, half of them prompt."""
    draw = random.Random(0)
    prompt, *completions = COLUMNS[method]
    sizes = {prompt: length // 2} | dict.fromkeys(completions, length - length // 2)
    columns = {
        name: [[draw.randrange(4, vocabulary) for _ in range(size)] for _ in range(rows)]
        for name, size in sizes.items()
    }
    pq.write_table(pa.table(columns), path)


def train(method: Literal["sft", "dpo"], setting: Setting) -> Trained:
    """Optimiser steps of SFT or DPO at the manifest's batch and length."""
    engines, manifest_method = setting.manifest.engines, Method.DPO if method == "dpo" else Method.SFT
    optimisation = replace(optimisation_of(setting.manifest, manifest_method, setting.model), epochs=None, steps=STEPS)
    sequences = 2 if method == "dpo" else 1
    sizes = architecture_of(setting.model)
    kept = trainable(sizes, sequences * engines.micro_batch_size * optimisation.max_length, setting)
    folder = setting.scratch / method
    start = random_model(kept, optimisation.max_length, setting.device, folder / "start")
    write_rows(
        folder / "rows.parquet",
        method,
        rows=STEPS * optimisation.batch_size,
        length=optimisation.max_length,
        vocabulary=kept.vocab_size,
    )
    job = TrainJob(
        method=method,
        start=start,
        reference=start if method == "dpo" else None,
        training_set=folder / "rows.parquet",
        optimisation=optimisation,
        preference=preference_of(setting.manifest, manifest_method, optimisation),
        lora=None,
        seed=0,
        device=setting.device,
        micro_batch_size=engines.micro_batch_size,
        gradient_checkpointing=engines.gradient_checkpointing,
        distributed="deepspeed-zero3",
        threads=engines.threads,
    )
    work = setting.scratch / "work"  # of both methods, so that what DeepSpeed builds is built once
    folders = TrainFolders(out=folder / "out", work=work, log=folder / "log")
    for each in (folders.out, folders.work, folders.log):
        each.mkdir(exist_ok=True)
    TrlTrainer(replace(PLAIN_TRAINING, processes=1)).train(job, folders, lambda _done, _of: None)
    lines = [json.loads(line) for line in (folders.log / SPEED_LOG).read_text().splitlines()]
    shutil.rmtree(folder)
    shutil.rmtree(work / CHECKPOINTS, ignore_errors=True)
    tokens = optimisation.batch_size * optimisation.max_length * sequences
    return trained(method, kept, job, tokens, lines, setting.datasheet)


def trained(
    method: str, sizes: Architecture, job: TrainJob, tokens: int, lines: Sequence[dict[str, Any]], device: Device | None
) -> Trained:
    """What the lines of the speed log say, the first left out; ``tokens`` are those of a step."""
    seconds = tuple(line["seconds"] for line in lines[1:])
    ideal = None
    if device is not None:
        ideal = training_seconds(
            sizes.parameters,
            tokens * len(seconds),
            frozen=False,
            checkpointing=job.gradient_checkpointing,
            device=device,
            share=1.0,
        )
    return Trained(
        method=method,
        layers=sizes.layers,
        rows_per_step=job.optimisation.batch_size,
        tokens_per_step=tokens,
        seconds=seconds,
        tokens_per_second=round(tokens * len(seconds) / sum(seconds), 1),
        peak_memory_bytes=max(line["peak_memory_bytes"] for line in lines),
        ideal_seconds=ideal,
    )


def sampler_settings_for(setting: Setting, longest: int) -> SamplerSettings:
    """The manifest's settings of vLLM for one GPU; a CPU's where it has none or a CPU is asked for."""
    engines = setting.manifest.engines
    cpu = VllmSettings(
        max_model_len=longest,
        max_num_batched_tokens=max(longest, 2048),
        chunked_prefill=False,
        prefix_caching=True,
        enforce_eager=True,
        attention_backend="CPU_ATTN",
        model_runner="v1",
        batch_invariant=False,
        tensor_parallel=1,
        gpu_memory_utilization=None,
        kv_cache_gib=1,
    )
    if setting.device == "cuda" and engines.vllm is None:
        raise InputError(f"{setting.manifest.name} does not sample with vllm; name an --experiment that does")
    vllm = cpu if setting.device == "cpu" or engines.vllm is None else replace(engines.vllm, tensor_parallel=1)
    return SamplerSettings(
        device=setting.device,
        precision="bfloat16" if setting.device == "cuda" else engines.sampler_precision,
        max_batch_rows=engines.max_batch_rows,
        threads=engines.threads,
        vllm=replace(vllm, max_model_len=max(vllm.max_model_len, longest)),
    )


def sample(setting: Setting) -> Sampled:
    """Completions as long as the manifest allows, as many at a time as fit; prompts alone are timed before."""
    sizes, limit = architecture_of(setting.model), setting.manifest.evaluation.sampled.max_tokens
    prompt = round(lengths_of(setting.manifest.datasets.test).prompt)
    if setting.tiny:
        prompt = min(prompt, limit)
    settings = sampler_settings_for(setting, prompt + limit)
    assert settings.vllm is not None
    rows, width = settings.max_batch_rows, BYTES_OF_PRECISION[settings.precision]
    if setting.allowed is not None:

        def footprint(count: int) -> Footprint:
            return sampling_footprint(sizes, rows=count, tokens=prompt + limit, weight_bytes=width, tensor_parallel=1)

        rows = most_that_fits(footprint, rows, setting.allowed)
    folder = random_model(sizes, prompt + limit, setting.device, setting.scratch / "sampled")
    sampler = vllm_sampler(settings)

    def timed(part: int, new: int, temperature: float = 1.0) -> tuple[float, int]:
        decoding = Decoding(temperature=temperature, top_p=1.0, top_k=-1, max_tokens=new, stop=())
        asked, began = _prompts(part, rows, prompt, sizes.vocab_size), time.perf_counter()
        tokens = sum(len(each.token_ids) for each in sampler.sample(folder, asked, decoding))
        return time.perf_counter() - began, tokens

    try:
        timed(0, 1)  # starts the engine
        (reading, _), (seconds, tokens) = timed(1, 1), timed(2, limit)
        greedy, found = timed(3, limit, temperature=0.0)
    finally:
        sampler.close()
    decode = Decode(
        rows=rows, in_flight=rows, prompt=prompt, completion=found / rows - 1, weight_bytes=width, seeding=0.0
    )
    ideal = None if setting.datasheet is None else decode_seconds(sizes, decode, device=setting.datasheet, share=1.0)
    return Sampled(
        rows=rows,
        prompt_tokens=prompt,
        tokens=tokens,
        seconds=round(seconds, 3),
        tokens_per_second=round(tokens / seconds, 1),
        decoding_seconds=round(greedy - reading, 3),
        ideal_seconds=ideal,
        model_runner=settings.vllm.model_runner,
        seeding=max(0.0, round((seconds - reading) / tokens - (greedy - reading) / found, 9)),
    )


def _prompts(part: int, rows: int, length: int, vocabulary: int) -> list[Prompt]:
    """Random prompts; those of another part share no beginning, so no cache knows them."""
    draw = random.Random(part)
    return [
        Prompt(
            problem_id=str(row),
            token_ids=tuple(draw.randrange(4, vocabulary) for _ in range(length)),
            seeds=(part * rows + row,),
        )
        for row in range(rows)
    ]


def miniature(setting: Setting) -> Iterator[dict[str, Any]]:
    """Reproduce the miniature's experiments on the device. Raises StepFailed when one does not run to its verdict."""
    own = setting.manifest.name
    names = sorted(entry.name for entry in entries() if entry.path.parent.name == "tiny" and "-iter-" in entry.name)
    for name in [own] if setting.tiny else names:
        short = init(name, source=name, folder=setting.scratch, iterations=2).path if setting.tiny else name
        data: dict[str, Any] = copy.deepcopy(load_experiment(find(str(short))).data)
        if data["engines"]["sampler"] == "vllm":  # part 3 is about vLLM
            continue
        data["engines"]["device"] = setting.device
        if setting.tiny:
            shrink(data)
        derived = setting.scratch / f"{name}.v1.yaml"
        shutil.copytree(MANIFESTS / "tiny" / "prompts", setting.scratch / "prompts", dirs_exist_ok=True)
        derived.write_text(yaml_text(data), encoding="utf-8")
        arguments = ["reproduce", str(derived), "--home", str(setting.scratch / "home"), "--json"]
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-P", "-m", "selfimp_bench", *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode not in (0, 1, 3):
            raise StepFailed(f"{name} on {setting.device}: exit code {done.returncode}\n{done.stderr[-2000:]}")
        seconds = round(time.perf_counter() - began, 1)
        yield {"experiment": data["name"], "exit_code": done.returncode, "seconds": seconds}


def shrink(data: dict[str, Any]) -> None:
    """A few generated problems instead of the manifest's."""
    for split, count in zip(Split, (16, 8, 10), strict=True):
        dataset = data["datasets"][split.value]
        generator = dataset["generator"] | {"count": count}
        problems = GENERATORS[generator["task"]](split, count=count, seed=generator["seed"])
        data["datasets"][split.value] = dataset | {
            "generator": generator,
            "rows": count,
            "digest": problems_digest(problems),
        }


def share(ideal: Sequence[float | None], taken: Sequence[float]) -> float | None:
    """Ideal seconds over those taken; None where nothing was measured or no peak is known.

    Raises ValueError for more than the peak: something was not done, or the datasheet is another device's.
    """
    known = [each for each in ideal if each is not None]
    if not known or len(known) < len(ideal):
        return None
    found = sum(known) / sum(taken)
    if not 0 < found <= 1:
        raise ValueError(f"a share of the peak lies between 0 and 1, found {found}; is it this device's datasheet?")
    return round(found, 4)


def device_name(listed: str) -> str:
    """The device of ``devices.json`` with all its words in the name that the driver gives. Raises InputError."""
    words = listed.upper().replace("-", " ").split()
    table = devices()
    found = [name for name in table if set(name.upper().split("-")) <= set(words)]
    if len(found) != 1:
        raise InputError(
            f"the driver lists {listed!r}, which is not one device of {', '.join(table)}; name it with --name, or add "
            "an entry to benchmark/selfimp_bench/runs/hardware/devices.json"
        )
    return found[0]


def calibrate(setting: Setting, listed: str) -> dict[str, Any]:
    """All three parts as the content of a calibration file."""
    say("the miniature's experiments ...")
    experiments = list(miniature(setting))
    training = []
    for method in ("sft", "dpo") if setting.manifest.dpo is not None else ("sft",):
        say(f"{method} steps of {setting.model.id} with DeepSpeed ZeRO-3 ...")
        training.append(train("dpo" if method == "dpo" else "sft", setting))
    sampled, skipped = [], []
    if _version("vllm") is None:
        skipped = ["vLLM throughput: vllm is not installed here"]
        say(f"skipped: {skipped[0]}")
    else:
        say(f"completions of {setting.model.id} through the vLLM adapter ...")
        sampled = [sample(setting)]
    sizes = architecture_of(setting.model)
    versions = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES if _version(name))
    layers = f"{min(each.layers for each in training)} of {sizes.layers} layers in training"
    return {
        "schema": 1,
        "device": setting.name,
        "training": share([each.ideal_seconds for each in training], [sum(each.seconds) for each in training]),
        "decoding": share([each.ideal_seconds for each in sampled], [each.decoding_seconds for each in sampled]),
        "seeding": next((each.seeding or None for each in sampled if setting.datasheet is not None), None),
        "source": f"ci/gpu: random weights of {setting.model.id} ({layers}) at batch, length and sampling of "
        f"{setting.manifest.name} on one {listed}; {versions}; {datetime.now(UTC):%Y-%m-%d}",
        "experiments": experiments,
        "trained": [asdict(each) for each in training],
        "sampled": [asdict(each) for each in sampled],
        "skipped": skipped,
    }


def _version(library: str) -> str | None:
    for name in (library, *TWINS.get(library, ())):
        with suppress(PackageNotFoundError):
            return version(name)
    return None


def say(words: str) -> None:
    """A line of progress."""
    sys.stderr.write(f"ci/gpu: {words}\n")
    sys.stderr.flush()


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", required=True, help="whose batch, length and sampling settings are used")
    parser.add_argument("--model", required=True, help="the model of it whose architecture is used")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="few problems, to try the script itself")
    parser.add_argument("--name", help="the device's name in devices.json, where the driver's does not tell it")
    parser.add_argument("--out", type=Path, default=CALIBRATION, help="folder of the calibration file")
    return parser.parse_args()


def listed_gpu() -> str:
    """The first GPU as its driver names it. Raises InputError when there is none."""
    if not visible_gpus() or not torch.cuda.is_available():
        raise InputError(
            "no CUDA device here: /dev has no nvidia device, CUDA_VISIBLE_DEVICES hides it, or torch is a build for "
            "CPUs (`ci/setup cuda`); `ci/gpu --device cpu --tiny --out FOLDER` tries the script itself on a CPU"
        )
    return torch.cuda.get_device_name(0)


def measure(arguments: argparse.Namespace) -> Path:
    """Measure, and write the file."""
    listed = "CPU" if arguments.device == "cpu" else listed_gpu()
    name = arguments.name or ("cpu" if arguments.device == "cpu" else device_name(listed))
    manifest = load_experiment(find(arguments.experiment)).manifest
    model = next((each for each in manifest.models if each.id == arguments.model), None)
    if not isinstance(manifest, Manifest) or model is None:
        raise InputError(f"{arguments.experiment}: no experiment of post-training with a model {arguments.model}")
    with tempfile.TemporaryDirectory(prefix="selfimp-gpu-") as scratch:
        setting = Setting(
            manifest=manifest,
            model=model,
            device=arguments.device,
            name=name,
            datasheet=devices().get(name),
            tiny=arguments.tiny,
            scratch=Path(scratch),
        )
        found = calibrate(setting, listed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path: Path = arguments.out / f"{name}.json"
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return path


def main() -> int:
    """Exit code 0, or 2 for what a user can change and 4 for what failed. Stdout is the file's path alone."""
    arguments = read_arguments()
    stdout = claim_stdout()  # DeepSpeed writes a line there when something imports it
    try:
        path = measure(arguments)
    except (InputError, StepFailed) as error:
        say(str(error))
        return 2 if isinstance(error, InputError) else 4
    stdout.write(f"{path}\n".encode())
    stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
