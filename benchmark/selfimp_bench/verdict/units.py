"""Units in which a share can be given."""

from decimal import Decimal
from typing import Final

PER_WHOLE: Final = {"share": Decimal(1), "fraction": Decimal(1), "percent": Decimal(100), "%": Decimal(100)}
"""What one whole is in each."""


def scale(unit: str, to: str) -> Decimal | None:
    """What one ``unit`` is in the other; None where the two cannot be compared."""
    if unit == to:
        return Decimal(1)
    return PER_WHOLE[to] / PER_WHOLE[unit] if unit in PER_WHOLE and to in PER_WHOLE else None
