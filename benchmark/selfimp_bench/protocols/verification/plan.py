"""Generation and verification, the procedures of "Mind the Gap" (2412.02674).

    single round:      y ~ f;  score y by g;  compare f with f[w(score)]
    self-improvement:  f_0 = the model;  for t = 1 .. T:  D_t from responses of f_{t-1} that are kept;  f_t from D_t

Every f_t (t = 0 too) answers the test problems, and every verifier judges the answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from selfimp_bench.canonical import derive_seed
from selfimp_bench.engines.base import Decoding, sampler_settings
from selfimp_bench.manifest.model import Method, ModelRef, Optimisation, PreferenceOptimisation, Sampling
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.verification.cells import Judge, judges_of
from selfimp_bench.protocols.verification.keep import KeepBlock
from selfimp_bench.protocols.verification.manifest import (
    SELF,
    Generation,
    Judging,
    SelfImprovement,
    TrainingFilter,
    VerificationManifest,
    VerifierKind,
)
from selfimp_bench.protocols.verification.measure import MeasureGapBlock
from selfimp_bench.protocols.verification.prompt_files import PromptTexts
from selfimp_bench.protocols.verification.score import ScoreBlock
from selfimp_bench.protocols.verification.stages import STAGES
from selfimp_bench.protocols.verification.tournament import TournamentBlock
from selfimp_bench.protocols.verification.verify import VerifyBlock, Writing, label_tokens
from selfimp_bench.steps.dataset import ProblemsBlock
from selfimp_bench.steps.grade import GradeBlock
from selfimp_bench.steps.model import ModelBlock
from selfimp_bench.steps.plan import Plan, Step
from selfimp_bench.steps.prompts import PromptsBlock, PromptUse, TrainingUse
from selfimp_bench.steps.rows import Role
from selfimp_bench.steps.sample import SampleBlock
from selfimp_bench.steps.train import TrainBlock, training_tokens_at_most
from selfimp_bench.steps.training_rows import PairSelection
from selfimp_bench.steps.versions import step_of


def verification_plan(
    manifest: VerificationManifest, models: tuple[ModelRef, ...], replicates: int, texts: PromptTexts
) -> Plan:
    """The plan for these generators (a selection of the manifest's) and seeds ``seed`` .. ``seed + replicates - 1``.

    ``texts`` are those of the manifest's prompt files.
    """
    steps = [_problem_step(manifest, split) for split in manifest.datasets.by_split()]
    for model in _needed(manifest, models):
        steps.append(_model_step(manifest, model, texts))
        steps.append(_prompts_step(manifest, model, texts, generates=model in models))
    for model in models:
        for replicate in range(replicates):
            steps.extend(_Replicate(manifest=manifest, texts=texts, model=model, replicate=replicate).steps())
    return Plan(steps=tuple(steps), stages=STAGES)


def _problem_step(manifest: VerificationManifest, split: Split) -> Step:
    dataset = manifest.datasets.by_split()[split]
    return step_of(
        STAGES,
        id=f"problems/{split}",
        block=ProblemsBlock(dataset=dataset, task=manifest.grading.task),
        inputs={},
        rows_at_most=dataset.rows,
    )


def _needed(manifest: VerificationManifest, models: tuple[ModelRef, ...]) -> Iterator[ModelRef]:
    """The generators, and every model that judges."""
    improvement = manifest.self_improvement
    judges = {*manifest.verifiers}
    if improvement is not None and improvement.kept_by is not None:
        judges.add(improvement.kept_by.model)
    for model in _every_model(manifest):
        if model in models or model.id in judges:
            yield model


def _every_model(manifest: VerificationManifest) -> tuple[ModelRef, ...]:
    """Those that generate, and those that only verify."""
    return (*manifest.models, *(manifest.verifier_models or ()))


def _model_step(manifest: VerificationManifest, model: ModelRef, texts: PromptTexts) -> Step:
    return step_of(
        STAGES,
        id=f"{model.id}/model",
        block=ModelBlock(
            model=model,
            prompt_template=texts.of(manifest.prompt.file),
            add_bos=manifest.prompt.add_bos,
            canaries=tuple(canary for canary in manifest.prompt.canaries if canary.model == model.id),
        ),
        inputs={},
    )


def _prompts_step(manifest: VerificationManifest, model: ModelRef, texts: PromptTexts, *, generates: bool) -> Step:
    """Count the tokens of every prompt that a model answers, and of every one that it judges by, at most."""
    uses = [
        *(_generation_uses(manifest, texts) if generates else ()),
        *_judging_uses(manifest, model, texts, generates),
    ]
    return step_of(
        STAGES,
        id=f"{model.id}/prompts",
        block=PromptsBlock(
            settings=sampler_settings(manifest.engines, model),
            add_bos=manifest.prompt.add_bos,
            too_long=manifest.prompt.too_long,
            uses=tuple(uses),
            training=tuple(_training_uses(manifest, texts)) if generates else (),
        ),
        inputs={"model": f"{model.id}/model"}
        | {f"problems.{split}": f"problems/{split}" for split in manifest.datasets.by_split()},
    )


def _generation_uses(manifest: VerificationManifest, texts: PromptTexts) -> Iterator[PromptUse]:
    improvement = manifest.self_improvement
    asked = {("sample", Split.TEST): manifest.generation.max_tokens}
    if improvement is not None:
        asked["train", Split(improvement.split)] = improvement.sampling.max_tokens
    for (what, split), most in asked.items():
        template = texts.of(manifest.prompt.file)
        yield PromptUse(what=what, split=split, template=template, max_tokens=most, response_tokens=0)


def _judging_uses(
    manifest: VerificationManifest, model: ModelRef, texts: PromptTexts, generates: bool
) -> Iterator[PromptUse]:
    """Of the test problems' responses, by every method of a verifier that is this model."""
    judges = [judge for judge in manifest.verifiers if judge == model.id or (judge == SELF and generates)]
    for method in manifest.verification if judges else ():
        pair, judging = method.kind is VerifierKind.TOURNAMENT, method.judging
        settings = sampler_settings(manifest.engines, model)
        yield PromptUse(
            what=f"verify by {method.id}",
            split=Split.TEST,
            template=texts.of(method.file),
            max_tokens=label_tokens(settings) if judging is None else judging.max_tokens,
            response_tokens=manifest.generation.max_tokens * (2 if pair else 1),
        )


def _training_uses(manifest: VerificationManifest, texts: PromptTexts) -> Iterator[TrainingUse]:
    improvement = manifest.self_improvement
    block = manifest.sft if manifest.dpo is None else manifest.dpo.optimisation
    if improvement is not None and block is not None:
        yield TrainingUse(
            what=f"training by {improvement.method}",
            split=Split(improvement.split),
            template=texts.of(improvement.file),
            completion_prefix="",
            max_tokens=improvement.sampling.max_tokens,
            max_length=block.max_length,
        )


@dataclass(frozen=True, kw_only=True)
class _Responses:
    """A set of responses of f_``iteration`` to the problems of a split: ``place`` is where its steps stand.

    temperature: in the place of every other; None leaves them.
    """

    place: str
    iteration: int
    role: Role
    split: Split
    temperature: float | None

    def step(self, what: str) -> str:
        """The id of one of its steps."""
        return f"{self.place}/{what}.{self.role}"


@dataclass(frozen=True, kw_only=True)
class _Replicate:
    """One generator and one seed: every f_t, its responses and their verification."""

    manifest: VerificationManifest
    texts: PromptTexts
    model: ModelRef
    replicate: int

    def steps(self) -> Iterator[Step]:
        improvement = self.manifest.self_improvement
        total = 0 if improvement is None else improvement.iterations
        for iteration in range(total + 1):
            if improvement is not None and iteration > 0:
                yield self._keep(improvement, iteration)
                yield self._train(improvement, iteration)
            for tested in self._tested(iteration):
                yield self._sample(tested, self.manifest.generation)
                yield self._grade(tested)
                for judge in self._judges:
                    yield from self._judge(judge, tested)
            if improvement is not None and iteration < total:
                yield from self._for_training(improvement, iteration)
        yield self._measure(total)

    @property
    def _seed(self) -> int:
        return self.manifest.seed + self.replicate

    @property
    def _judges(self) -> tuple[Judge, ...]:
        return judges_of(self.manifest.verification, self.manifest.verifiers)

    def _id(self, iteration: int, what: str) -> str:
        return f"{self.model.id}/seed{self._seed}/t{iteration}/{what}"

    def _checkpoint(self, iteration: int) -> str:
        return self._id(iteration, "train") if iteration > 0 else f"{self.model.id}/model"

    def _tested(self, iteration: int) -> Iterator[_Responses]:
        """The responses that are measured: one set, or one at every temperature."""
        for temperature in self.manifest.temperatures or (None,):
            place = f"{self.model.id}/seed{self._seed}/t{iteration}"
            yield _Responses(
                place=place if temperature is None else f"{place}/temp{temperature:g}",
                iteration=iteration,
                role=Role.SAMPLE,
                split=Split.TEST,
                temperature=temperature,
            )

    def _trained(self, improvement: SelfImprovement, iteration: int) -> _Responses:
        """The responses of f_``iteration`` that its successor is trained on."""
        return _Responses(
            place=f"{self.model.id}/seed{self._seed}/t{iteration}",
            iteration=iteration,
            role=Role.TRAIN,
            split=Split(improvement.split),
            temperature=None,
        )

    def _for_training(self, improvement: SelfImprovement, iteration: int) -> Iterator[Step]:
        responses = self._trained(improvement, iteration)
        yield self._sample(responses, _with_stop(improvement.sampling, self.manifest.generation))
        yield self._grade(responses)
        if improvement.kept_by is not None:
            yield from self._judge(self._training_judge(improvement.kept_by), responses)

    def _training_judge(self, kept_by: TrainingFilter) -> Judge:
        method = next(method for method in self.manifest.verification if method.id == kept_by.verifier)
        return Judge(method=method, model=kept_by.model)

    def _rows(self, responses: _Responses) -> int:
        generation, improvement = self.manifest.generation, self.manifest.self_improvement
        samples = generation.samples_per_problem
        if responses.role is Role.TRAIN and improvement is not None:
            samples = improvement.sampling.samples_per_problem
        return self.manifest.datasets.by_split()[responses.split].rows * samples

    def _sample(self, responses: _Responses, generation: Generation) -> Step:
        manifest, rows = self.manifest, self._rows(responses)
        return step_of(
            STAGES,
            id=responses.step("sample"),
            block=SampleBlock(
                engine=manifest.engines.sampler,
                settings=sampler_settings(manifest.engines, self.model),
                role=responses.role,
                iteration=responses.iteration,
                seed=self._seed,
                samples_per_problem=generation.samples_per_problem,
                decoding=_decoding(generation, responses.temperature),
                prompt_template=self.texts.of(manifest.prompt.file),
                add_bos=manifest.prompt.add_bos,
                too_long=manifest.prompt.too_long,
            ),
            inputs={
                "model": f"{self.model.id}/model",
                "checkpoint": self._checkpoint(responses.iteration),
                "problems": f"problems/{responses.split}",
            },
            rows_at_most=rows,
            tokens_at_most=rows * generation.max_tokens,
        )

    def _grade(self, responses: _Responses) -> Step:
        grading = self.manifest.grading
        return step_of(
            STAGES,
            id=responses.step("grade"),
            block=GradeBlock(grading=grading),
            inputs={"samples": responses.step("sample"), "problems": f"problems/{responses.split}"},
            rows_at_most=self._rows(responses),
        )

    def _judge(self, judge: Judge, responses: _Responses) -> Iterator[Step]:
        if judge.method.kind is VerifierKind.TOURNAMENT:
            yield self._tournament(judge, responses)
            return
        yield self._verify(judge, responses)
        yield step_of(
            STAGES,
            id=responses.step(f"score.{judge.name}"),
            block=ScoreBlock(kind=judge.method.kind),
            inputs={"judgements": responses.step(f"verify.{judge.name}")},
            rows_at_most=self._judgements(judge, responses),
        )

    def _judgements(self, judge: Judge, responses: _Responses) -> int:
        rows, judging, rounds = self._rows(responses), judge.method.judging, judge.method.rounds
        if rounds is not None:
            return rows - (rows >> rounds)
        return rows if judging is None else rows * judging.repeats

    def _judging_model(self, judge: Judge) -> ModelRef:
        return next((model for model in _every_model(self.manifest) if model.id == judge.model), self.model)

    def _judged(self, judge: Judge, responses: _Responses) -> dict[str, str]:
        """The inputs of a step in which a model judges: what it judges, and the model."""
        own = judge.model == SELF
        model = f"{self.model.id if own else judge.model}/model"
        return {
            "samples": responses.step("sample"),
            "problems": f"problems/{responses.split}",
            "model": model,
            "checkpoint": self._checkpoint(responses.iteration) if own else model,
        }

    def _writing(self, judging: Judging, responses: _Responses) -> Writing:
        return Writing(
            decoding=_decoding(judging, responses.temperature),
            repeats=judging.repeats,
            seed=self._seed,
            role=responses.role,
            iteration=responses.iteration,
        )

    def _verify(self, judge: Judge, responses: _Responses) -> Step:
        manifest, method, rows = self.manifest, judge.method, self._judgements(judge, responses)
        judging = method.judging
        return step_of(
            STAGES,
            id=responses.step(f"verify.{judge.name}"),
            block=VerifyBlock(
                engine=manifest.engines.sampler,
                settings=sampler_settings(manifest.engines, self._judging_model(judge)),
                task=manifest.grading.task,
                prompt_template=self.texts.of(method.file),
                add_bos=manifest.prompt.add_bos,
                labels=method.labels,
                writing=None if judging is None else self._writing(judging, responses),
                too_long=manifest.prompt.too_long,
            ),
            inputs=self._judged(judge, responses),
            rows_at_most=rows,
            tokens_at_most=rows if judging is None else rows * judging.max_tokens,
        )

    def _tournament(self, judge: Judge, responses: _Responses) -> Step:
        manifest, method, rows = self.manifest, judge.method, self._judgements(judge, responses)
        if method.judging is None or method.rounds is None:
            raise ValueError("a tournament has judging and rounds; the loader refuses a manifest without them")
        return step_of(
            STAGES,
            id=responses.step(f"tournament.{judge.name}"),
            block=TournamentBlock(
                engine=manifest.engines.sampler,
                settings=sampler_settings(manifest.engines, self._judging_model(judge)),
                task=manifest.grading.task,
                prompt_template=self.texts.of(method.file),
                add_bos=manifest.prompt.add_bos,
                rounds=method.rounds,
                writing=self._writing(method.judging, responses),
                too_long=manifest.prompt.too_long,
            ),
            inputs=self._judged(judge, responses),
            rows_at_most=rows,
            tokens_at_most=rows * method.judging.max_tokens,
        )

    def _pooled(self, improvement: SelfImprovement, iteration: int) -> range:
        return range(iteration) if improvement.pooling == "all" else range(iteration - 1, iteration)

    def _keep(self, improvement: SelfImprovement, iteration: int) -> Step:
        inputs = {"model": f"{self.model.id}/model", "problems": f"problems/{improvement.split}"}
        for source in self._pooled(improvement, iteration):
            responses = self._trained(improvement, source)
            inputs[f"samples.{source}"] = responses.step("sample")
            inputs[f"grades.{source}"] = responses.step("grade")
            if improvement.kept_by is not None:
                judge = self._training_judge(improvement.kept_by)
                inputs[f"scores.{source}"] = responses.step(f"score.{judge.name}")
        return step_of(
            STAGES,
            id=self._id(iteration, "select"),
            block=KeepBlock(
                prompt_template=self.texts.of(improvement.file),
                add_bos=self.manifest.prompt.add_bos,
                selection=None if improvement.kept_by is None else improvement.kept_by.selection,
                deduplicate=improvement.deduplicate,
                max_kept_per_problem=improvement.max_kept_per_problem,
                pairs=_pair_selection(improvement, derive_seed(self._seed, "pairs", iteration)),
                max_length=self._trained_by().max_length,
            ),
            inputs=inputs,
            rows_at_most=self._training_rows(improvement, iteration),
        )

    def _training_rows(self, improvement: SelfImprovement, iteration: int) -> int:
        problems = self.manifest.datasets.by_split()[Split(improvement.split)].rows
        samples, pools = improvement.sampling.samples_per_problem, len(self._pooled(improvement, iteration))
        if improvement.pairs is None:
            return problems * min(samples * pools, improvement.max_kept_per_problem or samples * pools)
        most = pools * (samples // 2) * (samples - samples // 2)
        return problems * min(most, improvement.pairs.pairs_per_problem or most)

    def _train(self, improvement: SelfImprovement, iteration: int) -> Step:
        engines, method = self.manifest.engines, _METHODS[improvement.method]
        start = self._checkpoint(iteration - 1 if improvement.start_from == "previous" else 0)
        inputs = {"start": start, "training_set": self._id(iteration, "select")}
        if improvement.empty_training_set == "keep-previous" and start != self._checkpoint(iteration - 1):
            inputs["previous"] = self._checkpoint(iteration - 1)
        if improvement.pairs is not None:
            inputs["reference"] = start if improvement.pairs.reference == "start" else self._checkpoint(0)
        preference = self._preference()
        optimisation = self._trained_by()
        rows = self._training_rows(improvement, iteration)
        return step_of(
            STAGES,
            id=self._id(iteration, "train"),
            block=TrainBlock(
                engine=engines.trainer,
                method=method,
                optimisation=optimisation,
                preference=preference,
                lora=self.manifest.lora,
                empty_training_set=improvement.empty_training_set,
                seed=derive_seed(self._seed, "train", iteration) % 2**32,
                device=engines.device,
                micro_batch_size=engines.micro_batch_size,
                gradient_checkpointing=engines.gradient_checkpointing,
                distributed=engines.distributed,
                threads=engines.threads,
            ),
            inputs=inputs,
            rows_at_most=rows,
            tokens_at_most=training_tokens_at_most(optimisation, rows) * (2 if method is Method.DPO else 1),
        )

    def _trained_by(self) -> Optimisation:
        preference = self._preference()
        return self._optimisation() if preference is None else preference.optimisation

    def _optimisation(self) -> Optimisation:
        block, rate = self.manifest.sft, self.model.sft_learning_rate
        if block is None:
            raise ValueError("rejection trains by the block sft; the loader refuses a manifest without it")
        return block if rate is None else replace(block, learning_rate=rate)

    def _preference(self) -> PreferenceOptimisation | None:
        block, rate = self.manifest.dpo, self.model.dpo_learning_rate
        if block is None or rate is None:
            return block
        return replace(block, optimisation=replace(block.optimisation, learning_rate=rate))

    def _measure(self, total: int) -> Step:
        manifest, inputs = self.manifest, {}
        for iteration in range(total + 1):
            for number, tested in enumerate(self._tested(iteration)):
                inputs[f"grades.{iteration}.{number}"] = tested.step("grade")
                for index, judge in enumerate(self._judges):
                    is_tournament = judge.method.kind is VerifierKind.TOURNAMENT
                    kind, step = ("matches", "tournament") if is_tournament else ("scores", "score")
                    inputs[f"{kind}.{index}.{iteration}.{number}"] = tested.step(f"{step}.{judge.name}")
        return step_of(
            STAGES,
            id=f"{self.model.id}/seed{self._seed}/measure",
            block=MeasureGapBlock(
                model=self.model.id,
                replicate=self.replicate,
                iterations=total,
                temperatures=manifest.temperatures,
                extraction=manifest.grading.extraction,
                measure=manifest.measure,
                verification=manifest.verification,
                verifiers=manifest.verifiers,
                ensembles=manifest.ensembles or (),
            ),
            inputs=inputs,
        )


_METHODS = {"rejection": Method.SFT, "rpo": Method.DPO}


def _decoding(sampled: Generation | Judging, temperature: float | None) -> Decoding:
    return Decoding(
        temperature=sampled.temperature if temperature is None else temperature,
        top_p=sampled.top_p,
        top_k=sampled.top_k,
        max_tokens=sampled.max_tokens,
        stop=sampled.stop,
    )


def _with_stop(sampling: Sampling, generation: Generation) -> Generation:
    """Training responses are drawn in their own way and end where all responses do."""
    return Generation(
        samples_per_problem=sampling.samples_per_problem,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        max_tokens=sampling.max_tokens,
        stop=generation.stop,
    )


def _pair_selection(improvement: SelfImprovement, seed: int) -> PairSelection | None:
    if improvement.pairs is None:
        return None
    return PairSelection(
        deduplicate=improvement.deduplicate,
        pairing=improvement.pairs.pairing,
        pairs_per_problem=improvement.pairs.pairs_per_problem,
        without_pair="drop",
        seed=seed,
    )
