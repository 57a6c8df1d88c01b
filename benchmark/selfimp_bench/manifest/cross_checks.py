"""What a schema cannot say: the rules between the fields of a block, and between blocks.

Each rule is one small pure function. The rules of ``BLOCK_RULES`` look at one dataclass and hold wherever it stands,
in a profile too. Rules between blocks hold for the manifest and for what each of its profiles makes of it; those here
are for protocols to take, and each has more of its own. The loader applies them to the blocks that are sound by
themselves.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from selfimp_bench.canonical import NOT_IDENTITY
from selfimp_bench.manifest.fault import Fault, JsonPath, listed, nearest, shown
from selfimp_bench.manifest.model import (
    Architecture,
    Canary,
    Characters,
    Claim,
    ClaimReading,
    DatasetRef,
    Engines,
    Lora,
    ModelRef,
    Optimisation,
    OrderClaim,
    OwnCode,
    PaperFigure,
    PreferenceOptimisation,
    PromptTokens,
    Sampling,
    TrendClaim,
    VllmSettings,
)
from selfimp_bench.measurement import Split

_PROVENANCE = ("source", "assumed")


BlockRules = Mapping[type, tuple[Callable[[Any, JsonPath], Iterator[Fault]], ...]]


def block_faults(value: object, path: JsonPath, rules: BlockRules) -> Iterator[Fault]:
    """The faults of every dataclass in ``value``, which stands at ``path``."""
    if is_dataclass(value):
        yield from _provenance(value, path)
        for rule in rules.get(type(value), ()):
            yield from rule(value, path)
        for field in fields(value):
            yield from block_faults(getattr(value, field.name), (*path, field.name), rules)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from block_faults(item, (*path, index), rules)


@dataclass(frozen=True, kw_only=True)
class ManifestRule:
    """A rule and the blocks it takes, by name and in the order of its parameters.

    on_claims: it asks whether the claims can be measured, which does not matter where none is judged.
    """

    find: Callable[..., Iterator[Fault]]
    needs: tuple[str, ...]
    on_claims: bool = False


def manifest_faults(
    blocks: Mapping[str, object], rules: tuple[ManifestRule, ...], *, judges_claims: bool
) -> Iterator[Fault]:
    """The faults between blocks. A rule that needs a block which is not in ``blocks`` is left out.

    judges_claims: whether claims and figures must be measurable; a smoke run judges none.
    """
    for rule in rules:
        if (judges_claims or not rule.on_claims) and all(name in blocks for name in rule.needs):
            yield from rule.find(*(blocks[name] for name in rule.needs))


# ---- rules within a block ----


def _provenance(block: Any, path: JsonPath) -> Iterator[Fault]:
    """A block says where its values come from, and explains only keys that it has."""
    names = [field.name for field in fields(block)]
    if "assumed" not in names:
        return
    if "source" in names and block.source is None and block.assumed is None:
        message = "no word on where these values come from; add 'source' (place in the paper) or 'assumed' (reason)"
        yield Fault(path=path, message=message)
    if isinstance(block.assumed, dict):
        known = [name for name in names if name not in _PROVENANCE]
        for key in block.assumed:
            if key not in known:
                message = f"{shown(key)} is no key of this block; {nearest(key, known)}"
                yield Fault(path=(*path, "assumed", key), message=message, on_key=True)


def _model_origin(model: ModelRef, path: JsonPath) -> Iterator[Fault]:
    given = [name for name in ("repo", "asset", "path") if getattr(model, name) is not None]
    if len(given) != 1:
        expected = "exactly one of repo (with revision), asset or path (with weights_sha256)"
        yield Fault(path=path, message=f"expected {expected}, found {listed(given)}")
        return
    if model.repo is None and model.weights_sha256 is None:
        yield Fault(path=path, message=f"key 'weights_sha256' is missing; {given[0]} is pinned by it")
    yield from repo_keys(model, ("revision",), ("revision",), path)


def _heads_in_groups(architecture: Architecture, path: JsonPath) -> Iterator[Fault]:
    if architecture.heads % architecture.kv_heads:
        message = f"expected a divisor of heads ({architecture.heads}), found {architecture.kv_heads}"
        yield Fault(path=(*path, "kv_heads"), message=message)


def _mean_within_longest(characters: Characters, path: JsonPath) -> Iterator[Fault]:
    for part in ("prompt", "answer"):
        mean, longest = getattr(characters, f"{part}_mean"), getattr(characters, f"{part}_longest")
        if mean > longest:
            message = f"expected at most {part}_longest ({longest}), found {mean}"
            yield Fault(path=(*path, f"{part}_mean"), message=message)


def _longest_first(counted: PromptTokens, path: JsonPath) -> Iterator[Fault]:
    """The longest come first, each problem once: the last bounds all that are not listed."""
    names = [each.problem_id for each in counted.longest]
    for index, each in enumerate(counted.longest):
        where: JsonPath = (*path, "longest", index)
        if index and each.tokens > counted.longest[index - 1].tokens:
            message = f"expected at most {counted.longest[index - 1].tokens}, the one before it, found {each.tokens}"
            yield Fault(path=(*where, "tokens"), message=message)
        if each.problem_id in names[:index]:
            yield Fault(path=(*where, "problem_id"), message=f"{shown(each.problem_id)} stands here twice; remove one")


def _counted_once(dataset: DatasetRef, path: JsonPath) -> Iterator[Fault]:
    models = [counted.model for counted in dataset.prompt_tokens or ()]
    for index, name in enumerate(models):
        if name in models[:index]:
            message = f"the prompts of {name} are counted twice; keep one"
            yield Fault(path=(*path, "prompt_tokens", index, "model"), message=message)


def _dataset_origin(dataset: DatasetRef, path: JsonPath) -> Iterator[Fault]:
    given = [name for name in ("repo", "path", "generator") if getattr(dataset, name) is not None]
    if len(given) != 1:
        expected = "exactly one of repo (with revision and split), path or generator"
        yield Fault(path=path, message=f"expected {expected}, found {listed(given)}")
        return
    yield from repo_keys(dataset, ("revision", "configs", "split"), ("revision", "split"), path)
    if dataset.digest is None and dataset.repo is None:
        message = f"expected 64 lower-case hex digits (a sha256), found null; {given[0]} is pinned by it"
        yield Fault(path=(*path, "digest"), message=message)
    generator = dataset.generator
    if generator is not None and generator.count != dataset.rows:
        message = f"expected {dataset.rows} like rows, found {generator.count}; the generator makes every row"
        yield Fault(path=(*path, "generator", "count"), message=message)


def repo_keys(block: Any, allowed: tuple[str, ...], needed: tuple[str, ...], path: JsonPath) -> Iterator[Fault]:
    """Of the keys that go with a repository, those that are here and not allowed, and those that are needed."""
    for key in allowed:
        given = getattr(block, key) is not None
        if block.repo is None and given:
            message = f"'{key}' belongs to a repo, and there is none here; remove it"
            yield Fault(path=(*path, key), message=message, on_key=True)
        if block.repo is not None and not given and key in needed:
            yield Fault(path=path, message=f"key '{key}' is missing; a repo needs it")


def generator_split(dataset: DatasetRef, part: Split, path: JsonPath) -> Iterator[Fault]:
    """A generated data set is of the split whose part it plays."""
    if dataset.generator is not None and dataset.generator.split is not part:
        message = f"expected {part}, the part that this data set plays, found {dataset.generator.split}"
        yield Fault(path=(*path, "generator", "split"), message=message)


def pairing(kind: str, number: int | None, path: JsonPath) -> Iterator[Fault]:
    """``pairs_per_problem`` is a number exactly where pairs are drawn."""
    where = (*path, "pairs_per_problem")
    if kind == "all" and number is not None:
        yield Fault(path=where, message=f"expected null, for pairing is all, found {number}")
    if kind != "all" and number is None:
        message = f"expected a whole number, for pairing is {kind}, found null; null goes with pairing all"
        yield Fault(path=where, message=message)


def _distributed_trainer(engines: Engines, path: JsonPath) -> Iterator[Fault]:
    if engines.distributed is not None and engines.trainer != "trl":
        message = f"trainer {engines.trainer} is one process; remove 'distributed', or take trainer trl"
        yield Fault(path=(*path, "distributed"), message=message, on_key=True)


def _training_length(optimisation: Optimisation, path: JsonPath) -> Iterator[Fault]:
    given = [name for name in ("epochs", "steps") if getattr(optimisation, name) is not None]
    if len(given) != 1:
        yield Fault(path=path, message=f"expected exactly one of epochs or steps, found {listed(given)}")


def _claim_form(claim: Claim, path: JsonPath) -> Iterator[Fault]:
    forms = ("value", "order", "trend", "any_of", "all_of")
    given = [name for name in forms if getattr(claim, name) is not None]
    if len(given) != 1:
        message = f"expected exactly one of value, order, trend, any_of or all_of, found {listed(given)}"
        yield Fault(path=path, message=message)
    names = [reading.name for reading in claim.any_of or claim.all_of or ()]
    for index, name in enumerate(names):
        if name in names[:index] and claim.several is not None:
            message = f"{shown(name)} is the name of another reading; choose another"
            yield Fault(path=(*path, claim.several, index, "name"), message=message)


def _reading_form(reading: ClaimReading, path: JsonPath) -> Iterator[Fault]:
    given = [name for name in ("value", "order", "trend") if getattr(reading, name) is not None]
    if len(given) != 1:
        yield Fault(path=path, message=f"expected exactly one of value, order or trend, found {listed(given)}")


def _order_cells(order: OrderClaim, path: JsonPath) -> Iterator[Fault]:
    if order.lesser is None:
        if order.bound is None:
            yield Fault(path=path, message="expected lesser, a bound, or both")
        if order.times is not None:
            yield Fault(path=(*path, "times"), message="a factor of lesser, which is not there; remove it", on_key=True)
    elif order.greater.split is not order.lesser.split:
        message = (
            f"expected {order.greater.split} like greater.split, found {order.lesser.split}; "
            "the two are compared problem by problem"
        )
        yield Fault(path=(*path, "lesser", "split"), message=message)
    elif order.greater == order.lesser:
        yield Fault(path=(*path, "lesser"), message="this is the same cell as greater; name another one")


def _trend_iterations(trend: TrendClaim, path: JsonPath) -> Iterator[Fault]:
    for index in range(1, len(trend.iterations)):
        before, here = trend.iterations[index - 1 : index + 1]
        if here <= before:
            message = f"expected more than {before}, the iteration before it, found {here}"
            yield Fault(path=(*path, "iterations", index), message=message)


BATCH_INVARIANT = (
    *("FLASH_ATTN", "FLASH_ATTN_DIFFKV", "FLASH_ATTN_MLA"),
    *("FLEX_ATTENTION", "TRITON_ATTN", "TRITON_ATTN_DIFFKV", "TRITON_MLA"),
)
"""Attention backends of vLLM 0.32 whose ``supports_batch_invariance`` is true: it ends with an error under others."""


def _vllm_block(engines: Engines, path: JsonPath) -> Iterator[Fault]:
    """``vllm`` is there exactly when it samples, and says how memory is bounded on the device that it runs on."""
    vllm = engines.vllm
    if (engines.sampler == "vllm") != (vllm is not None):
        message = "`sampler: vllm` needs this block; add it"
        if vllm is not None:
            message = f"the sampler is {engines.sampler}, so nothing would use this block; remove it"
        yield Fault(path=(*path, "vllm"), message=message)
    if vllm is None:
        return
    gpu = engines.device == "cuda"
    for key, wanted in (("gpu_memory_utilization", gpu), ("kv_cache_gib", not gpu)):
        if (getattr(vllm, key) is not None) != wanted:
            expected = "a number" if wanted else "null"
            message = f"expected {expected} with `device: {engines.device}`, found {shown(getattr(vllm, key))}"
            yield Fault(path=(*path, "vllm", key), message=message)
    yield from _vllm_on_device(vllm, engines.device, (*path, "vllm"))
    if not vllm.chunked_prefill and vllm.max_num_batched_tokens < vllm.max_model_len:
        message = f"expected at least max_model_len ({vllm.max_model_len}) without chunked_prefill"
        found = f"found {vllm.max_num_batched_tokens}"
        yield Fault(path=(*path, "vllm", "max_num_batched_tokens"), message=f"{message}, {found}")


def _vllm_on_device(vllm: VllmSettings, device: str, path: JsonPath) -> Iterator[Fault]:
    """No setting that the device has no code for."""
    if device == "cpu":
        for key in ("chunked_prefill", "batch_invariant"):
            if getattr(vllm, key):
                yield Fault(path=(*path, key), message="expected false with `device: cpu`, found true")
        if vllm.model_runner != "v1":
            message = f"expected v1 with `device: cpu` (v2 needs Triton), found {vllm.model_runner}"
            yield Fault(path=(*path, "model_runner"), message=message)
    elif vllm.batch_invariant and vllm.attention_backend not in BATCH_INVARIANT:
        able = ", ".join(BATCH_INVARIANT)
        message = (
            f"expected false with `attention_backend: {vllm.attention_backend}`, found true; those with it: {able}"
        )
        yield Fault(path=(*path, "batch_invariant"), message=message)


def _option_names(own: OwnCode, path: JsonPath) -> Iterator[Fault]:
    for name in own.options or {}:
        if name in NOT_IDENTITY:
            message = f"an option called {shown(name)} would not count in fingerprints; call it something else"
            yield Fault(path=(*path, "options", name), message=message, on_key=True)
        elif not name.isidentifier():
            message = f"expected the name of a Python argument, found {shown(name)}"
            yield Fault(path=(*path, "options", name), message=message, on_key=True)


def _pair_loss(dpo: PreferenceOptimisation, path: JsonPath) -> Iterator[Fault]:
    """A loss of another package exactly with ``loss: own``, and no term beside it."""
    if (dpo.loss == "own") != (dpo.pair_loss is not None):
        expected = (
            "own, for there is a pair_loss" if dpo.pair_loss is not None else "sigmoid, for there is no pair_loss"
        )
        yield Fault(path=(*path, "loss"), message=f"expected {expected}, found {dpo.loss}")
    if dpo.pair_loss is not None and dpo.sft_coefficient is not None:
        message = "the pair_loss is the whole loss; remove 'sft_coefficient'"
        yield Fault(path=(*path, "sft_coefficient"), message=message, on_key=True)


def _figure_keys(figure: PaperFigure, path: JsonPath) -> Iterator[Fault]:
    """Published numbers or why there are none; what a form needs and no other has."""
    if (figure.beside is None) is (figure.unpublished is None):
        found = listed([name for name in ("beside", "unpublished") if getattr(figure, name) is not None])
        yield Fault(path=path, message=f"expected exactly one of beside and unpublished, found {found}")
    yield from _key_of_form("compute", figure.compute, figure, "by-compute", path)
    if figure.bin_width is not None or figure.form == "distribution":
        own = "by-number" if figure.form == "by-number" else "distribution"
        yield from _key_of_form("bin_width", figure.bin_width, figure, own, path)


def _panel_keys(figure: PaperFigure, path: JsonPath) -> Iterator[Fault]:
    for index, panel in enumerate(figure.panels):
        where: JsonPath = (*path, "panels", index)
        yield from _key_of_form("x", panel.x, figure, "by-number", where)
        if panel.labels is not None and len(panel.labels) != len(panel.metrics):
            message = f"expected one for each of {len(panel.metrics)} metrics, found {len(panel.labels)}"
            yield Fault(path=(*where, "labels"), message=message)


def _key_of_form(key: str, value: object, figure: PaperFigure, form: str, path: JsonPath) -> Iterator[Fault]:
    """A key that figures of one form need and no others have."""
    if figure.form == form and value is None:
        yield Fault(path=path, message=f"key {key!r} is missing; figures of form {form} need it")
    if figure.form != form and value is not None:
        message = f"only figures of form {form} have this key, found form {figure.form}"
        yield Fault(path=(*path, key), message=message, on_key=True)


BLOCK_RULES: BlockRules = {
    Architecture: (_heads_in_groups,),
    ModelRef: (_model_origin,),
    Characters: (_mean_within_longest,),
    DatasetRef: (_dataset_origin, _counted_once),
    PromptTokens: (_longest_first,),
    Optimisation: (_training_length,),
    ClaimReading: (_reading_form,),
    Claim: (_claim_form,),
    OrderClaim: (_order_cells,),
    TrendClaim: (_trend_iterations,),
    OwnCode: (_option_names,),
    PreferenceOptimisation: (_pair_loss,),
    Engines: (_vllm_block, _distributed_trainer),
    PaperFigure: (_figure_keys, _panel_keys),
}


# ---- rules between blocks ----


def unique_models(models: tuple[ModelRef, ...]) -> Iterator[Fault]:
    """No two models have one id."""
    return unique_ids("models", [model.id for model in models])


def unique_claims(claims: tuple[Claim, ...]) -> Iterator[Fault]:
    """No two claims have one id."""
    return unique_ids("claims", [claim.id for claim in claims])


def figure_models(figures: tuple[PaperFigure, ...] | None, models: tuple[ModelRef, ...]) -> Iterator[Fault]:
    """The models that figures name are those of the manifest."""
    known = [model.id for model in models]
    for index, figure in enumerate(figures or ()):
        for number, panel in enumerate(figure.panels):
            for position, name in enumerate(panel.models or ()):
                if name not in known:
                    where = ("figures", index, "panels", number, "models", position)
                    yield Fault(path=where, message=f"{shown(name)} is no model here; {nearest(name, known)}")


def unique_figures(figures: tuple[PaperFigure, ...] | None) -> Iterator[Fault]:
    """No two figures have one id."""
    return unique_ids("figures", [figure.id for figure in figures or ()])


def unique_ids(block: str, ids: list[str]) -> Iterator[Fault]:
    """No two entries of a list of blocks have one id."""
    for index, name in enumerate(ids):
        if name in ids[:index]:
            message = f"{name} is the id of {block}[{ids.index(name)}] already; choose another"
            yield Fault(path=(block, index, "id"), message=message)


def canary_faults(models: tuple[ModelRef, ...], canaries: tuple[Canary, ...]) -> Iterator[Fault]:
    """Every canary of ``prompt`` is for a model of the manifest, and every model that is no hub's has one."""
    known = list(dict.fromkeys(model.id for model in models))
    for index, canary in enumerate(canaries):
        if canary.model not in known:
            message = f"{shown(canary.model)} is no model of this manifest; {nearest(canary.model, known)}"
            yield Fault(path=("prompt", "canaries", index, "model"), message=message)
    local = [model.id for model in models if model.repo is None]
    for name in dict.fromkeys(local):
        if all(canary.model != name for canary in canaries):
            message = f"no canary for model {name}; add one, it locks the token ids of the prompt"
            yield Fault(path=("prompt", "canaries"), message=message)


def batches(optimisation: Optimisation, path: JsonPath, engines: Engines) -> Iterator[Fault]:
    """A global batch is made of whole micro batches."""
    micro, batch = engines.micro_batch_size, optimisation.batch_size
    if batch % micro != 0:
        message = f"expected a multiple of engines.micro_batch_size ({micro}), found {batch}"
        yield Fault(path=(*path, "batch_size"), message=message)


def lora_distribution(lora: Lora | None, engines: Engines) -> Iterator[Fault]:
    """The frozen weights under adapters are not sharded: 4-bit weights have no gradients and fit a device whole."""
    if lora is not None and engines.distributed == "deepspeed-zero3":
        message = "expected ddp, or no such key, for the block 'lora' trains adapters, found deepspeed-zero3"
        yield Fault(path=("engines", "distributed"), message=message)


def length(optimisation: Optimisation, path: JsonPath, sampling: Sampling, where: str) -> Iterator[Fault]:
    """A training row has room for a completion of ``sampling``, which stands at ``where``, and a prompt."""
    if optimisation.max_length <= sampling.max_tokens:
        expected = f"more than {where}.max_tokens ({sampling.max_tokens}), for prompt and completion"
        message = f"expected {expected}, found {optimisation.max_length}"
        yield Fault(path=(*path, "max_length"), message=message)


def correction(version: int, corrects: str | None) -> Iterator[Fault]:
    """Every version but the first says what it corrects."""
    if version > 1 and corrects is None:
        message = f"version {version} corrects an earlier one; add 'corrects' and say what"
        yield Fault(path=("version",), message=message)
    if version == 1 and corrects is not None:
        yield Fault(path=("corrects",), message="version 1 corrects nothing; remove this key", on_key=True)


"""The blocks that decide which measurements there are."""
