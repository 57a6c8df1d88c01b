"""Facts that change no result come from the catalogue, by a model's revision or a data set's digest."""

from pathlib import Path

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.study_catalogue import with_facts
from selfimp_bench.manifest.study_tree import plain, planted

CATALOGUE = """\
models:
  source: a card
  org/model@abc: {layers: 2}
datasets:
  - {of: d1, characters: {mean: 7}}
  - {of: {hub: org/data@abc, split: test}, characters: {mean: 9}}
"""


def facts(folder: Path, block: str, data: object, text: str = CATALOGUE) -> object:
    file = folder / "catalogue.yaml"
    file.write_text(text, encoding="utf-8")
    node = with_facts({block: planted(data)}, file)[block]  # type: ignore[arg-type]
    assert node is not None
    return plain(node)


def test_a_model_s_facts_are_those_of_its_revision(tmp_path: Path) -> None:
    models = [{"repo": "org/model", "revision": "abc"}, {"repo": "org/model", "revision": "def"}, {"asset": "a"}]
    found = facts(tmp_path, "models", models)
    assert found == [models[0] | {"architecture": {"layers": 2, "source": "a card"}}, *models[1:]]


def test_a_data_set_s_facts_are_those_of_its_digest_or_of_its_revision_and_split(tmp_path: Path) -> None:
    test = {"repo": "org/data", "revision": "abc", "split": "test"}
    data = {"a": {"digest": "d1"}, "b": test, "c": test | {"split": "train"}, "d": {"digest": "d2"}}
    found = facts(tmp_path, "datasets", data)
    assert isinstance(found, dict)
    own = {key: block.get("characters") for key, block in found.items()}
    assert own == {"a": {"mean": 7}, "b": {"mean": 9}, "c": None, "d": None}


def test_what_a_study_says_itself_stays(tmp_path: Path) -> None:
    said = {"a": {"digest": "d1", "characters": {"mean": 1}}}
    assert facts(tmp_path, "datasets", said) == said


def test_a_flawed_catalogue_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"catalogue\.yaml: not a catalogue"):
        facts(tmp_path, "models", [], "models: 3\n")
