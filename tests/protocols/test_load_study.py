"""A study file: what its words become, and where what is wrong with it is reported."""

from pathlib import Path

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import Place
from selfimp_bench.manifest.model import Manifest
from selfimp_bench.manifest.yaml_source import read_yaml
from selfimp_bench.manifest.yaml_text import yaml_text
from selfimp_bench.places import MANIFESTS
from selfimp_bench.protocols.load import find_flaws, load_across, load_experiment

TINY = MANIFESTS / "tiny" / "tiny.v1.yaml"


def changed(folder: Path, old: str, new: str) -> Path:
    """The shipped miniature with one text replaced, in another folder."""
    text = TINY.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = folder / TINY.name
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def tiny(name: str, path: Path = TINY) -> Manifest:
    manifest = load_experiment(Place(path=path, experiment=name)).manifest
    assert isinstance(manifest, Manifest)
    return manifest


@pytest.mark.parametrize(
    ("old", "new", "where", "words"),
    [
        ("pooling: current", "polling: current", "$.post_training", "unknown key"),
        ("warmup_ratio: 0.03", "warmup_ratio: often", "$.sft.warmup_ratio", "expected a number"),
        (
            "task: tiny-gsm\n    method: iter-dpo",
            "task: tiny-gms\n    method: iter-dpo",
            ".task",
            "did you mean tiny-gsm?",
        ),
        ("    above: [pass@1 t=last, pass@1 t=1]", "    above: [pass@1 x=5, pass@1 t=1]", ".above[0]", "is unknown in"),
        ("rows: {metric: pass@1, split: test,", "rows: {metrics: pass@1,", ".rows.metrics", "did you mean metric?"),
        ("rows: {metric: coverage,", "rows: {metric: coverag,", ".rows.metric", "did you mean coverage?"),
        (
            "trend: {of: distinct-n.correct, goes: down}",
            "trend: {of: distinct-n.corect, goes: down}",
            ".trend.of",
            "did you mean distinct-n.correct?",
        ),
        (
            "only: {experiment: tiny-iter-sft-vllm}\n",
            "only: {experiment: tiny-iter-sft-vlm}\n",
            ".only.experiment",
            "did you mean tiny-iter-sft-vllm?",
        ),
    ],
)
def test_what_is_wrong_in_a_resolved_experiment_is_said_once_at_the_line_that_caused_it(
    tmp_path: Path, old: str, new: str, where: str, words: str
) -> None:
    path = changed(tmp_path, old, new)
    found = [flaw for flaw in find_flaws(path) if words in flaw.message and where in flaw.where]
    assert len(found) == 1, find_flaws(path)
    assert new.strip().splitlines()[0].partition(":")[0].strip(" {") in path.read_text().splitlines()[found[0].line - 1]


@pytest.mark.parametrize("new", ["split: train,", "model: tiny-lm-2, split: ood,"])
def test_a_claim_that_no_experiment_makes_is_a_flaw(tmp_path: Path, new: str) -> None:
    old = "rows: {metric: group-disparity, split: ood,"
    (flaw,) = find_flaws(changed(tmp_path, old, f"rows: {{metric: group-disparity, {new}"))
    assert flaw.where.startswith("$.claims.group-disparity")
    assert "no experiment of the study measures it" in flaw.message or "is none of the rows' models" in flaw.message


@pytest.mark.parametrize(
    ("old", "new", "where", "words"),
    [
        (
            "    above: [pass@1 t=last, pass@1 t=1]",
            "    above: [frobs t=last, pass@1 t=1]",
            ".accuracy-rises",
            "no experiment",
        ),
        ("rows: {metric: pass@1, split: test,", "rows: {metric: pass@7, split: test,", ".accuracy", "no experiment"),
        ("except: {experiment: tiny-iter-sft-vllm}", "except: {experiment: tiny-sft}", ".experiment", "none of experi"),
        ("only: {method: iter-sft-dpo}", "only: {method: iter-stf-dpo}", ".method", "did you mean iter-sft-dpo?"),
    ],
)
def test_a_claim_that_is_made_of_no_experiment_is_a_flaw_at_its_line(
    tmp_path: Path, old: str, new: str, where: str, words: str
) -> None:
    (flaw,) = find_flaws(changed(tmp_path, old, new))
    assert words in flaw.message and where in flaw.where


def test_what_keeps_claims_from_being_made_is_not_reported_as_a_study_without_claims(tmp_path: Path) -> None:
    flaws = find_flaws(changed(tmp_path, "schedule: [sft-gold, sft, sft, sft, sft]", "schedule: [sft-gold, foo]"))
    assert flaws and all("schedule" in flaw.where for flaw in flaws)


def test_what_an_experiment_does_not_use_is_not_shown_as_its_assumption() -> None:
    sft, dpo = tiny("tiny-iter-sft"), tiny("tiny-iter-dpo")
    assert sft.dpo is None and dpo.dpo is not None
    assert isinstance(sft.post_training.assumed, dict) and isinstance(dpo.post_training.assumed, dict)
    assert dpo.post_training.assumed.keys() - sft.post_training.assumed.keys() == {
        "dpo_reference", "pairing", "pairs_per_problem", "without_pair",
    }  # fmt: skip


def test_what_dpo_does_not_say_of_its_optimisation_is_as_for_sft() -> None:
    dpo = tiny("tiny-iter-dpo")
    assert dpo.dpo is not None
    assert (dpo.dpo.optimisation.learning_rate, dpo.dpo.optimisation.epochs) == (5e-5, 1)
    assert dpo.dpo.optimisation.warmup_ratio == dpo.sft.warmup_ratio == 0.03


def test_what_dpo_says_of_its_optimisation_itself_does_not_have_the_reason_of_sft() -> None:
    dpo = tiny("tiny-iter-dpo")
    assert dpo.dpo is not None
    ours, sft = dpo.dpo.optimisation.assumed, dpo.sft.assumed
    assert isinstance(ours, dict) and isinstance(sft, dict)
    assert "batch_size" in sft and "batch_size" not in ours
    assert ours["precision"] == sft["precision"]


def test_an_experiment_s_own_blocks_take_the_place_of_the_study_s_key_by_key() -> None:
    vllm = tiny("tiny-iter-sft-vllm")
    assert (len(vllm.post_training.schedule), vllm.datasets.ood, vllm.measure.encoder) == (3, None, None)
    assert (vllm.engines.sampler, vllm.engines.trainer) == ("vllm", "trl")
    assert tiny("tiny-iter-sft").engines.vllm is None


def test_rows_are_selected_by_their_columns_and_only_where_they_are_measured() -> None:
    claims = {claim.id: claim for claim in tiny("tiny-iter-sft-vllm").claims}
    value = claims["accuracy"].value
    assert value is not None and value.table == "tiny/tiny-iter-sft-vllm.v1.csv"
    assert [point.reference for point in value.points] == [f"test.pass@1.t{t}" for t in (1, 2, 3)]
    assert "improvement-set" not in claims and "ood-accuracy" not in claims


def test_a_file_of_several_says_which_there_are_and_apart_are_left_out_of_all_of_it() -> None:
    with pytest.raises(InputError, match="expected one experiment, found 4; name one of them"):
        load_experiment(Place(path=TINY))
    with pytest.raises(InputError, match="did you mean tiny-iter-sft"):
        load_experiment(Place(path=TINY, experiment="tiny-iter-stf"))
    several = load_across(Place(path=TINY))
    assert several is not None
    names = [member.name for member in several.across.experiments]
    assert names == ["tiny-iter-sft", "tiny-iter-dpo", "tiny-iter-sft-dpo"]


def test_a_resolved_experiment_given_back_as_a_file_is_the_same_to_the_byte(tmp_path: Path) -> None:
    loaded = load_experiment(Place(path=TINY, experiment="tiny-iter-sft-dpo"))
    path = tmp_path / "tiny-iter-sft-dpo.v1.yaml"
    path.write_text(loaded.text, encoding="utf-8")
    again = load_experiment(Place(path=path))
    assert (again.manifest, again.text) == (loaded.manifest, loaded.text)


@pytest.mark.parametrize("text", ["yes", "1e5", "null", "a: b", "#", " x", "- x", "é\n", "\x85", "0x1", "~", ""])
def test_every_text_is_read_back_as_it_was_written(tmp_path: Path, text: str) -> None:
    data = {"key": [text, {"a": text, "b": 1e-5}], "more": [{"long": "word " * 40, "also": text}]}
    path = tmp_path / "text.yaml"
    path.write_text(yaml_text(data), encoding="utf-8")  # type: ignore[arg-type]
    source = read_yaml(path)
    assert (source.data, source.refusals) == (data, ())
