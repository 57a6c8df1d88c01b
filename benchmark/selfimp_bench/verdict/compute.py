"""Pre-training compute of models: 6 N D, from a table of N and D.

2412.02674 puts gaps over "pre-training flops" and gives neither formula nor numbers; 6 N D with the size in a model's
name is the convention of Ruan et al. 2024 (arXiv 2405.10938), which it cites.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


class Cell(Protocol):
    """One number of a table, such as ``reference.Reference``: of ``model``, whose family is ``dataset``."""

    @property
    def model(self) -> str:
        """The model's id."""

    @property
    def dataset(self) -> str:
        """The family of models, those trained on one corpus."""

    @property
    def metric(self) -> str:
        """What the number is."""

    @property
    def unit(self) -> str:
        """Its unit."""

    @property
    def value(self) -> Decimal:
        """The printed number, exactly."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """A model's pre-training: ``parameters`` N and ``tokens`` D, both counts."""

    model: str
    family: str
    parameters: Decimal
    tokens: Decimal

    @property
    def flops(self) -> float:
        """6 N D, in floating-point operations (Kaplan et al. 2020, arXiv 2001.08361, Section 2.1)."""
        return float(6 * self.parameters * self.tokens)


PARAMETERS, TOKENS = "parameters", "training-tokens"
_SCALE = {"billion parameters": Decimal(10) ** 9, "trillion tokens": Decimal(10) ** 12}


def trainings(cells: Iterable[Cell]) -> dict[str, Training]:
    """The models of a table that gives ``parameters`` and ``training-tokens`` of each, by id, in order of the table.

    Rows of other metrics are passed over. Raises ValueError for a unit other than "billion parameters" and "trillion
    tokens", a number given twice or not above 0, and a model that lacks one of the two.
    """
    found: dict[str, dict[str, Decimal]] = {}
    family: dict[str, str] = {}
    for cell in cells:
        if cell.metric in (PARAMETERS, TOKENS):
            numbers = found.setdefault(cell.model, {})
            if cell.metric in numbers or family.setdefault(cell.model, cell.dataset) != cell.dataset:
                raise ValueError(f"{cell.model}: {cell.metric} is given twice, or for two families")
            if cell.unit not in _SCALE or cell.value <= 0:
                raise ValueError(
                    f"{cell.model}: {cell.value} {cell.unit}; expected a positive number in {list(_SCALE)}"
                )
            numbers[cell.metric] = cell.value * _SCALE[cell.unit]
    for model, numbers in found.items():
        if len(numbers) < 2:
            raise ValueError(f"{model} has only {', '.join(numbers)}; expected {PARAMETERS} and {TOKENS}")
    return {
        model: Training(model=model, family=family[model], parameters=numbers[PARAMETERS], tokens=numbers[TOKENS])
        for model, numbers in found.items()
    }
