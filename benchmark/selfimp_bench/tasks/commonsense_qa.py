"""CommonsenseQA as a task: a question with five choices, labelled A to E; the answer is a label.

The data set publishes no answers for its test split; papers report on the validation split.
"""

from collections.abc import Mapping
from string import ascii_uppercase
from typing import Any, Final

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.columns import Row, identity, refuse, text, texts
from selfimp_bench.tasks.problem import Problem

LABELS: Final = tuple("ABCDE")


def problem_from_row(row: Row, problem_id: str) -> Problem:
    """A problem from a row of the hub's data set, or of the original files (``question.stem``).

    The row's ``id`` is the problem's; ``problem_id`` names a row without one. Raises InputError by row and column.
    """
    asked = _asked(row)
    return Problem(
        problem_id=identity(row, problem_id, "id"),
        question=text(asked, problem_id, "question"),
        choices=_choices(asked.get("choices"), problem_id),
        answer=_label(row, problem_id),
    )


def gold_answer(problem: Problem) -> str:
    """The gold label (``A`` to the last choice's). Raises InputError, naming the problem, where there is none."""
    labels = choice_labels(problem)
    if problem.answer not in labels:
        raise InputError(
            f"problem {problem.problem_id}: its answer is {problem.answer!r}; expected one of the labels "
            f"{', '.join(labels)}: mend the problems file"
        )
    return problem.answer


def choice_labels(problem: Problem) -> tuple[str, ...]:
    """The labels of a problem's choices, ``A`` for the first. Raises InputError with fewer than 2 or more than 26."""
    count = len(problem.choices or ())
    if not 2 <= count <= len(ascii_uppercase):
        raise InputError(f"problem {problem.problem_id}: {count} choices; expected 2 to 26: mend the problems file")
    return tuple(ascii_uppercase[:count])


def _asked(row: Row) -> Row:
    """Where question and choices stand: in the row itself, or in its ``question`` (``stem``, ``choices``)."""
    question = row.get("question")
    if isinstance(question, Mapping) and "stem" in question:
        return {"question": question["stem"], "choices": question.get("choices")}
    return row


def _choices(value: Any, row_name: str) -> tuple[str, ...]:
    """Five texts, from ``{label: [...], text: [...]}`` or ``[{label, text}, ...]``."""
    if isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        value = {name: [item.get(name) for item in value] for name in ("label", "text")}
    if not isinstance(value, Mapping):
        refuse(row_name, "choices", value, "labels and texts")
    if texts(value, row_name, "label") != LABELS:
        refuse(row_name, "choices.label", value["label"], f"the labels {', '.join(LABELS)}")
    found = texts(value, row_name, "text")
    if len(found) != len(LABELS):
        refuse(row_name, "choices.text", found, f"{len(LABELS)} texts")
    return found


def _label(row: Row, row_name: str) -> str:
    label = row.get("answerKey")
    if label not in LABELS:
        refuse(row_name, "answerKey", label, f"one of {', '.join(LABELS)} (the test split has no answers)")
    return str(label)
