"""What a protocol is: everything that the rest of the program asks of a procedure of a paper, in one record."""

import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from selfimp_bench.manifest.cross_checks import BlockRules, ManifestRule
from selfimp_bench.manifest.fault import Fault, JsonPath
from selfimp_bench.manifest.measured import SHARE_SCALE, MeasuredCell, Scale
from selfimp_bench.manifest.model import Cell, Claim, DatasetRef, Engines, ModelRef, Paper, PaperFigure
from selfimp_bench.manifest.study import Entry
from selfimp_bench.manifest.study_tree import Node
from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.measurement import Split

if typing.TYPE_CHECKING:
    from selfimp_bench.steps.plan import Plan


class AnyDatasets(typing.Protocol):
    """The data sets of a manifest."""

    def by_split(self) -> dict[Split, DatasetRef]:
        """The data sets by the part they play; the parts that there are not are left out."""
        ...


class AnyManifest(typing.Protocol):
    """What the manifests of all protocols have: a frozen dataclass with at least these fields."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def title(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def corrects(self) -> str | None: ...
    @property
    def paper(self) -> Paper: ...
    @property
    def protocol(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def priors(self) -> str: ...
    @property
    def models(self) -> tuple[ModelRef, ...]: ...
    @property
    def datasets(self) -> AnyDatasets: ...
    @property
    def engines(self) -> Engines: ...
    @property
    def claims(self) -> tuple[Claim, ...]: ...
    @property
    def figures(self) -> tuple[PaperFigure, ...] | None: ...
    @property
    def profiles(self) -> Mapping[Any, Any] | None: ...


Manifest = TypeVar("Manifest")


def _no_file_faults(_block: object, _place: JsonPath, _folder: Path) -> Iterator[Fault]:
    return iter(())


def _no_files(_manifest: object, _folder: Path) -> Mapping[str, Path]:
    return {}


def _trains_nothing(_manifest: object) -> tuple[str, ...]:
    return ()


def _replaces_nothing(_blocks: dict[str, Json]) -> None:
    return None


def _share(_metric: str) -> Scale:
    return SHARE_SCALE


@dataclass(frozen=True, kw_only=True)
class StudyForm:
    """How study files say an experiment of the protocol.

    blocks: the names of its own blocks. expand: an experiment's blocks, less claims and figures, out of the study.
    cells: what a run of such blocks (as plain data) measures; none where they are flawed.
    smoke: what a smoke run of such blocks has in place of theirs; None where there is nothing to replace.
    """

    blocks: tuple[str, ...]
    expand: Callable[[Entry], dict[str, Node | None]]
    cells: Callable[[dict[str, Json]], tuple[MeasuredCell, ...]]
    smoke: Callable[[dict[str, Json]], dict[str, Json] | None] = field(default=_replaces_nothing)


@dataclass(frozen=True, kw_only=True)
class Protocol(Generic[Manifest]):
    """One procedure: what its manifests are, and what a run of one does and measures.

    name: what a manifest's ``protocol`` says. manifest, profile_blocks: the dataclasses of a manifest and of what a
        profile replaces. schema: the JSON Schema of a manifest. block_rules, rules: what it asks beyond the schema.
    study: how study files say an experiment of it.
    cells: every measurement that a run yields. plan: the steps for these models, so many replicates, and the folder
        that the manifest lies in; the plan brings the stages that do them.
    size_words: how large an experiment is, in a few words. summary_lines: what `show` says of the procedure.
    training_methods: how each iteration trains; none where nothing is trained.
    file_faults: what is wrong with files that a block names, given its place and the manifest's folder. files: those
        that a manifest names, by their path beside it, and where they lie.
    completions_behind: how many completions the value of one problem rests on; None where reruns are not allowed for.
    scale: what a measurement can be, by its name; a share of 0 to 1 on every problem where a protocol does not say.
    """

    name: str
    manifest: type[Manifest]
    profile_blocks: type
    schema: Path
    block_rules: BlockRules
    rules: tuple[ManifestRule, ...]
    study: StudyForm
    cells: Callable[[Manifest], tuple[MeasuredCell, ...]]
    plan: "Callable[[Manifest, tuple[ModelRef, ...], int, Path], Plan]"
    size_words: Callable[[Manifest], str]
    summary_lines: Callable[[Manifest], Iterator[str]]
    training_methods: Callable[[Manifest], tuple[str, ...]] = field(default=_trains_nothing)
    file_faults: Callable[[object, JsonPath, Path], Iterator[Fault]] = field(default=_no_file_faults)
    files: Callable[[Manifest, Path], Mapping[str, Path]] = field(default=_no_files)
    completions_behind: Callable[[Manifest, Cell], int] | None = None
    scale: Callable[[str], Scale] = field(default=_share)
