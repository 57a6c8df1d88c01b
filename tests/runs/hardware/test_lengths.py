"""Tokens from characters."""

from dataclasses import replace
from statistics import fmean

import msgspec
import pytest
from real_rows import real_rows

from selfimp_bench.manifest.catalog import entries, find
from selfimp_bench.manifest.model import Characters, DatasetRef
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.load import load_experiment
from selfimp_bench.runs.hardware.lengths import PROMPT_TOKENS, lengths_of
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.tasks.tables import PROBLEM_READERS

CHARACTERS = Characters(prompt_mean=250.0, prompt_longest=300, answer_mean=500.0, answer_longest=900, source="test")
DATA = msgspec.convert({"id": "d", "path": "d.jsonl", "rows": 1, "digest": None, "source": "test"}, DatasetRef)


def test_means_and_longest_rows_have_their_own_density() -> None:
    lengths = lengths_of(replace(DATA, characters=CHARACTERS))
    assert (lengths.prompt, lengths.prompt_longest, lengths.answer, lengths.answer_longest) == (100.0, 200, 201.0, 601)


def test_an_answer_is_expected_as_long_as_a_gold_one_but_within_its_limit() -> None:
    lengths = lengths_of(replace(DATA, characters=CHARACTERS))
    assert [lengths.completion(limit) for limit in (512, 200, 64)] == [201.0, 200.0, 64.0]


def test_without_characters_prompts_are_assumed_and_answers_taken_at_their_limit() -> None:
    lengths = lengths_of(DATA)
    assert (lengths.prompt, lengths.answer, lengths.completion(512)) == (PROMPT_TOKENS, None, 512.0)


def test_a_template_with_examples_stands_in_every_prompt_and_a_few_words_do_not_count() -> None:
    lengths = lengths_of(replace(DATA, characters=CHARACTERS))
    assert lengths.behind("x" * 1000).prompt == 100.0 + 400.0
    assert lengths.behind("x" * 1000).prompt_longest == 200 + 400
    assert lengths.behind("x" * 750 + "{question}" + "y" * 240).shared == 300.0
    assert lengths.behind("Question: {question}") == lengths


def test_an_answer_of_one_letter_is_a_letter_and_its_end() -> None:
    lengths = lengths_of(replace(DATA, characters=replace(CHARACTERS, answer_mean=2.5)))
    assert lengths.completion(512) == 2.0


@pytest.mark.parametrize(
    ("experiment", "split", "task", "file", "template"),
    [
        ("gsm8k-iter-sft", Split.TRAIN, "gsm8k", "gsm8k/train.jsonl", "{question}"),
        ("gsm8k-iter-sft", Split.TEST, "gsm8k", "gsm8k/test.jsonl", "{question}"),
        ("mbpp-iter-sft", Split.TRAIN, "mbpp", "mbpp/mbpp.jsonl", "{question}\n{tests}"),
        ("mbpp-iter-sft", Split.TEST, "mbpp", "mbpp/mbpp.jsonl", "{question}\n{tests}"),
        (
            *("csqa-iter-sft", Split.TEST, "commonsense_qa"),
            *("commonsense_qa/validation.jsonl", "{question}\n{choices}"),
        ),
    ],
)
def test_the_characters_in_manifests_are_those_of_the_real_rows(
    experiment: str, split: Split, task: str, file: str, template: str
) -> None:
    rows = real_rows(file)
    if task == "mbpp":
        first, last = (601, 974) if split is Split.TRAIN else (11, 510)
        rows = [row for row in rows if first <= row["task_id"] <= last]
    problems = [PROBLEM_READERS[task](row, str(index)) for index, row in enumerate(rows)]
    dataset = load_experiment(find(experiment)).manifest.datasets.by_split()[split]
    assert dataset.characters is not None and len(problems) == dataset.rows
    prompts = [len(render_prompt(template, problem)) for problem in problems]
    answers = [len(problem.answer or "") for problem in problems]
    assert dataset.characters.prompt_longest == max(prompts)
    assert dataset.characters.prompt_mean == pytest.approx(fmean(prompts), abs=0.05)
    if task == "commonsense_qa":  # its rows have labels; the solutions are the rationales', of assumed length
        assert "explanations" in (dataset.characters.assumed or "")
        return
    assert dataset.characters.answer_longest == max(answers)
    assert dataset.characters.answer_mean == pytest.approx(fmean(answers), abs=0.05)


def test_a_data_set_is_as_long_in_every_shipped_manifest() -> None:
    manifests = [load_experiment(entry.place).manifest for entry in entries()]
    sets = [data for each in manifests for data in each.datasets.by_split().values()]
    found = {(data.id, data.rows, data.characters) for data in sets}
    assert len({(name, rows) for name, rows, _ in found}) == len(found)
    assert all(characters is not None for name, _, characters in found if not name.startswith("tiny"))
