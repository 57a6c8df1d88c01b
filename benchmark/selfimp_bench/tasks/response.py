"""The response in a completion: a base model that was shown examples goes on with an example of its own.

What follows is no part of the response: it is cut off before an answer is read and before a verifier sees it, at the
strings where the evaluation code of the few-shot prompts (lm-evaluation-harness, ``until``) stops generating.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

UNTIL: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "gsm8k_cot": ("Q:",),
        "minerva_math": ("Problem:",),
        # The harness also stops at "." and ",", which no answer such as "R. H. Thomson" survives; see grading.nq_open.
        "nq_open": ("\n",),
        # Our own: the first word of the prompt's next example.
        "sudoku": ("Puzzle:",),
    }
)
"""The strings that end a response, by task. A task that is not here is prompted without examples: nothing is cut."""


_LONGEST_TAIL: Final = 200
_END_TOKENS: Final = re.compile(
    r"(?:\s*(?:</s>|<eos>|<pad>|<end_of_turn>|<\|(?:endoftext|end_of_text|eot_id|im_end|end|eom_id|return)\|>))+\s*\Z"
)


@dataclass(frozen=True, kw_only=True)
class Response:
    """The part of a completion that answers. ``ended``: a stop string follows it, so no token limit cut it short."""

    text: str
    ended: bool


def response_of(task: str, completion: str) -> Response:
    """A completion up to the first stop string of its task, blanks as they are."""
    places = [place for stop in UNTIL.get(task, ()) if (place := completion.find(stop)) >= 0]
    return Response(text=completion[: min(places)] if places else completion, ended=bool(places))


def without_end_token(completion: str) -> str:
    """A completion without the end-of-text tokens that some tools leave at its end (``</s>``)."""
    tail = completion[-_LONGEST_TAIL:]
    if ">" not in tail:
        return completion
    found = _END_TOKENS.search(tail)
    return completion[: len(completion) - len(tail) + found.start()] if found else completion
