"""A study file: one paper, or one experiment of your own, as people write it (``schema: 2``).

What is said once, and how it becomes the resolved experiment of every name (the dataclasses of ``model.py``, and of a
protocol's own manifest), which is what runs record and are judged by:

    schema, name, version, title, summary, corrects, paper, protocol, seed    of the whole study
    tables        the folder under reference_results/ whose tables claims and figures name without ``.csv``
    models        id: the model, with ``hub: REPO@REVISION`` or an asset or a path
    tasks         key: train, test, prompt and grading; ``ood`` names the task whose ``test`` is out of distribution
    methods       key: what a method changes
    experiments   name: {task, method, models}; ``models`` picks some of the study's or a family, or gives its own;
                  ``ood: null`` leaves out what the task has out of distribution; ``apart`` says why
                  ``reproduce STUDY`` leaves the experiment out
    BLOCK         any block of the protocol's resolved manifest: sampling, engines, measure ...
    judging       ``rows``: what every ``rows`` has that does not say otherwise (table, against, problems)
    priors        the setting of ``priors.csv``, how far seeds alone move a measurement (``priors.py``); a method or
                  an experiment may have its own
    published, families, compute     what claims across experiments need (``claims_across.py``)
    claims        id: one claim, in the language of ``claims_within.py``; with ``holds`` it is across experiments
    figures       id: one figure or table of the paper (``study_figures.py``)
                  claims and figures: ``each: {WORD: ...}`` says what several, ID.WORD, do not have in common

A task, a method and an experiment may each hold any BLOCK, too: keys that are given there take the place of the
study's (``merged``: key by key, lists whole). ``published_as`` of a task or an experiment is the word that reference
tables have for its data set or its method, where that is not the task's or the method's key.

Where values come from: ``source`` and ``assumed``, of a block or of models, a task, a method or an experiment as a
whole. A key of ``assumed`` is a path, ``prompt.template``, or several with commas between them; of a block that an
experiment does not use no reason is shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.manifest.fault import nearest, shown
from selfimp_bench.manifest.study_tree import Misfit, Node, made, mapping, merged, plain, sequence
from selfimp_bench.manifest.yaml_scalar import Json

OF_STUDY = (
    "schema", "name", "version", "title", "summary", "corrects", "paper", "protocol", "seed", "tables", "models",
    "tasks", "methods", "experiments", "judging", "priors", "published", "families", "compute", "claims", "figures",
    "sensitivity",
)  # fmt: skip
OF_TASK = ("train", "test", "ood", "prompt", "grading", "published_as", "title", "sensitivity", "source", "assumed")
OF_METHOD = ("title", "priors", "sensitivity", "source", "assumed")
OF_EXPERIMENT = (
    "task", "method", "models", "ood", "title", "summary", "paper", "published_as", "apart", "seed", "priors",
    "sensitivity", "source", "assumed",
)  # fmt: skip
_WORDS = ("source", "assumed")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One experiment of a study with the task and the method that it names; all are parts of the study's tree."""

    study: Node
    name: str
    node: Node
    task: str
    task_node: Node
    method: str
    method_node: Node

    @property
    def layers(self) -> tuple[Node, ...]:
        """What may hold blocks, the later over the earlier."""
        return (self.study, self.task_node, self.method_node, self.node)

    @property
    def method_word(self) -> str:
        """What the study's own reference tables call the method."""
        word = self.node.get("published_as")
        return self.method if word is None else word.text


def is_study(data: Json) -> bool:
    """Whether a document is a study file, and not one resolved experiment."""
    if not isinstance(data, dict) or data.get("kind") == "suite":
        return False
    return isinstance(data.get("experiments"), dict) or (
        data.get("schema") == 2 and not isinstance(data.get("models"), list)
    )


def experiment_names(data: Json) -> tuple[str, ...]:
    """The experiments of a study file, by its plain data; none where it has none that can be read."""
    experiments = data.get("experiments") if isinstance(data, dict) else None
    return tuple(experiments) if isinstance(experiments, dict) else ()


def entry(study: Node, name: str) -> Entry:
    """The experiment of this name. Raises Misfit for a task or a method that the study does not have."""
    node = study.need("experiments").need(name)
    task, task_node = _named(study, "tasks", node.need("task"))
    method, method_node = _named(study, "methods", node.need("method"))
    return Entry(
        study=study, name=name, node=node, task=task, task_node=task_node, method=method, method_node=method_node
    )


def _named(study: Node, block: str, node: Node) -> tuple[str, Node]:
    known = {key: item for key, item in study.need(block).entries.items() if key not in _WORDS}
    if node.text not in known:
        raise Misfit(node, f"{shown(node.text)} is none of {block}; {nearest(node.text, list(known))}")
    return node.text, known[node.text]


def ood_task(entry_: Entry) -> tuple[str, Node] | None:
    """The task that is out of distribution for an experiment's; None where it names none."""
    named = entry_.node.get("ood") or entry_.task_node.get("ood")
    return None if named is None or named.value is None else _named(entry_.study, "tasks", named)


def task_word(key: str, task: Node) -> str:
    """What reference tables call a task's data set."""
    word = task.get("published_as")
    return key if word is None else word.text


# ---- blocks ----


def layered(entry_: Entry, block: str) -> Node | None:
    """A block as an experiment has it: the study's, under its task's, its method's and its own; None if none has it."""
    own = [part(layer, block) for layer in entry_.layers[1:]]
    base = entry_.study.get(block)
    return merged(None if base is None else with_reasons(base), *own)


def whole_block(entry_: Entry, block: str) -> Node | None:
    """A block that is a list or one value: the experiment's, else its method's, its task's or the study's."""
    return next((found for layer in reversed(entry_.layers) if (found := layer.get(block)) is not None), None)


def part(layer: Node, block: str) -> Node | None:
    """What a task, a method or an experiment says of a block, with the reasons that it gives in its own ``assumed``."""
    found = layer.get(block)
    given = inner_reasons(layer, block)
    if found is None:
        return mapping({"assumed": mapping(given, layer)}, layer) if given else None
    if found.value is None:
        return found
    return with_assumed(with_reasons(found), given)


def reasons(node: Node) -> dict[str, Node]:
    """The reasons of a block by path, one path a key; none where ``assumed`` is one text for the whole block."""
    assumed = node.get("assumed")
    if assumed is None or not isinstance(assumed.value, dict):
        return {}
    return {path.strip(): reason for paths, reason in assumed.entries.items() for path in paths.split(",")}


def inner_reasons(node: Node, child: str) -> dict[str, Node]:
    """The reasons that a block gives for parts of its child, by their paths within the child; "" is the whole child."""
    found = reasons(node)
    inside = {path.removeprefix(f"{child}."): reason for path, reason in found.items() if path.startswith(f"{child}.")}
    return inside | ({"": found[child]} if child in found else {})


def with_reasons(node: Node) -> Node:
    """The block with its paths of several, ``a, b: why``, taken apart."""
    given = reasons(node)
    return (
        Node(value=node.entries | {"assumed": mapping(given, node.need("assumed"))}, place=node.place)
        if given
        else node
    )


def with_assumed(node: Node, given: Mapping[str, Node]) -> Node:
    """The block with these reasons beside its own; a reason for the whole block counts where it has no other."""
    own = node.get("assumed")
    fields = {path: reason for path, reason in given.items() if path}
    if fields:
        below = own if own is not None and isinstance(own.value, dict) else None
        assumed: Node | None = merged(mapping(fields, node), below)
    else:
        assumed = own or given.get("")
    return node if assumed is None else Node(value=node.entries | {"assumed": assumed}, place=node.place)


def without_reasons(node: Node, paths: Sequence[str]) -> Node:
    """The block without its reasons for these paths."""
    kept = {path: reason for path, reason in reasons(node).items() if path not in paths}
    assumed = node.get("assumed")
    if assumed is None or not isinstance(assumed.value, dict):
        return node
    entries = {key: item for key, item in node.entries.items() if key != "assumed"}
    return Node(value=entries | ({"assumed": mapping(kept, assumed)} if kept else {}), place=node.place)


def shared_words(node: Node, children: Sequence[str], *, keeps: bool) -> Node:
    """The block with its source, and its reasons for parts of these children, handed to the children.

    keeps: whether the block has a source and reasons of its own, too; otherwise all of its children share its source.
    """
    entries = dict(node.entries)
    source: Node | None = entries.get("source")
    for child in children:
        block = entries.get(child)
        if block is None or not isinstance(block.value, dict):
            continue
        block = with_assumed(with_reasons(block), inner_reasons(node, child))
        own_words = "source" in block.entries or (keeps and "assumed" in block.entries)
        entries[child] = block if own_words or source is None else mapping(block.entries | {"source": source}, block)
    given = [path for path in reasons(node) if path.partition(".")[0] in children]
    own = without_reasons(Node(value=entries, place=node.place), given)
    if keeps:
        return own
    return mapping({key: item for key, item in own.entries.items() if key not in _WORDS}, node)


def sensitivity_of(entry_: Entry, blocks: Mapping[str, Node | None]) -> Node | None:
    """What may be varied of an experiment, as a list: the study's, its task's, its method's and its own, by field.

    Null takes away what a layer below lists. Raises Misfit for a field that is no single value of the blocks.
    """
    given = merged(*(layer.get("sensitivity") for layer in entry_.layers))
    if given is None:
        return None
    listed = [(field, node) for field, node in given.entries.items() if node.value is not None]
    for field, node in listed:
        first, *keys = field.split(".")
        found = blocks.get(first)
        for key in keys:
            found = found.get(key) if found is not None and isinstance(found.value, dict) else None
        if found is None or isinstance(found.value, dict | list) or not keys:
            raise Misfit(node, f"{shown(field)} is no single value of {entry_.name}; write its keys, joined by dots")
        values = node.get("values")
        if (
            values is not None
            and isinstance(values.value, list)
            and plain(found) in [plain(one) for one in values.items]
        ):
            raise Misfit(values, f"{shown(plain(found))} is the value that {entry_.name} has; list others")
    each = [Node(value={"field": made(field, node)} | node.entries, place=node.place) for field, node in listed]
    return sequence(each, given) if each else None


# ---- several of one kind ----


def each_of(several: Node | None) -> Iterator[tuple[str, Node]]:
    """Claims or figures by their ids. One with ``each: {WORD: ...}`` stands for several, ID.WORD, of what is common to
    them, and what each has of its own laid over it."""
    for name, node in several.entries.items() if several is not None else ():
        words = node.get("each") if isinstance(node.value, dict) else None
        if words is None:
            yield name, node
            continue
        common = Node(value={key: item for key, item in node.entries.items() if key != "each"}, place=node.place)
        for word, own in words.entries.items():
            yield f"{name}.{word}", merged(common, own) or common


# ---- models and data sets ----


def models_of(entry_: Entry) -> Node:
    """The experiment's models as a list of blocks: the study's, those of them that it picks, or its own."""
    own = entry_.node.get("models")
    if own is not None and isinstance(own.value, dict):
        return sequence(list(_models(own)), own)
    study = entry_.study.need("models")
    if own is None:
        return sequence(list(_models(study)), study)
    known = {model.need("id").text: model for model in _models(study)}
    picked = of_family(own, entry_.study)
    for item in picked.items:
        if item.text not in known:
            raise Misfit(item, f"{shown(item.text)} is none of models; {nearest(item.text, list(known))}")
    return sequence([known[item.text] for item in picked.items], own)


def of_family(models: Node, study: Node) -> Node:
    """Models as a list: as they are listed, or those of the study's family that a text names. Raises Misfit."""
    if not isinstance(models.value, str):
        return models
    families = study.get("families")
    known = {} if families is None else families.entries
    if models.text not in known:
        raise Misfit(models, f"{shown(models.text)} is none of families; {nearest(models.text, list(known))}")
    return made(plain(known[models.text]), models)


def _models(models: Node) -> Iterator[Node]:
    shared = reasons(models)
    source = models.get("source")
    for name, node in models.entries.items():
        if name in _WORDS:
            continue
        mine = {path: reason for path, reason in shared.items() if path in node.entries} | inner_reasons(models, name)
        block = with_assumed(node, mine)
        given = mapping({"id": made(name, node), "source": source}, node)
        yield with_hub(Node(value=given.entries | block.entries, place=node.place))


def dataset_of(key: str, task: Node, split: str) -> Node | None:
    """The data set of a task's split as a block with an id, its source and its reasons; None where there is none."""
    found = part(task, split)
    if found is None or found.value is None:
        return None
    given = mapping({"id": made(f"{key}-{split}", found), "source": task.get("source")}, found)
    block = with_hub(Node(value=given.entries | found.entries, place=found.place))
    config = block.get("config")
    if config is None:
        return block
    entries = {name: item for name, item in block.entries.items() if name != "config"}
    return Node(value=entries | {"configs": sequence([config], config)}, place=block.place)


def of_task(task: Node, block: str) -> Node | None:
    """A block that a task has to itself (its prompt, its grading), with the task's source where it has none."""
    found = part(task, block)
    source = task.get("source")
    if found is None or found.value is None or "source" in found.entries or source is None:
        return found
    return Node(value=found.entries | {"source": source}, place=found.place)


def with_hub(block: Node) -> Node:
    """``hub: REPO@REVISION`` as the two keys ``repo`` and ``revision``; a reason for it is one for the revision."""
    hub = block.get("hub")
    if hub is None:
        return block
    repo, at, revision = hub.text.partition("@")
    if not at:
        raise Misfit(hub, f"expected REPO@REVISION, found {shown(hub.text)}")
    entries = {key: item for key, item in block.entries.items() if key != "hub"}
    assumed = entries.get("assumed")
    if assumed is not None and isinstance(assumed.value, dict):
        renamed = {"revision" if path == "hub" else path: reason for path, reason in assumed.entries.items()}
        entries["assumed"] = Node(value=renamed, place=assumed.place)
    return Node(value={"repo": made(repo, hub), "revision": made(revision, hub)} | entries, place=block.place)


# ---- the head of a resolved experiment ----


def head(entry_: Entry) -> dict[str, Node | None]:
    """What a resolved experiment says of itself: name, version, title, summary, paper, protocol and seed."""
    study, node = entry_.study, entry_.node
    return {
        "schema": made(1, study),
        "name": made(entry_.name, node),
        "version": study.need("version"),
        "title": node.get("title") or _title(entry_),
        "summary": node.get("summary") or study.need("summary"),
        "corrects": study.get("corrects"),
        "paper": merged(study.need("paper"), node.get("paper")),
        "protocol": study.need("protocol"),
        "seed": node.get("seed") or study.need("seed"),
        "priors": whole_block(entry_, "priors"),
    }


def _title(entry_: Entry) -> Node:
    method, task = entry_.method_node.get("title"), entry_.task_node.get("title")
    if method is None or task is None:
        return made(entry_.name, entry_.node)
    return made(f"{method.text} on {task.text}", entry_.node)


def cited(study: Node, source: Node | None) -> Node | None:
    """The source of a claim or a figure: a place in the paper, with the paper's id where it is a published one."""
    paper = study.need("paper")
    if source is None or paper.get("url") is None:
        return source
    return Node(value=f"{paper.need('id').text}, {source.text}", place=source.place)


def check_keys(study: Node, blocks: Sequence[str]) -> Iterator[Misfit]:
    """Keys that a study of a protocol with these blocks cannot have, wherever they stand."""
    yield from unknown_keys(study, (*OF_STUDY, *blocks))
    for of, known in (("tasks", OF_TASK), ("methods", OF_METHOD), ("experiments", OF_EXPERIMENT)):
        parts = study.get(of)
        for key, node in (parts.entries if parts is not None and isinstance(parts.value, dict) else {}).items():
            if key not in _WORDS:
                yield from unknown_keys(node, (*known, *blocks))


def unknown_keys(node: Node, known: Sequence[str]) -> Iterator[Misfit]:
    """A Misfit for every key that is not among ``known``, with the nearest of them; one for what is no mapping."""
    if not isinstance(node.value, dict):
        yield Misfit(node, "expected a mapping")
        return
    for key, item in node.value.items():
        if key not in known:
            yield Misfit(item, f"unknown key {shown(key)}; {nearest(key, list(known))}", on_key=True)
