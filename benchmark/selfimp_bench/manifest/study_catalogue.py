"""Facts about models and data sets that change no result, kept once for all studies in ``manifests/catalogue.yaml``.

    models: {REPO@REVISION: an architecture}, and one ``source`` of them all
    datasets: a list of row lengths (``characters``), each of the data sets ``of`` a digest, or of {hub, split}

They are laid under what a study says of the same model or data set itself, for what a plan forecasts.
"""

from functools import cache
from pathlib import Path

import msgspec

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.study_tree import Node, made, mapping, plain, sequence
from selfimp_bench.manifest.yaml_source import UnreadableYaml, read_yaml
from selfimp_bench.places import MANIFESTS

FILE = MANIFESTS / "catalogue.yaml"


class _Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    of: str | dict[str, str]
    characters: dict[str, float | int | str]


class _Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    models: dict[str, dict[str, int | str] | str]
    datasets: list[_Facts]


def with_facts(blocks: dict[str, Node | None], file: Path = FILE) -> dict[str, Node | None]:
    """The blocks of an experiment with the catalogue's facts about its models and data sets."""
    datasets = blocks.get("datasets")
    catalogue = _read(file)
    found = dict(blocks)
    for block in ("models", "verifier_models"):
        models = blocks.get(block)
        if models is not None:
            found[block] = sequence([_model(model, catalogue) for model in models.items], models)
    if datasets is not None:
        found["datasets"] = mapping(
            {key: _dataset(node, catalogue) for key, node in datasets.entries.items()}, datasets
        )
    return found


def _model(model: Node, catalogue: _Catalogue) -> Node:
    repo, revision = model.get("repo"), model.get("revision")
    facts = None if repo is None or revision is None else catalogue.models.get(f"{repo.value}@{revision.value}")
    if not isinstance(facts, dict):
        return model
    source = catalogue.models.get("source")
    return _under(model, "architecture", dict(facts) | ({"source": source} if isinstance(source, str) else {}))


def _dataset(dataset: Node, catalogue: _Catalogue) -> Node:
    data = plain(dataset)
    if not isinstance(data, dict):
        return dataset
    words = {"hub": f"{data.get('repo')}@{data.get('revision')}", "split": data.get("split")}
    for each in catalogue.datasets:
        if each.of == data.get("digest") or (isinstance(each.of, dict) and each.of.items() <= words.items()):
            return _under(dataset, "characters", dict(each.characters))
    return dataset


def _under(block: Node, key: str, facts: object) -> Node:
    if facts is None or key in block.entries:
        return block
    return Node(value=block.entries | {key: made(facts, block)}, place=block.place)


@cache
def _read(file: Path) -> _Catalogue:
    """The catalogue; an empty one where there is no such file. Raises InputError for a flawed one."""
    if not file.is_file():
        return _Catalogue(models={}, datasets=[])
    try:
        source = read_yaml(file)
        return msgspec.convert(source.data, _Catalogue)
    except UnreadableYaml as unreadable:
        at = unreadable.position
        raise InputError(f"{file}:{at.line}:{at.column}: {unreadable.message}") from None
    except msgspec.ValidationError as error:
        raise InputError(f"{file}: not a catalogue ({error}); correct it") from None
