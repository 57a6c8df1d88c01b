"""What a smoke run of the verification protocol replaces: the same kinds of everything, small."""

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from selfimp_bench.canonical import file_sha256
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.places import ASSETS
from selfimp_bench.protocols.verification.manifest import VerificationProfileBlocks
from selfimp_bench.protocols.verification.prompt_files import prompt_files, read_prompts
from selfimp_bench.protocols.verification.smoke import verification_smoke
from selfimp_bench.steps.dataset import load_dataset
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.tasks.problem import Problem

JUDGING = {"repeats": 64, "temperature": 0.7, "top_p": 0.9, "top_k": -1, "max_tokens": 512, "stop": []}
METHODS = [
    {"id": "mc", "kind": "multiple-choice", "selections": [{"quantile": 0.8}, {"threshold": 0.7}]},
    {
        "id": "cot",
        "kind": "cot-binary",
        "judging": JUDGING | {"unparsed": "no-score"},
        "selections": [{"threshold": 1}],
    },
    {
        "id": "score",
        "kind": "cot-score",
        "judging": JUDGING | {"unparsed": "no-score"},
        "selections": [{"threshold": 9}],
    },
    {"id": "match", "kind": "tournament", "judging": JUDGING | {"unparsed": "coin"}, "rounds": 5},
]
IMPROVEMENT = {
    "iterations": 3,
    "split": "train",
    "utility": "verifier",
    "kept_by": {"verifier": "cot", "model": "self", "selection": {"threshold": 1}},
    "method": "rejection",
    "start_from": "previous",
    "pooling": "current",
    "deduplicate": "none",
}


def experiment(**changes: Any) -> dict[str, Any]:
    """The blocks of an experiment that a smoke profile looks at."""
    whole = {
        "models": [{"id": "large", "repo": "someone/large", "revision": "0" * 40}],
        "verifiers": ["self"],
        "grading": {"task": "gsm8k_cot", "extraction": "strict"},
        "verification": METHODS,
        "measure": {"metrics": ["accuracy", "gap"], "k": [2, 128], "empty_filter": "left-out"},
    }
    return copy.deepcopy(whole | changes)


def smoke(**changes: Any) -> VerificationProfileBlocks:
    return msgspec.convert(verification_smoke(experiment(**changes)), VerificationProfileBlocks)


def test_every_kind_of_verifier_is_there_and_small() -> None:
    methods = smoke().verification
    assert methods is not None
    assert [(method.id, method.kind.value) for method in methods] == [(each["id"], each["kind"]) for each in METHODS]
    assert [method.judging and method.judging.repeats for method in methods] == [None, 3, 3, 3]
    assert all(method.judging is None or method.judging.max_tokens < 64 for method in methods)
    assert methods[3].rounds == 2


def test_the_same_is_measured_with_fewer_samples() -> None:
    small = smoke()
    assert small.measure is not None and small.generation is not None
    assert small.measure.metrics == ("accuracy", "gap")
    assert (small.measure.k, small.measure.empty_filter) == ((2,), "left-out")
    assert small.generation.samples_per_problem == 4


def test_what_is_compared_is_compared_with_the_selections_of_the_smoke_run() -> None:
    filters = [{"verifier": "mc", "selection": {"quantile": 0.8}}, {"verifier": "score", "selection": {"threshold": 9}}]
    measure = {
        "metrics": ["score-correlation"],
        "k": [],
        "empty_filter": "zero",
        "correlate": [*filters, {"verifier": "match"}],
    }
    small = smoke(measure=measure, ensembles=[{"members": filters}])
    assert small.measure is not None and small.measure.correlate is not None and small.ensembles is not None
    for members in (small.measure.correlate[:2], small.ensembles[0].members):
        quantile, threshold = (member.selection for member in members)
        assert quantile is not None and quantile.quantile == 0.5
        assert threshold is not None and threshold.threshold == 8


@pytest.mark.parametrize("has_choice", [True, False])
def test_training_keeps_by_multiple_choice_which_the_smoke_base_can(has_choice: bool) -> None:
    methods = METHODS[:2] if has_choice else METHODS[1:2]
    small = smoke(self_improvement=IMPROVEMENT, verification=methods)
    assert small.self_improvement is not None and small.self_improvement.kept_by is not None
    assert small.self_improvement.kept_by.verifier == "mc"
    assert small.verification is not None and "mc" in {method.id for method in small.verification}
    assert small.self_improvement.iterations == 2
    assert small.sft is not None and small.dpo is None
    assert small.datasets is not None and small.datasets.train is not None


def test_gold_labels_need_no_verifier() -> None:
    rules = {key: value for key, value in IMPROVEMENT.items() if key != "kept_by"} | {"utility": "gold"}
    small = smoke(self_improvement=rules, verification=METHODS[1:2])
    assert small.self_improvement is not None and small.self_improvement.kept_by is None
    assert small.verification is not None and [method.id for method in small.verification] == ["cot"]


def test_pairs_are_trained_on_as_pairs() -> None:
    pairs = {"pairing": "random", "pairs_per_problem": 16, "reference": "start"}
    dpo = {"beta": 0.05, "loss": "sigmoid", "label_smoothing": 0.0, "sft_coefficient": 1.0}
    small = smoke(self_improvement=IMPROVEMENT | {"method": "rpo", "pairs": pairs}, dpo=dpo)
    assert small.sft is None and small.dpo is not None and small.dpo.sft_coefficient == 1.0
    assert small.self_improvement is not None and small.self_improvement.pairs is not None
    assert small.self_improvement.pairs.pairs_per_problem == 2


def test_models_that_verify_each_other_are_two() -> None:
    crossed = smoke(verifiers=["large", "small"])
    assert crossed.models is not None and crossed.prompt is not None
    assert [model.id for model in crossed.models] == list(crossed.verifiers or ())
    assert [canary.model for canary in crossed.prompt.canaries] == list(crossed.verifiers or ())


def test_a_stronger_verifier_is_another_model() -> None:
    strong = smoke(verifiers=["huge"], verifier_models=[{"id": "huge", "repo": "a/b", "revision": "0" * 40}])
    assert strong.models is not None and strong.verifier_models is not None
    assert len(strong.models) == len(strong.verifier_models) == 1
    assert strong.verifiers == (strong.verifier_models[0].id,) != (strong.models[0].id,)


def test_shipped_models_need_no_smoke_run() -> None:
    assert verification_smoke(experiment(models=[{"id": "tiny", "asset": "tiny-gsm-base"}])) is None


def test_there_is_none_where_toy_problems_lack_what_it_takes() -> None:
    assert verification_smoke(experiment(grading={"task": "mbpp", "extraction": "strict"})) is None
    sudoku = {"task": "sudoku", "extraction": "strict"}
    assert verification_smoke(experiment(grading=sudoku, self_improvement=IMPROVEMENT)) is None
    assert verification_smoke(experiment(grading=sudoku, verifiers=["large", "small"])) is None


@pytest.mark.parametrize("task", ["gsm8k", "gsm8k_cot", "math", "minerva_math", "nq_open", "sudoku"])
def test_models_prompts_and_problems_are_the_pinned_ones(task: str, tmp_path: Path) -> None:
    grading = {"task": task, "extraction": "strict"}
    small = smoke(grading=grading)
    for model in small.models or ():
        assert file_sha256(ASSETS / str(model.asset) / "model.safetensors") == model.weights_sha256
    assert len(list(prompt_files(small, ()))) == 1 + len(METHODS)
    texts = read_prompts(small, tmp_path)
    assert small.prompt is not None and small.datasets is not None
    graded = small.grading.task if small.grading is not None else task
    assert load_dataset(small.datasets.test, graded, tmp_path, tmp_path)
    for canary in small.prompt.canaries:
        prompt = render_prompt(texts.of(small.prompt.file), Problem(problem_id="canary", question=canary.question))
        assert load_codec(ASSETS / canary.model).encode(prompt) == canary.token_ids
