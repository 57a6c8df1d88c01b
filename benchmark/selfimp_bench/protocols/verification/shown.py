"""What a verifier is shown of a completion."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from selfimp_bench.tasks.grading.sudoku import proposed_grid
from selfimp_bench.tasks.response import response_of

_REDUCED: Final[Mapping[str, Callable[[str], str | None]]] = MappingProxyType(
    # "Two strings of 16 numbers each" (2412.02674, Appendix G): the verifier sees the grid without the reasoning.
    {"sudoku": proposed_grid}
)


def clean_response(task: str, completion: str) -> str:
    """The response in a completion of a task, without blanks around it; may be empty.

    Cut at the task's first stop string (``tasks.response.UNTIL``). For Sudoku the grid alone, in the prompts' format,
    where there is one.
    """
    text = response_of(task, completion).text
    reduce = _REDUCED.get(task)
    return (reduce(text) if reduce else None) or text.strip()
