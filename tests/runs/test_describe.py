"""What can be said before a run: which claims on numbers from one run a size can decide."""

from dataclasses import replace

import pytest
from support import shipped_post_training

from selfimp_bench.manifest.catalog import find
from selfimp_bench.manifest.model import Claim, ClaimReading, SingleRun, ValueClaim, ValuePoint
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.load import load_experiment
from selfimp_bench.runs.describe import assumptions, decidabilities, size_words


@pytest.mark.parametrize(("problems", "decidable"), [(None, True), (200, True), (1319, False)])
def test_a_published_value_is_decided_by_as_many_problems_as_it_was_published_on(
    problems: int | None, decidable: bool
) -> None:
    manifest = shipped_post_training("tiny-iter-sft-dpo")
    value = ValueClaim(
        table="t.csv",
        points=(ValuePoint(metric="pass@1", split=Split.TEST, iteration=1, reference="r"),),
        rule="published-value",
        confidence=0.95,
        single_run=SingleRun(seed_sd=1.0, problems=problems, assumed="test"),
    )
    claim = Claim(id="c", statement="s", source="t", value=value)
    (found,) = decidabilities(replace(manifest, claims=(claim,)), {}, 20)
    assert found.decidable is decidable
    assert decidable or "published on 1319 problems, this size has 200 of test" in found.reason


def test_one_decidable_reading_is_enough() -> None:
    manifest = shipped_post_training("tiny-iter-sft-dpo")
    values = [
        ValueClaim(
            table="t.csv",
            points=(ValuePoint(metric="pass@1", split=Split.TEST, iteration=1, reference="r"),),
            rule="published-value",
            confidence=0.95,
            single_run=SingleRun(seed_sd=1.0, problems=problems, assumed="test"),
        )
        for problems in (1319, 200)
    ]
    read = tuple(ClaimReading(name=name, value=value) for name, value in zip("ab", values, strict=True))
    for readings, decidable in ((read, True), ((*read[:1], ClaimReading(name="c", value=values[0])), False)):
        claim = Claim(id="c", statement="s", source="t", any_of=readings)
        (found,) = decidabilities(replace(manifest, claims=(claim,)), {}, 20)
        assert found.decidable is decidable
        assert found.reason.startswith("read as a: published on 1319 problems")
        (found,) = decidabilities(replace(manifest, claims=(replace(claim, any_of=None, all_of=read),)), {}, 20)
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
