"""The probe of a base model, the same in every protocol."""

from collections.abc import Iterator

from selfimp_bench.engines.base import Decoding, sampler_settings
from selfimp_bench.manifest.model import Engines, ModelRef, Split
from selfimp_bench.plan import ProbeBlock, Role, SampleBlock, Stage, Step
from selfimp_bench.stages.probe import REPLAYS
from selfimp_bench.versions import stage_version


def probe_steps(
    engines: Engines, model: ModelRef, *, seed: int, decoding: Decoding, prompt_template: str, add_bos: bool
) -> Iterator[Step]:
    """Probe the base model as the test problems are sampled, if engines ask for it: before anything long."""
    if engines.probe is None:
        return
    rows = REPLAYS * engines.probe.prompts * engines.probe.samples
    yield Step(
        id=f"{model.id}/probe",
        stage=Stage.PROBE,
        block=ProbeBlock(
            sample=SampleBlock(
                engine=engines.sampler,
                settings=sampler_settings(engines),
                role=Role.SAMPLE,
                iteration=0,
                seed=seed,
                samples_per_problem=engines.probe.samples,
                decoding=decoding,
                prompt_template=prompt_template,
                add_bos=add_bos,
            ),
            prompts=engines.probe.prompts,
        ),
        inputs={"model": f"{model.id}/model", "problems": f"problems/{Split.TEST}"},
        version=stage_version(Stage.PROBE, engines.sampler),
        rows_at_most=rows,
        tokens_at_most=rows * decoding.max_tokens,
    )
