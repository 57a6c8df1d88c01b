"""What a plan says of prompts before there is a run: counted, as recorded, or not known, and never more than that."""

import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from real_rows import real_rows
from support import ROOT, ManifestMaker, shipped_post_training

from selfimp_bench.cli.app import cli
from selfimp_bench.manifest.model import CountedPrompt, DatasetRef, Profile, PromptTokens, TooLong
from selfimp_bench.measurement import Split
from selfimp_bench.runs.hardware.lengths import recorded_longest
from selfimp_bench.runs.prompt_fits import Basis, fit_lines, prompt_fits, recorded_lengths
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.prompts import PromptsBlock
from selfimp_bench.tasks.tables import PROBLEM_READERS


def _lines(name: str, home: Path, only: str | None = None) -> list[str]:
    experiment = open_experiment(name, profile=Profile.PAPER, only=only, replicates=1)
    return [line.words for line in fit_lines(prompt_fits([experiment], home))]


def _mbpp() -> tuple[DatasetRef, PromptsBlock]:
    experiment = open_experiment("mbpp-iter-sft", profile=Profile.PAPER, only="model=mistral-7b-v0.1", replicates=1)
    block = next(step.block for step in experiment.plan().steps if isinstance(step.block, PromptsBlock))
    return shipped_post_training("mbpp-iter-sft").datasets.test, block


def test_the_plan_of_mbpp_names_the_row_that_does_not_fit_and_what_becomes_of_it(tmp_path: Path) -> None:
    lines = _lines("mbpp-iter-sft", tmp_path, "model=mistral-7b-v0.1")
    assert lines == [
        "mistral-7b-v0.1, greedy and sample: 1 of 500 test prompts does not fit 2,048 tokens: counted wrong: 493 "
        "(3,745 tokens) (as recorded)",
        "all prompts fit: mistral-7b-v0.1 (train train)",
    ]


def test_what_nobody_counted_is_not_said_to_fit(tmp_path: Path) -> None:
    lines = _lines("math-iter-sft", tmp_path)
    assert len(lines) == 1
    assert lines[0].startswith("not known whether all prompts fit: llama-2-7b, mistral-7b-v0.1, llama-3-8b (")


def test_problems_and_tokenizer_that_are_here_are_counted(tmp_path: Path) -> None:
    experiment = open_experiment("tiny-iter-sft", profile=Profile.PAPER, only=None, replicates=1)
    fits = prompt_fits([experiment, experiment], tmp_path)
    assert [(fit.basis, fit.use.split) for fit in fits] == [
        (Basis.COUNTED, Split.TEST),
        (Basis.COUNTED, Split.OOD),
        (Basis.COUNTED, Split.TRAIN),
        (Basis.COUNTED, Split.TRAIN),
        (Basis.COUNTED, Split.TRAIN),
    ]
    assert [fit.use.what for fit in fits[-2:]] == ["training by sft-gold", "training by sft"]
    assert all(fit.lengths is not None and 0 < fit.lengths.longest < 448 for fit in fits)


def test_a_verifiers_prompts_are_bounded_with_the_responses_that_they_may_hold(tmp_path: Path) -> None:
    experiment = open_experiment("tiny-gv-gap", profile=Profile.PAPER, only=None, replicates=1)
    fits = {fit.use.what: fit.lengths for fit in prompt_fits([experiment], tmp_path)}
    alone, pair = fits["verify by cot-binary"], fits["verify by tournament"]
    assert alone is not None and pair is not None
    assert alone.at_most and pair.at_most
    assert pair.longest > alone.longest > 64


@pytest.mark.parametrize(
    ("tokens", "long", "at_least"),
    [
        ([3745, 911], ["493"], False),
        ([3745], ["493"], True),
        ([1536], [], False),
        ([1537], ["493"], True),
        ([3745, 3000, 1536], ["493", "1"], False),
    ],
)
def test_a_record_says_at_least_where_even_the_last_of_it_does_not_fit(
    tokens: list[int], long: list[str], at_least: bool
) -> None:
    dataset, block = _mbpp()
    names = ["493", "1", "2"][: len(tokens)]
    rows = tuple(CountedPrompt(problem_id=n, tokens=t) for n, t in zip(names, tokens, strict=True))
    counted = PromptTokens(model="mistral-7b-v0.1", longest=rows, source="test")
    found = recorded_lengths(replace(dataset, prompt_tokens=(counted,)), "mistral-7b-v0.1", block.uses[0], block)
    assert found is not None and found.lengths is not None
    assert [each.problem_id for each in found.lengths.too_long] == long
    assert found.at_least is at_least
    assert ("and perhaps more" in found.words()) is at_least


def test_another_models_record_says_nothing() -> None:
    dataset, block = _mbpp()
    assert recorded_lengths(dataset, "llama-2-7b", block.uses[0], block) is None
    assert recorded_longest(dataset, "llama-2-7b", 1536) is None


def test_memory_is_planned_for_the_longest_row_that_is_asked() -> None:
    dataset, _ = _mbpp()
    assert [recorded_longest(dataset, "mistral-7b-v0.1", limit) for limit in (4000, 1536, 911, 500)] == [
        3745,
        911,
        911,
        500,
    ]


@pytest.mark.parametrize("command", ["plan", "doctor"])
def test_training_rows_that_are_too_long_are_said_before_a_run(
    command: str, make_manifest: ManifestMaker, tmp_path: Path
) -> None:
    def change(data: dict[str, Any]) -> None:
        data["sft"]["max_length"] = 70

    path = make_manifest(change=change)
    found = CliRunner().invoke(cli, [command, str(path), "--home", str(tmp_path / "home")])
    said = " ".join(found.output.split())
    assert "training by sft-gold: " in said
    assert "train rows do not fit 70 tokens: left out of training: " in said


def test_doctor_notes_what_does_not_fit_and_what_becomes_of_it(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["prompt"]["too_long"] = TooLong.DROPPED.value
        data["evaluation"]["greedy"]["max_tokens"] = 480

    path = make_manifest(change=change)
    found = CliRunner().invoke(cli, ["doctor", str(path), "--home", str(tmp_path / "home")])
    assert "test prompts do not fit 512 tokens: left out: " in found.output
    assert "note     prompts: tiny-gsm-base, greedy: " in found.output


@pytest.mark.skipif(find_spec("mistral_common") is None, reason="mistral-common comes with vLLM, which is not here")
@pytest.mark.parametrize(
    ("experiment", "split", "file", "first", "last"),
    [
        ("mbpp-iter-sft", Split.TEST, "mbpp/mbpp.jsonl", 11, 510),
        ("mbpp-iter-sft", Split.TRAIN, "mbpp/mbpp.jsonl", 601, 974),
        ("gsm8k-iter-sft", Split.TEST, "gsm8k/test.jsonl", None, None),
        ("gsm8k-iter-sft", Split.TRAIN, "gsm8k/train.jsonl", None, None),
        ("csqa-iter-sft", Split.TEST, "commonsense_qa/validation.jsonl", None, None),
    ],
)
def test_what_manifests_record_is_what_mistrals_tokenizer_counts(
    experiment: str, split: Split, file: str, first: int | None, last: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row for row in real_rows(file) if first is None or last is None or first <= row["task_id"] <= last]
    monkeypatch.syspath_prepend(str(ROOT / "benchmark" / "recipes"))
    monkeypatch.delitem(sys.modules, "prompt_tokens", raising=False)
    from prompt_tokens import longest_prompts  # type: ignore[import-not-found,unused-ignore]

    manifest = shipped_post_training(experiment)
    dataset = manifest.datasets.by_split()[split]
    read = PROBLEM_READERS[manifest.grading.task]
    problems = [read(row, f"{dataset.split}-{index}") for index, row in enumerate(rows)]
    (recorded,) = dataset.prompt_tokens or ()
    counted = longest_prompts(problems, manifest.prompt, len(recorded.longest))
    assert counted == [(each.problem_id, each.tokens) for each in recorded.longest]
    assert len(problems) == dataset.rows
