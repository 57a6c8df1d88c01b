"""Generation and verification, as the registry knows it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from selfimp_bench.manifest.model import ModelRef
from selfimp_bench.manifest.schema_check import VERIFICATION_SCHEMA_FILE
from selfimp_bench.plural import plural
from selfimp_bench.protocols.protocol import Protocol, StudyForm
from selfimp_bench.protocols.verification.cells import scale_of, selection_name, verification_cells
from selfimp_bench.protocols.verification.checks import VERIFICATION_BLOCK_RULES, VERIFICATION_RULES
from selfimp_bench.protocols.verification.manifest import (
    SelfImprovement,
    VerificationManifest,
    VerificationProfileBlocks,
)
from selfimp_bench.protocols.verification.prompt_files import prompt_file_faults, prompt_places, read_prompts
from selfimp_bench.protocols.verification.smoke import verification_smoke
from selfimp_bench.protocols.verification.study import BLOCKS, verification_blocks, verification_blocks_cells
from selfimp_bench.protocols.words import optimisation_words, preference_words, sampling_words

if TYPE_CHECKING:
    from selfimp_bench.steps.plan import Plan


def _plan(manifest: VerificationManifest, models: tuple[ModelRef, ...], replicates: int, folder: Path) -> "Plan":
    from selfimp_bench.protocols.verification.plan import verification_plan

    return verification_plan(manifest, models, replicates, read_prompts(manifest, folder))


def _size_words(manifest: VerificationManifest) -> str:
    problems = sum(data.rows for data in manifest.datasets.by_split().values())
    improvement = manifest.self_improvement
    rounds = "" if improvement is None else f" x {plural(improvement.iterations, 'iteration')}"
    count = len(manifest.verification) * len(manifest.verifiers)
    judges = "" if count == 1 else f" x {count} verifiers"
    return f"{plural(len(manifest.models), 'model')}{judges}{rounds} x {problems} problems"


def _summary_lines(manifest: VerificationManifest) -> Iterator[str]:
    yield f"generation {sampling_words(manifest.generation)}"
    if manifest.temperatures is not None:
        yield f"           at each temperature of {', '.join(map(str, manifest.temperatures))}"
    yield f"verifiers  {', '.join(manifest.verifiers)}"
    for method in manifest.verification:
        chosen = ", ".join(selection_name(each) for each in method.selections or ()) or f"{method.rounds} rounds"
        yield f"           {method.id} ({method.kind}, {method.file.path}): {chosen}"
        if method.judging is not None and method.judging.unusable_at_most is not None:
            most = f"{method.judging.unusable_at_most:g}"
            yield f"           {method.id}: nothing measured with more than {most} of judgements unusable"
    if manifest.self_improvement is not None:
        yield from _improvement_lines(manifest.self_improvement)
    if manifest.sft is not None:
        yield f"training   {optimisation_words(manifest.sft)}"
    if manifest.dpo is not None:
        yield f"DPO        {preference_words(manifest.dpo)}"


def _improvement_lines(improvement: SelfImprovement) -> Iterator[str]:
    kept_by = improvement.kept_by
    by = "gold" if kept_by is None else f"{kept_by.verifier} of {kept_by.model}, {selection_name(kept_by.selection)}"
    yield f"improve    {improvement.iterations} rounds of {improvement.method} on {improvement.split}, kept by {by}"
    yield f"           {sampling_words(improvement.sampling)}"


def _training_methods(manifest: VerificationManifest) -> tuple[str, ...]:
    improvement = manifest.self_improvement
    return () if improvement is None else (improvement.method,) * improvement.iterations


PROTOCOL: Final = Protocol(
    name="verification-gap",
    manifest=VerificationManifest,
    profile_blocks=VerificationProfileBlocks,
    schema=VERIFICATION_SCHEMA_FILE,
    block_rules=VERIFICATION_BLOCK_RULES,
    rules=VERIFICATION_RULES,
    study=StudyForm(
        blocks=BLOCKS, expand=verification_blocks, cells=verification_blocks_cells, smoke=verification_smoke
    ),
    cells=verification_cells,
    plan=_plan,
    size_words=_size_words,
    summary_lines=_summary_lines,
    training_methods=_training_methods,
    file_faults=prompt_file_faults,
    files=prompt_places,
    scale=scale_of,
)
