"""Counts a data set's prompts with Mistral's tokenizer, for ``prompt_tokens`` of a manifest.

    PYTHONPATH=benchmark python benchmark/recipes/prompt_tokens.py EXPERIMENT SPLIT ROWS [--longest 2]

ROWS is a file of the hub's rows of that split, in its own columns; it is proved against the experiment's digest where
that has one. The tokenizer is ``tokenizer.model.v1`` of mistral-common, which is that of Mistral-7B-v0.1; where vLLM is
installed it is, too.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from sentencepiece import SentencePieceProcessor  # type: ignore[import-untyped,unused-ignore]

from selfimp_bench.manifest.catalog import find
from selfimp_bench.manifest.model import Manifest, Prompt
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.load import load_experiment
from selfimp_bench.protocols.post_training.plan import grading_of
from selfimp_bench.steps.dataset import read_hub_files, refuse_other_content
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.tasks.problem import Problem

TOKENIZER: Final = "tokenizer.model.v1"


def longest_prompts(problems: Sequence[Problem], prompt: Prompt, count: int) -> list[tuple[str, int]]:
    """Problem ids and tokens of the longest prompts, the longest first; BOS is one where the prompt has it."""
    processor = SentencePieceProcessor(model_file=str(files("mistral_common") / "data" / TOKENIZER))
    tokens = [
        (problem.problem_id, len(processor.encode(render_prompt(prompt.template, problem))) + prompt.add_bos)
        for problem in problems
    ]
    return sorted(tokens, key=lambda each: -each[1])[:count]


def main() -> None:
    """Print the longest prompts as a manifest has them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment")
    parser.add_argument("split", type=Split, choices=list(Split))
    parser.add_argument("rows", type=Path)
    parser.add_argument("--longest", type=int, default=2)
    asked = parser.parse_args()
    manifest = load_experiment(find(asked.experiment)).manifest
    if not isinstance(manifest, Manifest):
        parser.error("expected an experiment of iterative post-training, whose prompts are templates")
    dataset = manifest.datasets.by_split()[asked.split]
    problems = read_hub_files(dataset, grading_of(manifest, asked.split).task, [asked.rows])
    refuse_other_content(dataset, problems)
    for problem_id, tokens in longest_prompts(problems, manifest.prompt, asked.longest):
        sys.stdout.write(f'{{problem_id: "{problem_id}", tokens: {tokens}}}\n')


if __name__ == "__main__":
    main()
