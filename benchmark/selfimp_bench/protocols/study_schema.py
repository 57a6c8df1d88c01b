"""The schema of study files, for editors: what each key means, and what a value may be, in every protocol.

A study's blocks are those of the resolved manifests, given in parts: no key is required, and where a protocol reads a
short form in place of a block or a list that is not refused. So an editor completes and explains; what is wrong with
a study is said by its expansion, with every line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from selfimp_bench.manifest.json_schema import Fragment, Tables, json_schema
from selfimp_bench.manifest.kinds import Address, Count, FromZero, Name, PriorSetting, Text
from selfimp_bench.manifest.model import DatasetRef, Grading, Prompt
from selfimp_bench.protocols.registry import PROTOCOLS

STUDY_SCHEMA: Final = "study.v2.json"
BLOCKS: Final = {name: protocol.study.blocks for name, protocol in PROTOCOLS.items()}
"""By protocol: what a study, a task, a method and an experiment may hold besides what they are made of."""
_LOOSE: Final = frozenset({"required", "additionalProperties", "minItems", "minProperties", "uniqueItems"})


@dataclass(frozen=True, kw_only=True)
class StudyPaper:
    """What a study comes from."""

    id: Name
    """Short name of the paper, for example its arXiv number."""
    title: Text
    """Title of the paper."""
    url: Address | None = None
    """Where to read it."""
    section: Text | None = None
    """The place inside the paper; an experiment may give its own."""


@dataclass(frozen=True, kw_only=True)
class StudyTask:
    """Problems, how a model is asked and how an answer is judged; any block of the study may stand here, too."""

    train: DatasetRef | None = None
    """The problems trained on."""
    test: DatasetRef | None = None
    """The problems measured on."""
    ood: Text | None = None
    """The task whose test problems are out of distribution."""
    prompt: Prompt | None = None
    """How a problem becomes token ids."""
    grading: Grading | None = None
    """How an answer is judged."""
    published_as: Text | None = None
    """The reference tables' word for the data set, where it is not the task's key."""
    title: Text | None = None
    """The task in words, for titles."""
    sensitivity: dict[str, Any] | None = None
    """By field (`post_training.pairs_per_problem`): values that are as plausible, and the reason; null: none."""
    source: Text | None = None
    """Where in the paper the task's values stand."""
    assumed: Any = None
    """Why these values: one reason, or a reason by path (`prompt.template`)."""


@dataclass(frozen=True, kw_only=True)
class StudyMethod:
    """What a method changes: any block of the study, in part or whole."""

    title: Text | None = None
    """The method in words, for titles."""
    priors: PriorSetting | None = None
    sensitivity: dict[str, Any] | None = None
    """By field (`post_training.pairs_per_problem`): values that are as plausible, and the reason; null: none."""
    source: Text | None = None
    """Where in the paper the method's values stand."""
    assumed: Any = None
    """Why these values: one reason, or a reason by path."""


@dataclass(frozen=True, kw_only=True)
class StudyExperiment:
    """A task with a method; any block of the study may stand here, too, and takes the place of theirs."""

    task: Text
    """A key of tasks."""
    method: Text
    """A key of methods."""
    models: Any = None
    """Some of the study's models, a family, or models of its own; absent: all of the study's."""
    ood: Any = None
    """Null leaves out what the task has out of distribution."""
    title: Text | None = None
    """One line."""
    summary: Text | None = None
    """What is done, in a few sentences."""
    paper: StudyPaper | None = None
    """What differs from the study's paper, as a rule the section."""
    published_as: Text | None = None
    """The reference tables' word for the method, where it is not the method's key."""
    apart: Text | None = None
    """Why the study as a whole leaves this experiment out."""
    seed: FromZero | None = None
    """Takes the place of the study's."""
    priors: PriorSetting | None = None
    sensitivity: dict[str, Any] | None = None
    """By field (`post_training.pairs_per_problem`): values that are as plausible, and the reason; null: none."""
    source: Text | None = None
    """Where in the paper the experiment's values stand."""
    assumed: Any = None
    """Why these values: one reason, or a reason by path."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One paper, or one experiment of your own: models, tasks and methods once, and the experiments made of them."""

    schema: Literal[2]
    """Version of this format."""
    name: Name
    """The study's name."""
    version: Count
    """1, or more for a correction."""
    title: Text
    """One line."""
    summary: Text
    """What is done and what is claimed, in a few sentences."""
    corrects: Text | None = None
    """What this version corrects in the one before."""
    paper: StudyPaper
    """What the study comes from."""
    protocol: Text
    """The procedure that the experiments follow."""
    seed: FromZero | None = None
    """Every other seed follows from it."""
    tables: Text | None = None
    """The folder of reference tables that claims and figures name without `.csv`."""
    models: dict[str, Any]
    """By id: `hub: REPO@REVISION`, an `asset` or a `path`."""
    tasks: dict[str, StudyTask]
    """By key: the problems, the prompt and the grading."""
    methods: dict[str, StudyMethod]
    """By key: what a method changes."""
    experiments: dict[str, StudyExperiment]
    """By name: a task with a method."""
    judging: Any = None
    """What every claim of rows has that does not say otherwise: `rows`."""
    priors: PriorSetting | None = None
    published: Any = None
    """Where the paper's own numbers stand, for claims across experiments."""
    families: dict[str, Any] | None = None
    """By name: models that are compared with each other, as a rule the smallest first."""
    compute: dict[str, Any] | None = None
    """By model: floating-point operations of its pre-training."""
    claims: dict[str, Any]
    """By id: what the paper says, of an experiment or, with `holds`, across them."""
    sensitivity: dict[str, Any] | None = None
    """By field (`post_training.pairs_per_problem`): values that are as plausible, and the reason; null: none."""
    figures: dict[str, Any] | None = None
    """By id: the paper's figures and tables, drawn from a run beside the paper's numbers."""


def study_schema(tables: Tables) -> Fragment:
    """The schema of study files of all protocols; ``tables`` as in ``json_schema``."""
    resolved = [json_schema(PROTOCOLS[name].manifest, "", tables) for name in BLOCKS]
    made = json_schema(Study, STUDY_SCHEMA, tables)
    blocks = _blocks([_loosened(each) for each in resolved])
    inner = {name: block for schema in (made, *resolved) for name, block in _loosened(schema["$defs"]).items()}
    own = {each.__name__: made["$defs"][each.__name__] for each in (StudyTask, StudyMethod, StudyExperiment)}
    study = made | {"$defs": inner | own}
    study["properties"]["protocol"]["enum"] = list(BLOCKS)
    for holder in (study, *own.values()):
        holder["properties"] = blocks | holder["properties"]
    return study


def _blocks(resolved: list[Fragment]) -> dict[str, Fragment]:
    """The blocks that a study may hold in part, by name: a protocol's, or the alternatives of several protocols."""
    found: dict[str, list[Fragment]] = {name: [] for names in BLOCKS.values() for name in names}
    for schema in resolved:
        for name, fragment in schema["properties"].items():
            if name in found and fragment not in found[name]:
                found[name].append(fragment)
    return {name: each[0] if len(each) == 1 else {"anyOf": each or [{}]} for name, each in found.items()}


def _loosened(schema: Any) -> Any:
    """The schema of a part: nothing required, nothing refused that may be a short form; plain values as they were."""
    if isinstance(schema, list):
        return [_loosened(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _loosened_keyword(key, value) for key, value in schema.items() if not _is_loose(key, value)}


def _loosened_keyword(key: str, value: Any) -> Any:
    if key in ("properties", "$defs") and isinstance(value, Mapping):
        return {name: _loosened(fragment) for name, fragment in value.items()}
    return _loosened(value)


def _is_loose(key: str, value: Any) -> bool:
    """Whether a keyword demands what a part or a short form lacks; a schema of values by name demands nothing."""
    if key == "type":
        return not {"object", "array"}.isdisjoint(value if isinstance(value, list) else [value])
    return key in _LOOSE and not isinstance(value, dict)
