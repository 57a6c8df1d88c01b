"""The client of the hf worker: what happens when the child dies, and that nothing else writes to its stdout."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from selfimp_bench.engines.base import Decoding, Prompt, SamplerSettings
from selfimp_bench.engines.hf.sampler import hf_sampler
from selfimp_bench.engines.worker.child import SOURCE_ROOT
from selfimp_bench.engines.worker.sampler import WorkerSampler
from selfimp_bench.errors import InputError, StepFailed

DECODING = Decoding(temperature=0.9, top_p=1.0, top_k=-1, max_tokens=6, stop=())
SETTINGS = SamplerSettings(device="cpu", precision="float32", max_batch_rows=4, threads=1, vllm=None)


@pytest.fixture
def sampler() -> Iterator[WorkerSampler]:
    sampler = hf_sampler(SETTINGS)
    yield sampler
    sampler.close()


def kill(sampler: WorkerSampler) -> None:
    assert sampler._worker is not None
    sampler._worker.process.kill()
    sampler._worker.process.wait()


@pytest.mark.slow
def test_leaving_early_reopens_the_sampler_and_a_killed_child_is_a_failed_step(
    sampler: WorkerSampler, model_folder: Path, prompts: Sequence[Prompt]
) -> None:
    left = sampler.sample(model_folder, prompts, DECODING)
    next(left)
    left.close()  # type: ignore[attr-defined]  # its other answers must not reach the next call
    completions = sampler.sample(model_folder, prompts[:3], DECODING)
    assert next(completions).problem_id in {prompt.problem_id for prompt in prompts[:3]}
    kill(sampler)
    with pytest.raises(
        StepFailed, match=r"killed by signal 9[\s\S]*run the same command again[\s\S]*max_batch_rows \(now 4\)"
    ):
        list(completions)


@pytest.mark.slow
def test_one_child_serves_checkpoint_after_checkpoint_and_names_a_corrupt_one(
    sampler: WorkerSampler, model_folder: Path, prompts: Sequence[Prompt], tmp_path: Path
) -> None:
    broken = shutil.copytree(model_folder, tmp_path / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    first = list(sampler.sample(model_folder, prompts, DECODING))
    assert sampler._worker is not None
    process = sampler._worker.process.pid
    with pytest.raises(InputError, match=r"broken: the checkpoint cannot be loaded"):
        list(sampler.sample(broken, prompts, DECODING))
    assert list(sampler.sample(model_folder, prompts, DECODING)) == first
    assert sampler._worker.process.pid == process


def test_what_a_library_prints_does_not_reach_the_answers() -> None:
    code = (
        "from selfimp_bench.engines.worker.serve import claim_stdout; import os; answers = claim_stdout(); "
        "print('noise', flush=True); os.system('echo more noise'); answers.write(b'answer'); answers.flush()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=SOURCE_ROOT)
    assert run.stdout == b"answer"
    assert run.stderr == b"noise\nmore noise\n"
