"""The plan of one post-training experiment: which steps read rationales, and how many rows they give at most."""

from dataclasses import replace

from selfimp_bench.manifest.catalog import find
from selfimp_bench.manifest.model import Manifest
from selfimp_bench.protocols.load import load_experiment
from selfimp_bench.protocols.post_training.measure import MeasureBlock
from selfimp_bench.protocols.post_training.plan import post_training_plan
from selfimp_bench.steps.plan import Step


def _manifest(name: str) -> Manifest:
    manifest = load_experiment(find(name)).manifest
    assert isinstance(manifest, Manifest)
    return manifest


def _steps(manifest: Manifest) -> dict[str, Step]:
    return dict(post_training_plan(manifest, manifest.models[:1], 1).by_id())


def _alike(manifest: Manifest) -> bool:
    (block,) = [step.block for step in _steps(manifest).values() if isinstance(step.block, MeasureBlock)]
    return block.outputs_alike


def test_rationales_are_read_where_gold_solutions_are_made_of_them() -> None:
    manifest = _manifest("csqa-iter-sft")
    reading = {step.id.partition("/")[2] for step in _steps(manifest).values() if "rationales" in step.inputs}
    assert reading == {"prompts", "seed1/t1/select"}
    gold = replace(manifest, post_training=replace(manifest.post_training, without_correct="gold"))
    reading = {step.id.rpartition("/t")[2] for step in _steps(gold).values() if "rationales" in step.inputs}
    assert {"1/select", "2/select", "5/select"} <= reading


def test_m_1_trains_on_as_many_rows_as_there_are_rationales_at_most() -> None:
    (model, *_), steps = _manifest("csqa-iter-sft").models, _steps(_manifest("csqa-iter-sft"))
    assert steps[f"{model.id}/seed1/t1/train"].rows_at_most == 10963
    assert steps[f"{model.id}/seed1/t2/train"].rows_at_most == 9741 * 50


def test_outputs_are_alike_where_bare_labels_are_trained_on_and_nowhere_else() -> None:
    csqa = _manifest("csqa-iter-sft")
    assert not _alike(csqa)
    assert _alike(replace(csqa, rationales=None))
    assert not _alike(_manifest("gsm8k-iter-sft"))
