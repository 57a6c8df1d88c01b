"""Iterative post-training, Algorithm 1 of "Progress or Regress?" (2407.05013).

    M_1 = SFT(M_0 | gold);  for t = 2 .. T:  D_t from samples of M_{t-1};  M_t = F_t(M_{t-1} | D_t)

Every M_t then answers the test problems (greedy and sampled) and the out-of-distribution problems (greedy).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from selfimp_bench.canonical import derive_seed
from selfimp_bench.engines.base import Decoding, sampler_settings
from selfimp_bench.manifest.model import (
    Balance,
    Encoder,
    Grading,
    Manifest,
    Method,
    Metric,
    ModelRef,
    Optimisation,
    PostTraining,
    PreferenceOptimisation,
    Probe,
    Resample,
    Sampling,
)
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.post_training.choose import ChooseBlock, ChosenSampleBlock
from selfimp_bench.protocols.post_training.embed import EmbedBlock
from selfimp_bench.protocols.post_training.measure import MeasureBlock
from selfimp_bench.protocols.post_training.more import MoreBlock
from selfimp_bench.protocols.post_training.own_rules import OwnSelectBlock
from selfimp_bench.protocols.post_training.stages import STAGES
from selfimp_bench.protocols.post_training.unlabelled import RewardSelectBlock, RowForm, VoteSelectBlock
from selfimp_bench.protocols.post_training.weigh import WeighBlock
from selfimp_bench.steps.dataset import ProblemsBlock
from selfimp_bench.steps.grade import GradeBlock
from selfimp_bench.steps.model import ModelBlock
from selfimp_bench.steps.plan import Plan, Step
from selfimp_bench.steps.probe import REPLAYS, ProbeBlock
from selfimp_bench.steps.prompts import PromptsBlock, PromptUse, TrainingUse
from selfimp_bench.steps.rows import SPLIT_OF_ROLE, Role
from selfimp_bench.steps.sample import SampleBlock
from selfimp_bench.steps.select import CorrectSelection, SelectBlock
from selfimp_bench.steps.train import TrainBlock, training_tokens_at_most
from selfimp_bench.steps.training_rows import PairSelection
from selfimp_bench.steps.versions import step_of
from selfimp_bench.tasks.tables import ANSWERS_ARE_LABELS, RATIONALES


def post_training_plan(manifest: Manifest, models: tuple[ModelRef, ...], replicates: int) -> Plan:
    """The plan for these models (a selection of the manifest's) and seeds ``seed`` .. ``seed + replicates - 1``."""
    steps = list(_problem_steps(manifest))
    for model in models:
        steps.append(_model_step(manifest, model))
        steps.append(_prompts_step(manifest, model))
        if manifest.engines.probe is not None:
            steps.append(_probe_step(manifest, model, manifest.engines.probe))
        for replicate in range(replicates):
            steps.extend(_Replicate(manifest=manifest, model=model, replicate=replicate).steps())
    return Plan(steps=tuple(steps), stages=STAGES)


def iterations_with_training_samples(manifest: Manifest) -> range:
    """The t whose M_t is sampled on the training problems: all but the last, whose samples nobody trains on."""
    return range(1, len(manifest.post_training.schedule))


def _problem_steps(manifest: Manifest) -> Iterator[Step]:
    for split, dataset in manifest.datasets.by_split().items():
        yield step_of(
            STAGES,
            id=f"problems/{split}",
            block=ProblemsBlock(dataset=dataset, task=grading_of(manifest, split).task),
            inputs={},
            rows_at_most=dataset.rows,
        )
    if manifest.rationales is not None:
        data = manifest.rationales.data
        yield step_of(
            STAGES,
            id=_RATIONALES,
            block=ProblemsBlock(dataset=data, task=RATIONALES),
            inputs={},
            rows_at_most=data.rows,
        )


_RATIONALES = "problems/rationales"


def _gold_template(manifest: Manifest) -> str:
    return "" if manifest.rationales is None else manifest.rationales.template


def grading_of(manifest: Manifest, split: Split) -> Grading:
    """How a split's answers are judged: as ``ood_grading`` says for ood problems of another task, else ``grading``."""
    return manifest.ood_grading if split is Split.OOD and manifest.ood_grading is not None else manifest.grading


def _model_step(manifest: Manifest, model: ModelRef) -> Step:
    return step_of(
        STAGES,
        id=f"{model.id}/model",
        block=ModelBlock(
            model=model,
            prompt_template=manifest.prompt.template,
            add_bos=manifest.prompt.add_bos,
            canaries=tuple(canary for canary in manifest.prompt.canaries if canary.model == model.id),
        ),
        inputs={},
    )


def _prompts_step(manifest: Manifest, model: ModelRef) -> Step:
    """Count every prompt's tokens: before anything long, and whatever the seed."""
    return step_of(
        STAGES,
        id=f"{model.id}/prompts",
        block=PromptsBlock(
            settings=sampler_settings(manifest.engines, model),
            add_bos=manifest.prompt.add_bos,
            too_long=manifest.prompt.too_long,
            uses=_prompt_uses(manifest),
            training=tuple(_training_uses(manifest, model)),
            gold_template=_gold_template(manifest),
        ),
        inputs={"model": f"{model.id}/model"}
        | {f"problems.{split}": f"problems/{split}" for split in manifest.datasets.by_split()}
        | ({} if manifest.rationales is None else {"rationales": _RATIONALES}),
    )


def _prompt_uses(manifest: Manifest) -> tuple[PromptUse, ...]:
    """What M_t is asked about; roles with equal prompts and equally long completions are one use."""
    roles = [Role.GREEDY, Role.SAMPLE]
    roles += [Role.OOD] if manifest.datasets.ood is not None else []
    roles += [Role.TRAIN] if iterations_with_training_samples(manifest) else []
    names: dict[tuple[Split, int], list[str]] = {}
    for role in roles:
        names.setdefault((SPLIT_OF_ROLE[role], _decoding_of(manifest, role).max_tokens), []).append(role)
    return tuple(
        PromptUse(
            what=" and ".join(own),
            split=split,
            template=manifest.prompt.template,
            max_tokens=most,
            response_tokens=0,
        )
        for (split, most), own in names.items()
    )


def _training_uses(manifest: Manifest, model: ModelRef) -> Iterator[TrainingUse]:
    own = manifest.sampling.max_tokens
    for method in dict.fromkeys(manifest.post_training.schedule):
        yield TrainingUse(
            what=f"training by {method}",
            split=Split.TRAIN,
            template=manifest.prompt.template,
            completion_prefix=manifest.prompt.completion_prefix,
            max_tokens=None if method is Method.SFT_GOLD else own,
            max_length=optimisation_of(manifest, method, model).max_length,
        )


def _probe_step(manifest: Manifest, model: ModelRef, probe: Probe) -> Step:
    """Probe the base model as the test problems are sampled: before anything long, whatever the seed."""
    decoding = _decoding_of(manifest, Role.SAMPLE)
    rows = REPLAYS * probe.prompts * probe.samples
    return step_of(
        STAGES,
        id=f"{model.id}/probe",
        block=ProbeBlock(
            sample=SampleBlock(
                engine=manifest.engines.sampler,
                settings=sampler_settings(manifest.engines, model),
                role=Role.SAMPLE,
                iteration=0,
                seed=manifest.seed,
                samples_per_problem=probe.samples,
                decoding=decoding,
                prompt_template=manifest.prompt.template,
                add_bos=manifest.prompt.add_bos,
                too_long=manifest.prompt.too_long,
            ),
            prompts=probe.prompts,
        ),
        inputs={"model": f"{model.id}/model", "problems": f"problems/{Split.TEST}"},
        rows_at_most=rows,
        tokens_at_most=rows * decoding.max_tokens,
    )


@dataclass(frozen=True, kw_only=True)
class _Replicate:
    """One model and one seed: T iterations and their measurement."""

    manifest: Manifest
    model: ModelRef
    replicate: int

    def steps(self) -> Iterator[Step]:
        total = len(self.manifest.post_training.schedule)
        for iteration in range(1, total + 1):
            yield self._select(iteration)
            yield self._train(iteration)
            for role in self._roles(iteration):
                yield from self._answers(role, iteration)
            if self.manifest.measure.encoder is not None:
                yield self._embed(self.manifest.measure.encoder, iteration)
            if self.manifest.measure.choice_lead is not None:
                yield self._weigh(self.manifest.measure.choice_lead, iteration)
        yield self._measure(total)

    @property
    def _seed(self) -> int:
        return self.manifest.seed + self.replicate

    def _id(self, iteration: int, what: str) -> str:
        return f"{self.model.id}/seed{self._seed}/t{iteration}/{what}"

    def _checkpoint(self, iteration: int) -> str:
        return self._id(iteration, "train") if iteration > 0 else f"{self.model.id}/model"

    def _roles(self, iteration: int) -> tuple[Role, ...]:
        roles = [Role.GREEDY, Role.SAMPLE]
        if self.manifest.datasets.ood is not None:
            roles.append(Role.OOD)
        if iteration in iterations_with_training_samples(self.manifest):
            roles.append(Role.TRAIN)
        return tuple(roles)

    def _select(self, iteration: int) -> Step:
        rules = self.manifest.post_training
        method = rules.schedule[iteration - 1]
        inputs = {"model": f"{self.model.id}/model", "problems": f"problems/{Split.TRAIN}"}
        for source in self._pooled(iteration):
            for ending in ("", ".more") if rules.resample else ("",):
                inputs[f"samples.{source}{ending}"] = self._id(source, f"sample.{Role.TRAIN}{ending}")
                inputs[f"grades.{source}{ending}"] = self._id(source, f"grade.{Role.TRAIN}{ending}")
            if rules.balance is not None:
                inputs[f"choice.{source}"] = self._id(source, "choose")
        if self.manifest.rationales is not None and (method is Method.SFT_GOLD or rules.without_correct == "gold"):
            inputs["rationales"] = _RATIONALES
        rows = self._training_rows_at_most(method, len(self._pooled(iteration)))
        return step_of(
            STAGES,
            id=self._id(iteration, "select"),
            block=self._selection(method, iteration),
            inputs=inputs,
            rows_at_most=rows,
        )

    def _selection(
        self, method: Method, iteration: int
    ) -> SelectBlock | VoteSelectBlock | RewardSelectBlock | OwnSelectBlock:
        """What makes the training set of an iteration: gold answers, unless a vote, a reward or another's rule does."""
        prompt, rules = self.manifest.prompt, self.manifest.post_training
        max_length = optimisation_of(self.manifest, method, self.model).max_length
        seed = derive_seed(self._seed, "pairs", iteration)
        pairs = _pair_selection(rules, seed) if method is Method.DPO else None
        form = RowForm(
            add_bos=prompt.add_bos,
            deduplicate=rules.deduplicate,
            max_correct_per_problem=rules.max_correct_per_problem,
            max_length=max_length,
        )
        own = {Method.SFT: rules.sample_rule, Method.DPO: rules.pair_rule}.get(method)
        if own is not None:
            return OwnSelectBlock(
                prompt_template=prompt.template,
                add_bos=prompt.add_bos,
                deduplicate=rules.deduplicate,
                max_length=max_length,
                rule=own,
                pairs=method is Method.DPO,
                most=rules.pairs_per_problem if method is Method.DPO else rules.max_correct_per_problem,
                seed=derive_seed(self._seed, "rule", iteration),
            )
        if rules.majority is not None and iteration > 1:
            return VoteSelectBlock(prompt_template=prompt.template, form=form, majority=rules.majority, pairs=pairs)
        if rules.balance is not None and iteration > 1:
            return RewardSelectBlock(prompt_template=prompt.template, form=form, reward=rules.balance.reward)
        return SelectBlock(
            prompt_template=prompt.template,
            add_bos=prompt.add_bos,
            completion_prefix=prompt.completion_prefix,
            correct=_correct_selection(rules) if method is Method.SFT else None,
            pairs=pairs,
            max_length=max_length,
            gold_template=_gold_template(self.manifest),
        )

    def _pooled(self, iteration: int) -> range:
        if iteration == 1:
            return range(0)
        return range(1, iteration) if self.manifest.post_training.pooling == "all" else range(iteration - 1, iteration)

    def _training_rows_at_most(self, method: Method, pooled: int) -> int:
        rules, problems = self.manifest.post_training, self.manifest.datasets.train.rows
        samples = self.manifest.sampling.samples_per_problem + (rules.resample.most if rules.resample else 0)
        if method is Method.SFT_GOLD:
            return problems if self.manifest.rationales is None else self.manifest.rationales.data.rows
        if method is Method.SFT:
            return problems * min(samples * pooled, rules.max_correct_per_problem or samples * pooled)
        most = pooled * (samples // 2) * (samples - samples // 2)
        return problems * min(most, rules.pairs_per_problem or most)

    def _train(self, iteration: int) -> Step:
        manifest, rules = self.manifest, self.manifest.post_training
        method = rules.schedule[iteration - 1]
        start = self._checkpoint(iteration - 1 if rules.start_from == "previous" else 0)
        inputs = {"start": start, "training_set": self._id(iteration, "select")}
        if rules.empty_training_set == "keep-previous" and start != self._checkpoint(iteration - 1):
            inputs["previous"] = self._checkpoint(iteration - 1)
        if method is Method.DPO:
            references = {"start": start, "first": self._checkpoint(1), "base": self._checkpoint(0)}
            inputs["reference"] = references[rules.dpo_reference]
        optimisation = optimisation_of(manifest, method, self.model)
        rows = self._training_rows_at_most(method, len(self._pooled(iteration)))
        return step_of(
            STAGES,
            id=self._id(iteration, "train"),
            block=TrainBlock(
                engine=manifest.engines.trainer,
                method=method,
                optimisation=optimisation,
                preference=preference_of(manifest, method, optimisation),
                lora=manifest.lora,
                empty_training_set=rules.empty_training_set,
                seed=derive_seed(self._seed, "train", iteration) % 2**32,
                device=manifest.engines.device,
                micro_batch_size=manifest.engines.micro_batch_size,
                gradient_checkpointing=manifest.engines.gradient_checkpointing,
                distributed=manifest.engines.distributed,
                threads=manifest.engines.threads,
            ),
            inputs=inputs,
            rows_at_most=rows,
            tokens_at_most=training_tokens_at_most(optimisation, rows) * (2 if method is Method.DPO else 1),
        )

    def _answers(self, role: Role, iteration: int) -> Iterator[Step]:
        """What M_t generates in a role, and how it is judged."""
        rules = self.manifest.post_training
        plain = self._sample(role, iteration)
        assert isinstance(plain.block, SampleBlock)
        if role is Role.TRAIN and rules.balance is not None:
            yield self._choose(plain, rules.balance, iteration)
            yield step_of(
                STAGES,
                id=plain.id,
                block=ChosenSampleBlock(sample=plain.block),
                inputs={**plain.inputs, "choice": self._id(iteration, "choose")},
                rows_at_most=plain.rows_at_most,
                tokens_at_most=plain.tokens_at_most,
            )
        else:
            yield plain
        yield self._grade(role, iteration)
        if role is Role.TRAIN and rules.resample is not None:
            more = self._more(plain, rules.resample, iteration)
            yield more
            yield self._grade(role, iteration, more)

    def _choose(self, plain: Step, balance: Balance, iteration: int) -> Step:
        assert isinstance(plain.block, SampleBlock)
        rows = balance.problems * plain.block.samples_per_problem * len(balance.temperatures)
        return step_of(
            STAGES,
            id=self._id(iteration, "choose"),
            block=ChooseBlock(sample=plain.block, grading=grading_of(self.manifest, Split.TRAIN), balance=balance),
            inputs=plain.inputs,
            rows_at_most=rows,
            tokens_at_most=rows * plain.block.decoding.max_tokens,
        )

    def _more(self, plain: Step, resample: Resample, iteration: int) -> Step:
        assert isinstance(plain.block, SampleBlock)
        rows = self.manifest.datasets.train.rows * resample.most
        return step_of(
            STAGES,
            id=f"{plain.id}.more",
            block=MoreBlock(sample=plain.block, resample=resample),
            inputs={**plain.inputs, "samples": plain.id, "grades": self._id(iteration, f"grade.{Role.TRAIN}")},
            rows_at_most=rows,
            tokens_at_most=rows * plain.block.decoding.max_tokens,
        )

    def _sample(self, role: Role, iteration: int) -> Step:
        manifest = self.manifest
        sampling = _sampling_of(manifest, role)
        decoding = _decoding_of(manifest, role)
        split = SPLIT_OF_ROLE[role]
        samples = sampling.samples_per_problem if sampling else 1
        rows = manifest.datasets.by_split()[split].rows * samples
        return step_of(
            STAGES,
            id=self._id(iteration, f"sample.{role}"),
            block=SampleBlock(
                engine=manifest.engines.sampler,
                settings=sampler_settings(manifest.engines, self.model),
                role=role,
                iteration=iteration,
                seed=self._seed,
                samples_per_problem=samples,
                decoding=decoding,
                prompt_template=manifest.prompt.template,
                add_bos=manifest.prompt.add_bos,
                too_long=manifest.prompt.too_long,
            ),
            inputs={
                "model": f"{self.model.id}/model",
                "checkpoint": self._checkpoint(iteration),
                "problems": f"problems/{split}",
            },
            rows_at_most=rows,
            tokens_at_most=rows * decoding.max_tokens,
        )

    def _grade(self, role: Role, iteration: int, more: Step | None = None) -> Step:
        sample = more or self._sample(role, iteration)
        return step_of(
            STAGES,
            id=self._id(iteration, f"grade.{role}{'.more' if more else ''}"),
            block=GradeBlock(grading=grading_of(self.manifest, SPLIT_OF_ROLE[role])),
            inputs={"samples": sample.id, "problems": f"problems/{SPLIT_OF_ROLE[role]}"},
            rows_at_most=sample.rows_at_most,
        )

    def _embed(self, encoder: Encoder, iteration: int) -> Step:
        engines, sample = self.manifest.engines, self._sample(Role.SAMPLE, iteration)
        engine = "fake" if engines.sampler == "fake" else "embedder"
        return step_of(
            STAGES,
            id=self._id(iteration, "embed"),
            block=EmbedBlock(
                engine=engine,
                encoder=encoder,
                device=engines.device,
                threads=engines.threads,
                diversity_samples=self.manifest.measure.diversity_samples,
            ),
            inputs={"samples": sample.id, "grades": self._id(iteration, f"grade.{Role.SAMPLE}")},
            rows_at_most=sample.rows_at_most,
        )

    def _weigh(self, lead: str, iteration: int) -> Step:
        prompt, engines = self.manifest.prompt, self.manifest.engines
        return step_of(
            STAGES,
            id=self._id(iteration, "weigh"),
            block=WeighBlock(
                engine=engines.sampler,
                settings=sampler_settings(engines, self.model),
                prompt_template=prompt.template,
                lead=lead,
                add_bos=prompt.add_bos,
            ),
            inputs={
                "model": f"{self.model.id}/model",
                "checkpoint": self._checkpoint(iteration),
                "problems": f"problems/{Split.TEST}",
            },
            rows_at_most=self.manifest.datasets.test.rows,
        )

    def _measure(self, total: int) -> Step:
        inputs = {}
        if Metric.GROUP_DISPARITY in self.manifest.measure.metrics and self.manifest.datasets.ood is not None:
            inputs["problems"] = f"problems/{Split.OOD}"
        tail = Metric.TAIL_SHARE in self.manifest.measure.metrics
        if tail:
            inputs["train"] = f"problems/{Split.TRAIN}"
        for iteration in range(1, total + 1):
            if tail:
                inputs[f"training_set.{iteration}"] = self._id(iteration, "select")
            if self.manifest.post_training.balance and iteration < total:
                inputs[f"choice.{iteration}"] = self._id(iteration, "choose")
            if self.manifest.measure.choice_lead is not None:
                inputs[f"choices.{iteration}"] = self._id(iteration, "weigh")
            if self.manifest.measure.encoder is not None:
                inputs[f"embeddings.{iteration}"] = self._id(iteration, "embed")
            for role in self._roles(iteration):
                inputs[f"samples.{role}.{iteration}"] = self._id(iteration, f"sample.{role}")
                inputs[f"grades.{role}.{iteration}"] = self._id(iteration, f"grade.{role}")
        return step_of(
            STAGES,
            id=f"{self.model.id}/seed{self._seed}/measure",
            block=MeasureBlock(
                model=self.model.id,
                replicate=self.replicate,
                iterations=total,
                extraction=grading_of(self.manifest, Split.TEST).extraction,
                ood_extraction=grading_of(self.manifest, Split.OOD).extraction,
                outputs_alike=_outputs_alike(self.manifest),
                measure=self.manifest.measure,
                balance=self.manifest.post_training.balance,
                majority=self.manifest.post_training.majority,
            ),
            inputs=inputs,
        )


def _outputs_alike(manifest: Manifest) -> bool:
    """Whether training teaches bare labels, so that all correct outputs of a problem are one text."""
    return manifest.grading.task in ANSWERS_ARE_LABELS and manifest.rationales is None


def _correct_selection(rules: PostTraining) -> CorrectSelection:
    return CorrectSelection(
        deduplicate=rules.deduplicate,
        max_correct_per_problem=rules.max_correct_per_problem,
        without_correct=rules.without_correct,
    )


def _pair_selection(rules: PostTraining, seed: int) -> PairSelection:
    return PairSelection(
        deduplicate=rules.deduplicate,
        pairing=rules.pairing,
        pairs_per_problem=rules.pairs_per_problem,
        without_pair=rules.without_pair,
        seed=seed,
    )


def _sampling_of(manifest: Manifest, role: Role) -> Sampling | None:
    """The random sampling of a role; None for the greedy ones."""
    return {Role.TRAIN: manifest.sampling, Role.SAMPLE: manifest.evaluation.sampled}.get(role)


def _decoding_of(manifest: Manifest, role: Role) -> Decoding:
    sampling = _sampling_of(manifest, role)
    if sampling is None:
        return Decoding(temperature=0.0, top_p=1.0, top_k=-1, max_tokens=manifest.evaluation.greedy.max_tokens, stop=())
    return Decoding(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        max_tokens=sampling.max_tokens,
        stop=(),
    )


def optimisation_of(manifest: Manifest, method: Method, model: ModelRef) -> Optimisation:
    """The optimisation block that a method's training uses, with the model's own learning rate where it has one."""
    block, rate = manifest.sft, model.sft_learning_rate
    if method is Method.DPO:
        if manifest.dpo is None:
            raise ValueError("a schedule with dpo needs the dpo block; the loader refuses a manifest without it")
        block, rate = manifest.dpo.optimisation, model.dpo_learning_rate
    return block if rate is None else replace(block, learning_rate=rate)


def preference_of(manifest: Manifest, method: Method, optimisation: Optimisation) -> PreferenceOptimisation | None:
    """The DPO block with this optimisation; None for SFT."""
    if method is not Method.DPO or manifest.dpo is None:
        return None
    return replace(manifest.dpo, optimisation=optimisation)
