"""What a smoke run of the protocol replaces: tiny models, toy problems of the task's form, short prompts, few steps.

It takes every kind of verifier, of selection and of training through its stages on two CPU cores, and judges nothing.
An experiment whose models are all shipped needs none: it is small itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.protocols.verification.manifest import SELF, VerifierKind
from selfimp_bench.tasks.toys import GSM_BASE, SMOKE_BASE, TOYS, Toy

_WHY: Final = "for a smoke run, small enough for a minute on two CPU cores; it judges nothing"
_WEIGHTS: Final = {
    SMOKE_BASE: "050197605bcb9f157bb4fdac86b98dbc6efd88300a5c2c034f8494464ff92010",
    GSM_BASE: "018a4fdc2bd8d5f1c048a983d057b027ada7482768cfa77c9beb3b3169e11167",
}
_PROMPTS: Final = {
    "generate": "5b75e2b95b1562cdd9a1e8f69a32073eb8966cfa82634bd70b1259daf717193b",
    VerifierKind.MULTIPLE_CHOICE: "0ef24dac2eb85d5614d3aaf978195c8c1647c8359d2c1dc3fcbe4d1f236aa7e7",
    VerifierKind.COT_BINARY: "bf0333f3ce5ad53ab3fa65d90122c488665c16353d00594fcf51c9f28580220d",
    VerifierKind.COT_SCORE: "9d06f62956e9a24ebc3a14063e94247ef5f185cb229b0b74c992e6d63c96faf5",
    VerifierKind.TOURNAMENT: "61a23f52315f35992bc71a90e375d3dafb984f569c51da198492051fe9431cc9",
}
_MULTIPLE_CHOICE: Final = "mc"
_QUANTILE: Final = 0.5
_MOST_REPEATS: Final = 3
_SAMPLES: Final = 4
_ROUNDS: Final = 2
_JUDGEMENT_TOKENS: Final = 16
_TRAINING_ROWS: Final = 12
_SEED: Final = 20


def verification_smoke(data: Mapping[str, Any]) -> dict[str, Json] | None:
    """The blocks of the smoke profile of an experiment, by its own blocks; None where it needs none or none fits."""
    toy = TOYS.get(data["grading"]["task"])
    if toy is None or not any("repo" in model for model in data["models"]):
        return None
    several = data["verifiers"] != [SELF]
    trains = data.get("self_improvement")
    crossed = several and not data.get("verifier_models")
    models = [GSM_BASE, SMOKE_BASE] if crossed else [SMOKE_BASE]
    asked = models if crossed or not several else [*models, GSM_BASE]
    if not toy.token_ids.keys() >= set(asked) or (trains is not None and toy.train is None):
        return None
    blocks: dict[str, Json] = {
        "models": [_model(name) for name in models],
        "datasets": _datasets(toy, trains is not None),
        "prompt": _prompt(toy, asked),
        "generation": _sampling(toy) | {"stop": ["Question:"], "assumed": _WHY},
        "verification": _verification(data["verification"], trains),
        "engines": _ENGINES,
        "measure": _measure(data["measure"], data["verification"]),
    }
    if several:
        blocks["verifiers"] = [GSM_BASE, SMOKE_BASE] if crossed else [GSM_BASE]
    if data.get("verifier_models"):
        blocks["verifier_models"] = [_model(GSM_BASE)]
    if toy.grading is not None:
        task, extraction = toy.grading
        why = "the form in which the smoke base writes its answers (its README)"
        blocks["grading"] = {"task": task, "extraction": extraction, "assumed": why}
    if data.get("ensembles"):
        blocks["ensembles"] = [_ensemble(each, data["verification"]) for each in data["ensembles"]]
    if trains is not None:
        blocks |= _training(data, trains, toy)
    return blocks


def _model(name: str) -> dict[str, Json]:
    source = f"benchmark/selfimp_bench/assets/{name}/README.md"
    return {"id": name, "asset": name, "weights_sha256": _WEIGHTS[name], "source": source}


def _datasets(toy: Toy, trains: bool) -> dict[str, Json]:
    found: dict[str, Json] = {"test": _dataset(toy, "test", toy.rows, toy.test)}
    if trains and toy.train is not None:
        found["train"] = _dataset(toy, "train", _TRAINING_ROWS, toy.train)
    return found


def _dataset(toy: Toy, split: str, rows: int, digest: str) -> dict[str, Json]:
    return {
        "id": f"{toy.name}-{split}",
        "generator": {"task": toy.task, "split": split, "count": rows, "seed": _SEED},
        "rows": rows,
        "digest": digest,
        "source": f"benchmark/selfimp_bench/tasks/{toy.task}.py",
    }


def _file(kind: str) -> dict[str, Json]:
    name = "mc" if kind == VerifierKind.MULTIPLE_CHOICE else str(kind)
    return {"path": f"prompts/smoke/{name}.txt", "sha256": _PROMPTS[kind]}


def _prompt(toy: Toy, models: Sequence[str]) -> dict[str, Json]:
    return {
        "file": _file("generate"),
        "add_bos": False,
        "canaries": [
            {
                "model": model,
                "question": toy.question,
                "token_ids": [int(each) for each in toy.token_ids[model].split()],
            }
            for model in models
        ],
        "source": "the form the smoke base was pre-trained on (its README)",
    }


def _sampling(toy: Toy) -> dict[str, Json]:
    sampled = {"samples_per_problem": _SAMPLES, "temperature": 0.7, "top_p": 0.9, "top_k": -1}
    return {**sampled, "max_tokens": toy.max_tokens}


def _verification(methods: Sequence[Mapping[str, Any]], trains: Mapping[str, Any] | None) -> list[Json]:
    """The experiment's verifiers; multiple choice beside them where one keeps what is trained on.

    For the smoke base writes no verdicts, so that a written judgement would keep nothing.
    """
    kept_by_one = trains is not None and trains["utility"] == "verifier"
    added = [_choice(_MULTIPLE_CHOICE)] if kept_by_one and _chooser(methods) is None else []
    return [*(_method(method) for method in methods), *added]


def _chooser(methods: Sequence[Mapping[str, Any]]) -> str | None:
    """The first verifier by multiple choice; None where there is none."""
    return next((method["id"] for method in methods if method["kind"] == VerifierKind.MULTIPLE_CHOICE), None)


def _choice(name: str) -> dict[str, Json]:
    return {
        "id": name,
        "kind": VerifierKind.MULTIPLE_CHOICE.value,
        "file": _file(VerifierKind.MULTIPLE_CHOICE),
        "labels": {"correct": "Correct", "incorrect": "Incorrect"},
        "selections": [{"quantile": _QUANTILE}, {"threshold": _QUANTILE}],
        "assumed": _WHY,
    }


def _method(method: Mapping[str, Any]) -> dict[str, Json]:
    kind = method["kind"]
    if kind == VerifierKind.MULTIPLE_CHOICE:
        return _choice(method["id"])
    repeats = min(method["judging"]["repeats"], _MOST_REPEATS)
    judging = dict(method["judging"]) | {"repeats": repeats, "max_tokens": _JUDGEMENT_TOKENS, "stop": []}
    judging.pop("unusable_at_most", None)  # the smoke base writes no verdicts
    found: dict[str, Json] = {"id": method["id"], "kind": kind, "file": _file(kind), "judging": judging}
    if kind == VerifierKind.TOURNAMENT:
        return found | {"rounds": _ROUNDS, "assumed": _WHY}
    return found | {"selections": [_selection(each, kind) for each in _written(method)], "assumed": _WHY}


def _written(method: Mapping[str, Any]) -> list[Any]:
    """The selections of a written judgement: all of a verdict's; of the many of a score one."""
    selections = list(method["selections"])
    return selections if method["kind"] == VerifierKind.COT_BINARY else selections[:1]


def _selection(selection: Mapping[str, Any], kind: str) -> dict[str, Json]:
    """A verifier's selection: of multiple choice the median by its rank, or by its value; of a score 8."""
    if kind == VerifierKind.COT_SCORE:
        return {"threshold": 8}
    if kind == VerifierKind.COT_BINARY:
        return dict(selection)
    return {next(iter(selection)): _QUANTILE}


def _filter(filtered: Mapping[str, Any], methods: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    found: dict[str, Json] = {"verifier": filtered["verifier"]}
    selection = filtered.get("selection")
    if selection is None:
        return found
    (kind,) = (method["kind"] for method in methods if method["id"] == filtered["verifier"])
    return found | {"selection": _selection(selection, kind)}


def _ensemble(ensemble: Mapping[str, Any], methods: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    return {"members": [_filter(each, methods) for each in ensemble["members"]], "assumed": _WHY}


def _measure(measure: Mapping[str, Any], methods: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    numbers: list[Json] = [each for each in (2, _SAMPLES) if each in measure["k"]]
    kept = numbers or ([_SAMPLES] if measure["k"] else [])
    found: dict[str, Json] = {"metrics": measure["metrics"], "k": kept, "empty_filter": measure["empty_filter"]}
    if measure.get("correlate"):
        found["correlate"] = [_filter(each, methods) for each in measure["correlate"]]
    return found | {"assumed": _WHY}


def _training(data: Mapping[str, Any], rules: Mapping[str, Any], toy: Toy) -> dict[str, Json]:
    improvement: dict[str, Json] = {
        key: rules[key] for key in ("split", "utility", "method", "start_from", "pooling", "deduplicate")
    }
    improvement |= {"iterations": 2, "sampling": _sampling(toy) | {"assumed": _WHY}, "file": _file("generate")}
    improvement |= {"max_kept_per_problem": None, "empty_training_set": "stop", "assumed": _WHY}
    if rules.get("kept_by"):
        judge = SELF if rules["kept_by"]["model"] == SELF else GSM_BASE
        improvement["kept_by"] = {
            "verifier": _chooser(data["verification"]) or _MULTIPLE_CHOICE,
            "model": judge,
            "selection": {"quantile": _QUANTILE},
        }
        improvement["assumed"] = f"{_WHY}. Kept by multiple choice, for the smoke base writes no verdicts"
    if rules.get("pairs"):
        improvement["pairs"] = dict(rules["pairs"]) | {"pairs_per_problem": 2}
    if rules["method"] == "rejection":
        return {"self_improvement": improvement, "sft": _OPTIMISATION}
    own = ("beta", "loss", "label_smoothing", "sft_coefficient", "pair_loss")
    kept = {key: data["dpo"][key] for key in own if key in data["dpo"]}
    dpo: dict[str, Json] = {**kept, "optimisation": _OPTIMISATION, "assumed": "as in the paper profile"}
    return {"self_improvement": improvement, "dpo": dpo}


_ENGINES: Final[dict[str, Json]] = {
    "sampler": "hf",
    "trainer": "trl",
    "device": "cpu",
    "sampler_precision": "float32",
    "max_batch_rows": 256,
    "micro_batch_size": 8,
    "gradient_checkpointing": False,
    "threads": 1,
    "assumed": "one CPU core",
}
_OPTIMISATION: Final[dict[str, Json]] = {
    "optimizer": "adamw",
    "learning_rate": 1e-4,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "scheduler": "constant",
    "warmup_ratio": 0.0,
    "batch_size": 8,
    "steps": 4,
    "max_length": 256,
    "precision": "float32",
    "assumed": _WHY,
}
