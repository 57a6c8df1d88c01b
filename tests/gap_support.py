"""What the tests of the verification protocol use: a fake model that can judge, and small manifests for it."""

import copy
import hashlib
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import problems_digest_of

from selfimp_bench.canonical import file_sha256
from selfimp_bench.engines.fake import Memory, read_memory, write_memory
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.manifest.yaml_text import yaml_text
from selfimp_bench.measurement import Split
from selfimp_bench.places import ASSETS
from selfimp_bench.protocols.verification.verify import fill
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.tiny_gsm import generate

TRAINING = 10
BASE = ASSETS / "tiny-gsm-base"
PROMPTS = {
    "generate.txt": "Question: {question}\nAnswer:\n",
    "mc.txt": "Problem: {question}\nSolution: {response}\nJudge:\n",
    "cot-binary.txt": "Judge this. {question}\n{response}\nJudgement:\n",
    "cot-score.txt": "Score this. {question}\n{response}\nJudgement:\n",
    "tournament.txt": "Compare. {question}\nA: {response_a}\nB: {response_b}\nJudgement:\n",
}
VERDICTS = {
    "cot-binary.txt": (" Correctness: correct", " Correctness: incorrect", " It seems so."),
    "cot-score.txt": (" Score: 9", " Score: 3", " Score: 8", " Score: 11"),
    "tournament.txt": (" Preferred solution: A", " Preferred solution: B"),
}


def make_fake_model(folder: Path, problems: tuple[Problem, ...], *, skill: int) -> Path:
    """A model folder for the fake engines: it remembers gold solutions, and verdicts for judging prompts.

    ``skill`` is per mille. Prompts that it does not know are answered like the one most alike.
    """
    shutil.copytree(BASE, folder)
    codec = load_codec(folder)
    draw = random.Random(7)
    known: dict[tuple[int, ...], tuple[tuple[int, ...], ...]] = {}
    for problem in problems:
        prompt = render_prompt(PROMPTS["generate.txt"].removesuffix("\n"), problem)
        known[codec.encode(prompt)] = (codec.encode(f" {problem.answer}"),)
        for name, verdicts in VERDICTS.items():
            shown = {field: str(problem.answer) for field in ("response", "response_a", "response_b")}
            asked = fill(PROMPTS[name].removesuffix("\n"), {"question": problem.question, **shown})
            chosen = draw.sample(verdicts, 2)
            known[codec.encode(asked)] = tuple(sorted(codec.encode(verdict) for verdict in chosen))
    write_memory(folder, Memory(skill=skill, completions=known))
    assert read_memory(folder).skill == skill
    return folder


@dataclass(frozen=True, kw_only=True)
class GapManifestMaker:
    """Writes manifests of the verification protocol for fake models into a folder."""

    folder: Path

    def __call__(
        self,
        *,
        name: str = "small-gap",
        problems: int = 12,
        samples: int = 8,
        change: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> Path:
        """Write ``name``.v1.yaml with two generators, four verifiers and an ensemble."""
        known = (*generate(Split.TEST, count=problems, seed=1), *generate(Split.TRAIN, count=TRAINING, seed=1))
        models = [self._model(f"{skill}-base", known, skill) for skill in (300, 700)]
        data = {
            **_head(name),
            "models": models,
            "verifiers": ["self"],
            "datasets": {"test": _dataset(Split.TEST, problems)},
            "prompt": {
                "file": self._prompt("generate.txt"),
                "add_bos": False,
                "canaries": [canary(model["id"]) for model in models],
                "source": "test",
            },
            "grading": {"task": "gsm8k", "extraction": "strict", "source": "test"},
            "generation": {"samples_per_problem": samples, **sampling(64), "stop": ["Question:"], "source": "test"},
            "verification": self._verification(),
            "ensembles": [{"members": [_pick("mc", quantile=0.5), _pick("cot-score", threshold=8)], "source": "test"}],
            "engines": _ENGINES,
            "measure": {"metrics": METRICS, "k": [2, 4], "empty_filter": "zero", "correlate": _CORRELATE}
            | {"assumed": "test"},
            "claims": [_CLAIM],
            "priors": "tiny-sampled",
        }
        data = copy.deepcopy(data)
        change(data)
        path = self.folder / f"{name}.v1.yaml"
        path.write_text(yaml_text(data), encoding="utf-8")
        return path

    def improving(self, data: dict[str, Any], *, method: str = "rejection", gold: bool = False) -> None:
        """Add two rounds of self-improvement to a manifest's data."""
        pairs = (
            {"pairs": {"pairing": "random", "pairs_per_problem": 3, "reference": "start"}} if method == "rpo" else {}
        )
        kept_by = {"kept_by": {"verifier": "cot-binary", "model": "self", "selection": {"threshold": 1.0}}}
        data["datasets"]["train"] = _dataset(Split.TRAIN, TRAINING)
        data["self_improvement"] = {
            "iterations": 2,
            "split": "train",
            "sampling": {"samples_per_problem": 6, **sampling(64), "source": "test"},
            "utility": "gold" if gold else "verifier",
            **({} if gold else kept_by),
            "method": method,
            "file": self._prompt("generate.txt"),
            "start_from": "previous",
            "pooling": "current",
            "deduplicate": "none",
            "max_kept_per_problem": None,
            **pairs,
            "empty_training_set": "keep-previous",
            "source": "test",
        }
        if method == "rejection":
            data["sft"] = _OPTIMISATION
        else:
            data["dpo"] = {"beta": 0.05, "loss": "sigmoid", "label_smoothing": 0.0, "sft_coefficient": 1.0}
            data["dpo"] |= {"optimisation": _OPTIMISATION, "source": "test"}

    def with_real_engines(self, data: dict[str, Any]) -> None:
        """Have the shipped tiny model sampled and trained by real engines, one round of self-improvement with RPO."""
        self.improving(data, method="rpo", gold=True)
        digest = file_sha256(BASE / "model.safetensors")
        data["models"] = [{"id": "tiny", "asset": BASE.name, "weights_sha256": digest, "source": "test"}]
        data["prompt"]["canaries"] = [canary("tiny")]
        data["engines"] = data["engines"] | {"sampler": "hf", "trainer": "trl", "max_batch_rows": 32}
        data["self_improvement"]["iterations"] = 1
        data["self_improvement"]["sampling"]["samples_per_problem"] = 16
        data["dpo"]["optimisation"] = data["dpo"]["optimisation"] | {"steps": 3}

    def _model(self, name: str, problems: tuple[Problem, ...], skill: int) -> dict[str, Any]:
        path = f"{name}-{len(problems)}-{skill}"  # what it knows is in no weight, so the path says it
        if not (self.folder / path).exists():
            make_fake_model(self.folder / path, problems, skill=skill)
        digest = file_sha256(self.folder / path / "model.safetensors")
        return {"id": name, "path": path, "weights_sha256": digest, "source": "test"}

    def _prompt(self, name: str) -> dict[str, str]:
        path = self.folder / "prompts" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(PROMPTS[name], encoding="utf-8")
        return {"path": f"prompts/{name}", "sha256": hashlib.sha256(PROMPTS[name].encode()).hexdigest()}

    def _verification(self) -> list[dict[str, Any]]:
        written = {"repeats": 1, **sampling(32), "stop": [], "unparsed": "no-score"}
        return [
            {
                "id": "mc",
                "kind": "multiple-choice",
                "file": self._prompt("mc.txt"),
                "labels": {"correct": "Correct", "incorrect": "Incorrect"},
                "selections": [{"quantile": 0.5}, {"threshold": 0.5}, {"reweight": 0.2}],
                "source": "test",
            },
            {
                "id": "cot-binary",
                "kind": "cot-binary",
                "file": self._prompt("cot-binary.txt"),
                "judging": written | {"repeats": 3},
                "selections": [{"threshold": 1.0}],
                "source": "test",
            },
            {
                "id": "cot-score",
                "kind": "cot-score",
                "file": self._prompt("cot-score.txt"),
                "judging": written,
                "selections": [{"threshold": 8.0}, {"threshold": 9.0}],
                "source": "test",
            },
            {
                "id": "tournament",
                "kind": "tournament",
                "file": self._prompt("tournament.txt"),
                "judging": written | {"unparsed": "coin"},
                "rounds": 2,
                "source": "test",
            },
        ]


def sampling(max_tokens: int) -> dict[str, Any]:
    """Random sampling with nothing filtered."""
    return {"temperature": 0.7, "top_p": 1.0, "top_k": -1, "max_tokens": max_tokens}


def canary(model: str) -> dict[str, Any]:
    """A canary of ``generate.txt`` for a model with the tokenizer of the shipped tiny model."""
    asked = Problem(problem_id="canary", question="Why?")
    text = render_prompt(PROMPTS["generate.txt"].removesuffix("\n"), asked)
    return {"model": model, "question": "Why?", "token_ids": list(load_codec(BASE).encode(text))}


def _head(name: str) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": name,
        "version": 1,
        "title": "A small gap",
        "summary": "Fake models judge fake models.",
        "paper": {"id": "test", "title": "A test", "section": "everywhere"},
        "protocol": "verification-gap",
        "seed": 1,
    }


def _dataset(split: Split, count: int) -> dict[str, Any]:
    return {
        "id": f"tiny-gsm-{split}",
        "generator": {"task": "tiny_gsm", "split": split.value, "count": count, "seed": 1},
        "rows": count,
        "digest": problems_digest_of(split, count),
        "source": "test",
    }


def _pick(verifier: str, **selection: float) -> dict[str, Any]:
    return {"verifier": verifier, "selection": selection}


METRICS = [
    *("accuracy", "pass@k", "filtered-accuracy", "gap", "relative-gap", "aggregate-relative-gap", "kept-share"),
    *(
        "gap-sd",
        "gap-positive",
        "label-mass",
        "scored-share",
        "score-share",
        "judgement-variance",
        "step-gap",
        "first-preferred",
    ),
    *("score-correlation", "gap-correlation", "gap-accuracy-correlation"),
]
_CORRELATE = [_pick("mc", quantile=0.5), _pick("cot-score", threshold=8.0), {"verifier": "tournament"}]
_ENGINES = {
    "sampler": "fake",
    "trainer": "fake",
    "device": "cpu",
    "sampler_precision": "float32",
    "max_batch_rows": 64,
    "micro_batch_size": 4,
    "gradient_checkpointing": False,
    "threads": 1,
    "source": "test",
}
_OPTIMISATION = {
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "scheduler": "constant",
    "warmup_ratio": 0.0,
    "batch_size": 8,
    "steps": 6,
    "max_length": 200,
    "precision": "float32",
    "source": "test",
}
_CLAIM = {
    "id": "filtering-helps",
    "statement": "What multiple choice keeps is better.",
    "source": "test",
    "order": {
        "greater": {"metric": "filtered-accuracy.mc.q0.5", "split": "test", "iteration": 0},
        "lesser": {"metric": "accuracy", "split": "test", "iteration": 0},
    },
}
