"""The manifest of this protocol."""

from dataclasses import dataclass
from typing import Annotated, Literal

from selfimp_bench.manifest.kinds import SOME, Count, FromZero, Name, PriorSetting, Text
from selfimp_bench.manifest.model import Claim, DatasetRef, Engines, ModelRef, Paper, PaperFigure
from selfimp_bench.measurement import Split


@dataclass(frozen=True, kw_only=True)
class LengthDatasets:
    """The problems whose answers are drawn."""

    test: DatasetRef
    """All of them."""

    def by_split(self) -> dict[Split, DatasetRef]:
        """The one part."""
        return {Split.TEST: self.test}


@dataclass(frozen=True, kw_only=True)
class LengthProfileBlocks:
    """What another profile replaces."""

    draws: Count | None = None
    """How many answers are drawn."""


@dataclass(frozen=True, kw_only=True)
class LengthManifest:
    """One experiment."""

    schema: Literal[1]
    """Version of this format."""
    name: Name
    """The experiment's name."""
    version: Count
    """1, or more for a correction."""
    title: Text
    """One line."""
    summary: Text
    """What is done."""
    corrects: Text | None = None
    """What this version corrects."""
    paper: Paper
    """What the experiment comes from."""
    protocol: Literal["answer-length"]
    """The procedure."""
    seed: FromZero
    """Of the draw."""
    models: Annotated[tuple[ModelRef, ...], SOME]
    """Nothing is asked of them."""
    datasets: LengthDatasets
    """The problems."""
    draws: Count
    """How many answers are drawn."""
    engines: Engines
    """Not used."""
    claims: Annotated[tuple[Claim, ...], SOME]
    """What is claimed."""
    priors: PriorSetting
    figures: tuple[PaperFigure, ...] | None = None
    """Figures to draw."""
    profiles: dict[Literal["smoke"], LengthProfileBlocks] | None = None
    """Other sizes."""
