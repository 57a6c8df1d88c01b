"""Have inspect_ai make a log with several choices a sample, two epochs, and a score that is no number.

    PYTHON benchmark/recipes/inspect_choices.py OUT eval|json

PYTHON is of an environment with inspect_ai (0.3.285 made ``tests/runs/generations/made/inspect-choices.*``); nothing of
this kit is needed, and no model: the answers are inspect_ai's mock model's. Two of three problems get three choices an
epoch (right, wrong, right), the third one that its scorer scores as NaN.
"""

import sys

from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ModelOutput, get_model
from inspect_ai.model._providers.mockllm import MockLLM
from inspect_ai.scorer import Score, accuracy, scorer, stderr
from inspect_ai.solver import generate

EPOCHS, PROBLEMS = 2, 3


async def one(*_: object) -> int:
    """In place of counting tokens, for which inspect_ai would fetch an encoding from the web."""
    return 1


MockLLM.count_text_tokens = MockLLM.count_tokens = MockLLM.count_tool_tokens = one


def output(*texts: str) -> ModelOutput:
    """An answer with so many choices."""
    messages = [ChatMessageAssistant(content=text) for text in texts]
    return ModelOutput(
        model="mock", choices=[ChatCompletionChoice(message=each, stop_reason="stop") for each in messages]
    )


@scorer(metrics=[accuracy(), stderr()])
def verdict():
    """Right, wrong, or not scored."""

    async def score(state, target):
        text = state.output.completion
        if "?" in text:
            return Score(value=float("nan"), explanation="not scored")
        return Score(value="C" if text.endswith("#### " + target.text) else "I")

    return score


def main(folder: str, form: str) -> None:
    """Write the log."""
    samples = [
        Sample(
            id=f"p{i}",
            input=f"What is {i} + 1?",
            target=str(i + 1),
            metadata={"question": f"What is {i} + 1?", "answer": f"It is {i + 1}.\n#### {i + 1}"},
        )
        for i in range(PROBLEMS)
    ]
    outputs = []
    for epoch in range(1, EPOCHS + 1):
        for i in range(PROBLEMS):
            right, wrong = (f"Epoch {epoch}.\n#### {i + more}" for more in (1, 5))
            outputs.append(output(right, wrong, right) if i < 2 else output("What? ?"))
    evaluate(
        Task(dataset=samples, solver=generate(), scorer=verdict(), name="gsm8k", epochs=EPOCHS),
        model=get_model("mockllm/model", custom_outputs=outputs),
        log_dir=folder,
        log_format=form,
        display="none",
        max_samples=1,
        log_realtime=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
