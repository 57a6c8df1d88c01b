"""What can be said before a run: which claims on numbers from one run a size can decide."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from support import shipped_post_training

from selfimp_bench.manifest.catalog import find
from selfimp_bench.manifest.model import Claim, ClaimReading, ValueClaim, ValuePoint
from selfimp_bench.manifest.reference_table import Reference
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.load import load_experiment
from selfimp_bench.protocols.verification.manifest import VerificationManifest
from selfimp_bench.runs.describe import assumptions, decidabilities, size_words

ROWS = {
    "t.csv": {
        "r": Reference(
            id="r",
            model="tiny",
            dataset="toy",
            method="sft",
            metric="pass@1",
            x=Decimal(1),
            printed="0.5",
            unit="share",
            read_error=None,
            source="Table 1",
            conflicts_with=(),
        )
    }
}


@pytest.mark.parametrize(("problems", "decidable"), [(None, True), (200, True), (1319, False)])
def test_a_published_value_is_decided_by_as_many_problems_as_it_was_published_on(
    problems: int | None, decidable: bool
) -> None:
    manifest = shipped_post_training("tiny-iter-sft-dpo")
    value = ValueClaim(
        table="t.csv",
        points=(ValuePoint(metric="pass@1", split=Split.TEST, iteration=1, reference="r"),),
        against="none",
        problems=problems,
    )
    claim = Claim(id="c", statement="s", source="t", value=value)
    (found,) = decidabilities(replace(manifest, claims=(claim,)), ROWS, 20)
    assert found.decidable is decidable
    assert decidable or "published on 1319 problems, this size has 200 of test" in found.reason


def test_one_decidable_reading_is_enough() -> None:
    manifest = shipped_post_training("tiny-iter-sft-dpo")
    values = [
        ValueClaim(
            table="t.csv",
            points=(ValuePoint(metric="pass@1", split=Split.TEST, iteration=1, reference="r"),),
            against="none",
            problems=problems,
        )
        for problems in (1319, 200)
    ]
    read = tuple(ClaimReading(name=name, value=value) for name, value in zip("ab", values, strict=True))
    for readings, decidable in ((read, True), ((*read[:1], ClaimReading(name="c", value=values[0])), False)):
        claim = Claim(id="c", statement="s", source="t", any_of=readings)
        (found,) = decidabilities(replace(manifest, claims=(claim,)), ROWS, 20)
        assert found.decidable is decidable
        assert found.reason.startswith("read as a: published on 1319 problems")
        (found,) = decidabilities(replace(manifest, claims=(replace(claim, any_of=None, all_of=read),)), ROWS, 20)
        assert not found.decidable, "one part is not"
        assert found.reason.startswith("a: published on 1319 problems")


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
        ("tiny-iter-sft", "1 model x 5 iterations x 240 + 200 problems"),
        ("gsm8k-cross-verification", "7 models x 14 verifiers x 1319 problems"),
        ("gsm8k-iter-rpo", "1 model x 1 verifier x 3 iterations x 7473 + 1319 problems"),
    ],
)
def test_the_size_of_an_experiment_is_in_plain_words(name: str, words: str) -> None:
    assert size_words(load_experiment(find(name)).manifest) == words
