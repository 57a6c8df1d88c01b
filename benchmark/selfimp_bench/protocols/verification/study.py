"""The blocks of one verification experiment, out of a study file.

What is shorter there than in the resolved form, in the words that measurements' names have (``cells.py``):

    selections        {mc: [q0.8, t0.8], cot-score: [t8], tournament: [r5]}: which verifiers are used, and with what
    verification      {mc: {kind, labels}, ...}: what each verifier is; ``judging`` is that of all that write
    file              PATH@SHA256, of a prompt and of a verifier
    ensembles         [[mc.q0.8, cot-binary.t1], ...]
    measure           ``correlate: [mc.q0.8, tournament]``
    self_improvement  ``kept_by: cot-binary.t1``, or ``cot-binary@qwen1.5-72b.t1`` where another model judges; ``file``
                      is the prompt's unless it says otherwise

An experiment trains if its method or itself says something of ``self_improvement``; otherwise ``sft``, ``dpo`` and what
``engines`` says of training are not its. ``verifier_models`` picks some of the study's models, which only verify.
"""

import re
from dataclasses import replace
from typing import Final

import msgspec

from selfimp_bench.manifest.fault import nearest, shown
from selfimp_bench.manifest.measured import MeasuredCell
from selfimp_bench.manifest.study import (
    Entry,
    dataset_of,
    head,
    inner_reasons,
    layered,
    models_of,
    of_task,
    shared_words,
    whole_block,
    with_assumed,
    without_reasons,
)
from selfimp_bench.manifest.study_tree import Misfit, Node, made, mapping, merged, plain, sequence
from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.protocols.verification.cells import verification_cells
from selfimp_bench.protocols.verification.manifest import SELF, VerificationManifest, VerifierKind

BLOCKS: Final = (
    "verifiers", "verifier_models", "generation", "temperatures", "selections", "verification", "ensembles",
    "self_improvement", "sft", "dpo", "lora", "engines", "measure",
)  # fmt: skip
"""What a study, a task, a method and an experiment may hold besides what all protocols share."""

_JUDGING: Final = "judging"
_OF_TRAINING: Final = ("distributed", "micro_batch_size", "trainer")
_SELECTION: Final = re.compile(r"([qtw])(\d+(?:\.\d+)?)")
_SELECTIONS: Final = {"q": "quantile", "t": "threshold", "w": "reweight"}
_ROUNDS: Final = re.compile(r"r(\d+)")
_FILE: Final = re.compile(r"(?P<path>.+)@(?P<sha256>[0-9a-f]{64})")
_FILTER: Final = re.compile(r"(?P<verifier>[^@.\s]+)(?:@(?P<model>\S+?))?(?:\.(?P<selection>[qtw]\d+(?:\.\d+)?))?")


def verification_blocks(entry: Entry) -> dict[str, Node | None]:
    """The resolved manifest of one experiment, less its claims and figures. Raises Misfit."""
    improvement = _self_improvement(entry) if _trains(entry) else None
    return head(entry) | {
        "models": models_of(entry),
        "verifiers": whole_block(entry, "verifiers") or made([SELF], entry.node),
        "verifier_models": _verifier_models(entry),
        "datasets": _datasets(entry, improvement),
        "prompt": _prompt(entry),
        "grading": of_task(entry.task_node, "grading"),
        "generation": layered(entry, "generation"),
        "temperatures": whole_block(entry, "temperatures"),
        "verification": _verification(entry),
        "ensembles": _ensembles(entry),
        "self_improvement": improvement,
        "sft": layered(entry, "sft") if _method_of(improvement) == "rejection" else None,
        "dpo": _dpo(entry) if _method_of(improvement) == "rpo" else None,
        "lora": layered(entry, "lora") if improvement is not None else None,
        "engines": _engines(layered(entry, "engines"), trains=improvement is not None),
        "measure": _measure(layered(entry, "measure")),
    }


def verification_blocks_cells(data: dict[str, Json]) -> tuple[MeasuredCell, ...]:
    """What a run of these blocks measures; nothing where they are flawed."""
    try:
        return verification_cells(msgspec.convert(data | {"claims": [], "figures": None}, VerificationManifest))
    except (msgspec.ValidationError, ValueError):
        return ()


def _trains(entry: Entry) -> bool:
    return any(layer.get("self_improvement") is not None for layer in (entry.method_node, entry.node))


def _method_of(improvement: Node | None) -> Json:
    method = None if improvement is None else improvement.get("method")
    return None if method is None else plain(method)


def _verifier_models(entry: Entry) -> Node | None:
    picked = whole_block(entry, "verifier_models")
    if picked is None:
        return None
    node = mapping({"models": picked}, entry.node)
    return models_of(replace(entry, node=node))


def _datasets(entry: Entry, improvement: Node | None) -> Node:
    split = None if improvement is None else improvement.get("split")
    train = dataset_of(entry.task, entry.task_node, "train") if split is not None and split.value == "train" else None
    return mapping({"test": dataset_of(entry.task, entry.task_node, "test"), "train": train}, entry.task_node)


def _prompt(entry: Entry) -> Node | None:
    """The task's prompt; what its tokens are with each model need not be known."""
    prompt = of_task(entry.task_node, "prompt")
    if prompt is None:
        return None
    whole = {"canaries": made([], prompt)} | prompt.entries | {"file": _file(prompt.need("file"))}
    return _canaries(Node(value=whole, place=prompt.place), entry)


def _file(node: Node) -> Node:
    """``PATH@SHA256`` as its two keys. Raises Misfit."""
    if not isinstance(node.value, str):
        return node
    match = _FILE.fullmatch(node.text)
    if match is None:
        raise Misfit(node, f"expected PATH@SHA256, a prompt file beside the manifest, found {shown(node.text)}")
    return made({"path": match["path"], "sha256": match["sha256"]}, node)


def _canaries(prompt: Node, entry: Entry) -> Node:
    """Only those of the experiment's models, of which some may only verify."""
    only_verify = _verifier_models(entry)
    models = [*models_of(entry).items, *([] if only_verify is None else only_verify.items)]
    names = {model.need("id").text for model in models}
    canaries = prompt.need("canaries")
    kept = [each for each in canaries.items if each.need("model").text in names]
    return Node(value=prompt.entries | {"canaries": sequence(kept, canaries)}, place=prompt.place)


# ---- verifiers ----


def _verification(entry: Entry) -> Node | None:
    used, known = layered(entry, "selections"), layered(entry, "verification")
    if used is None or known is None:
        return None
    names = [name for name in known.entries if name not in (_JUDGING, "source", "assumed")]
    methods = []
    for name, selections in used.entries.items():
        if name in ("source", "assumed") or selections.value is None:
            continue
        if name not in names:
            raise Misfit(selections, f"{shown(name)} is none of verification; {nearest(name, names)}", on_key=True)
        methods.append(_verifier(name, known, selections, used))
    return sequence(methods, used)


def _of_all(used: Node) -> dict[str, Node]:
    """The reason for the selections of all verifiers."""
    assumed = used.get("assumed")
    return {"": assumed} if assumed is not None and isinstance(assumed.value, str) else {}


def _verifier(name: str, known: Node, selections: Node, used: Node) -> Node:
    """A verifier; of two reasons for a part of it, the one that speaks of it alone is shown."""
    node = known.need(name)
    is_tournament = plain(node.need("kind")) == VerifierKind.TOURNAMENT
    judging, of_all = known.get(_JUDGING), _of_all(used)
    writes = plain(node.need("kind")) != VerifierKind.MULTIPLE_CHOICE
    of_judging = inner_reasons(known, _JUDGING) if writes else {}
    field = "rounds" if is_tournament else "selections"
    general = ({_JUDGING: of_judging[""]} if "" in of_judging else {}) | ({field: of_all[""]} if "" in of_all else {})
    chosen = inner_reasons(used, name)
    reasons = general | inner_reasons(known, name) | ({field: chosen[""]} if "" in chosen else {})
    given = {
        "id": made(name, node),
        "kind": node.need("kind"),
        "file": _file(node.need("file")),
        "labels": node.get("labels"),
        "judging": merged(judging, node.get(_JUDGING)) if writes else None,
        "rounds": _rounds(selections) if is_tournament else None,
        "selections": None if is_tournament else sequence([_selection(each) for each in selections.items], selections),
        "source": node.get("source") or known.get("source"),
        "assumed": node.get("assumed"),
    }
    return with_assumed(mapping(given, node), reasons)


def _rounds(selections: Node) -> Node:
    (only,) = selections.items if len(selections.items) == 1 else (selections,)
    match = _ROUNDS.fullmatch(only.text)
    if match is None:
        raise Misfit(only, f"expected the rounds of a tournament, such as r5, found {shown(only.text)}")
    return made(int(match[1]), only)


def _selection(node: Node) -> Node:
    return made(_selection_of(node.text, node), node)


def _selection_of(text: str, node: Node) -> dict[str, Json]:
    match = _SELECTION.fullmatch(text)
    if match is None:
        raise Misfit(
            node,
            f"expected a selection such as q0.8 (quantile), t8 (threshold) or w0.5 (reweight), found {shown(text)}",
        )
    return {_SELECTIONS[match[1]]: float(match[2])}


def _filter(node: Node) -> dict[str, Json]:
    """``mc.q0.8`` as the resolved form has it; with ``@MODEL`` it names who judges."""
    match = _FILTER.fullmatch(node.text)
    if match is None:
        raise Misfit(node, f"expected a verifier and a selection such as mc.q0.8, found {shown(node.text)}")
    found: dict[str, Json] = {"verifier": match["verifier"]}
    found |= {"model": match["model"]} if match["model"] else {}
    return found | ({"selection": _selection_of(match["selection"], node)} if match["selection"] else {})


def _ensembles(entry: Entry) -> Node | None:
    listed = whole_block(entry, "ensembles")
    if listed is None:
        return None
    source = entry.node.get("source") or entry.method_node.get("source")
    return sequence(
        [
            mapping(
                {"members": sequence([made(_filter(each), each) for each in item.items], item), "source": source}, item
            )
            for item in listed.items
        ],
        listed,
    )


# ---- training and measuring ----


def _self_improvement(entry: Entry) -> Node | None:
    whole = layered(entry, "self_improvement")
    if whole is None:
        return None
    prompt = entry.task_node.need("prompt").need("file")
    kept_by = whole.get("kept_by")
    given = mapping({"file": prompt} | dict(whole.entries), whole)
    given = Node(value=given.entries | {"file": _file(given.need("file"))}, place=given.place)
    if kept_by is not None and kept_by.value is not None:
        own_judge: dict[str, Json] = {"model": SELF}
        named = made(own_judge | _filter(kept_by), kept_by)
        given = Node(value=given.entries | {"kept_by": named}, place=given.place)
    shared = shared_words(given, ("sampling",), keeps=True)
    unused = [key for key in ("kept_by", "pairs") if shared.get(key) is None]
    return without_reasons(shared, unused)


def _dpo(entry: Entry) -> Node | None:
    """What dpo does not say of its optimisation is as for sft; what it says itself does not have sft's reason."""
    dpo = layered(entry, "dpo")
    if dpo is None:
        return None
    whole = shared_words(dpo, ("optimisation",), keeps=True)
    sft, own = layered(entry, "sft"), whole.get("optimisation")
    below = sft if sft is None or own is None else without_reasons(sft, tuple(own.entries))
    optimisation = merged(below, own) or dpo
    return Node(value=whole.entries | {"optimisation": optimisation}, place=dpo.place)


def _engines(engines: Node | None, *, trains: bool) -> Node | None:
    """Without the settings of vLLM where it does not sample, and what is said of training where nothing is trained."""
    if engines is None:
        return None
    shared = shared_words(engines, ("vllm",), keeps=True)
    dropped = set() if shared.need("sampler").value == "vllm" else {"vllm"}
    if not trains:
        shared = without_reasons(shared, _OF_TRAINING)
        dropped.add("distributed")
    return Node(value={key: item for key, item in shared.entries.items() if key not in dropped}, place=shared.place)


def _measure(measure: Node | None) -> Node | None:
    correlate = None if measure is None else measure.get("correlate")
    if measure is None:
        return None
    if correlate is None:
        return without_reasons(measure, ("correlate",))
    filters = sequence([made(_filter(each), each) for each in correlate.items], correlate)
    return Node(value=measure.entries | {"correlate": filters}, place=measure.place)
