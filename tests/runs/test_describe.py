"""What can be said of a manifest before a run."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
from support import shipped_post_training

from selfimp_bench.manifest.catalog import find
from selfimp_bench.protocols.load import load_experiment
from selfimp_bench.protocols.verification.manifest import VerificationManifest
from selfimp_bench.runs.describe import assumptions, size_words


def test_an_assumed_value_is_shown_as_it_could_stand_in_a_manifest() -> None:
    manifest = shipped_post_training("tiny-iter-sft-dpo")
    prompt = replace(
        manifest.prompt,
        template="Q: {question}\nA:",
        completion_prefix=" ",
        canaries=(),
        assumed={"template": "a", "completion_prefix": "b", "add_bos": "c", "canaries": "d"},
    )
    rules = replace(manifest.post_training, max_correct_per_problem=None, assumed={"max_correct_per_problem": "e"})
    found = {each.path: each.value for each in assumptions(replace(manifest, prompt=prompt, post_training=rules))}
    assert found["$.prompt.template"] == r'"Q: {question}\nA:"'
    assert found["$.prompt.completion_prefix"] == '" "'
    assert found["$.prompt.add_bos"] == "false"
    assert found["$.prompt.canaries"] == "[]"
    assert found["$.post_training.max_correct_per_problem"] == "null"


def test_what_is_assumed_of_the_elements_of_a_list_is_listed_too_and_once_for_one_reason() -> None:
    manifest = load_experiment(find("gsm8k-gv-gap")).manifest
    assert isinstance(manifest, VerificationManifest)
    found = {each.path: each for each in assumptions(manifest)}
    files = found["$.verification[mc, cot-binary, cot-score, tournament].file"]
    assert "four examples of our own" in files.reason
    assert files.value.split(", ") == [method.file.path for method in manifest.verification]
    assert found["$.verification[tournament].rounds"].value == "5"
    assert found["$.models[*].revision"].value == f"{len(manifest.models)} values"
    assert "$.verification[cot-binary, cot-score].judging" in found


def test_every_reason_of_a_manifest_is_listed() -> None:
    for name in ("gsm8k-gv-gap", "gsm8k-iter-dpo", "tiny-gv-gap"):
        manifest = load_experiment(find(name)).manifest
        assert {each.reason for each in assumptions(manifest)} == set(_reasons(msgspec.to_builtins(manifest)))


def _reasons(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        assumed = value.get("assumed")
        yield from [assumed] if isinstance(assumed, str) else (assumed or {}).values()
        yield from (reason for inner in value.values() for reason in _reasons(inner))
    elif isinstance(value, list | tuple):
        yield from (reason for inner in value for reason in _reasons(inner))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tiny-iter-sft", "1 model x 5 iterations x 440 problems"),
        ("gsm8k-cross-verification", "7 models x 14 verifiers x 1319 problems"),
        ("gsm8k-iter-rpo", "1 model x 3 iterations x 8792 problems"),
    ],
)
def test_the_size_of_an_experiment_is_in_plain_words(name: str, words: str) -> None:
    assert size_words(load_experiment(find(name)).manifest) == words
