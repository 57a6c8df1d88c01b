"""JSON from elsewhere as plain data: what is no JSON, or could be read in two ways, is refused."""

import json
import re
from typing import Any, Final

LARGEST: Final = 2**63 - 1
"""No integer of any file here is larger, nor smaller than its negative."""

_HALF: Final = re.compile(r"\\[uU][dD][89a-fA-F]")


def plain_json(text: str | bytes, *, without_numbers: bool = False) -> Any:
    """The value of a JSON text.

    without_numbers: NaN and infinities, which some tools write for a number that there is not, are null.

    Raises ValueError, with the reason in words, for what is no JSON in UTF-8, a key that stands twice in one object,
    an integer beyond 64 bits, NaN and infinities, half of a surrogate pair, and lists in lists without end.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode()
        value = (_LENIENT if without_numbers else _DECODER).decode(text)
        if _HALF.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error})") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start})") from None
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])[1:-1]
        raise ValueError(f"{half} is half of a surrogate pair and no character; write \\ufffd in its place") from None
    except RecursionError:
        raise ValueError("not JSON that can be read (lists or objects in one another without end)") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise ValueError(f"the key {shortened(twice)!r} stands twice in one object; expected every key once")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -LARGEST <= (value := int(digits)) <= LARGEST:
        raise ValueError(f"the integer {shortened(digits)} is beyond 64 bits; expected at most {LARGEST}")
    return value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON; expected a finite one, or null")


def shortened(text: str, most: int = 60) -> str:
    """A word for a message: of one that is longer than ``most`` characters the beginning, and how long it is."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def _nothing(_: str) -> None:
    return None


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_constant=_no_number)
_LENIENT: Final = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_constant=_nothing)
