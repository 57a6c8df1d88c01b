"""What the schema of this protocol's manifests cannot say, beside the rules that all manifests have."""

import re
from collections.abc import Iterator
from typing import Final

from selfimp_bench.manifest.cross_checks import (
    BLOCK_RULES,
    BlockRules,
    ManifestRule,
    batches,
    canary_faults,
    correction,
    figure_models,
    generator_split,
    length,
    lora_distribution,
    pairing,
    repo_keys,
    unique_claims,
    unique_figures,
    unique_models,
)
from selfimp_bench.manifest.fault import Fault, JsonPath, listed, shown
from selfimp_bench.manifest.measured_checks import claims_are_measured, figures_are_measured
from selfimp_bench.manifest.model import (
    Claim,
    DatasetRef,
    Datasets,
    Encoder,
    Engines,
    Evaluation,
    Grading,
    Measure,
    Method,
    Metric,
    ModelRef,
    Optimisation,
    PaperFigure,
    PostTraining,
    PreferenceOptimisation,
    Prompt,
    Rationales,
    Sampling,
)
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.post_training.cells import DIVERSITIES, cells_of
from selfimp_bench.tasks.grading.kinds import UNTRUSTED

FOLLOW_UPS = ("resample", "balance", "majority")
PROMPT_FIELDS = ("question", "choices", "tests")
# A name in braces that follows a letter or a brace is LaTeX (\frac{a}{b}, \mathbf{A}), unless it is a field's.
_FIELD = re.compile(rf"(?:(?<![A-Za-z}}\]^_])|(?=\{{(?:{'|'.join(PROMPT_FIELDS)})\}}))\{{([a-zA-Z_]+)\}}")


# ---- rules within a block ----


def _generator_splits(datasets: Datasets, path: JsonPath) -> Iterator[Fault]:
    for part in Split:
        dataset: DatasetRef | None = getattr(datasets, part)
        if dataset is not None:
            yield from generator_split(dataset, part, (*path, part))


def _prompt_template(prompt: Prompt, path: JsonPath) -> Iterator[Fault]:
    """``{question}`` once, ``{choices}`` and ``{tests}`` at most once, no other field; LaTeX is text."""
    where = (*path, "template")
    named = _FIELD.findall(prompt.template)
    if named.count("question") != 1:
        found = named.count("question")
        yield Fault(path=where, message=f"expected {{question}} exactly once, found it {found} times")
    for name in dict.fromkeys(named):
        if name not in PROMPT_FIELDS:
            known = ", ".join(f"{{{field}}}" for field in PROMPT_FIELDS)
            message = f"expected no field but {known}, found {shown('{' + name + '}')}; remove it"
            yield Fault(path=where, message=message)
        elif name != "question" and named.count(name) > 1:
            yield Fault(path=where, message=f"expected {{{name}}} at most once, found it {named.count(name)} times")


def _rationale_template(rationales: Rationales, path: JsonPath) -> Iterator[Fault]:
    """``{rationale}`` and ``{answer}`` once each."""
    for name in ("{rationale}", "{answer}"):
        found = rationales.template.count(name)
        if found != 1:
            yield Fault(path=(*path, "template"), message=f"expected {name} exactly once, found it {found} times")


def _canaries_fill_the_template(prompt: Prompt, path: JsonPath) -> Iterator[Fault]:
    """A canary has ``choices`` and ``tests`` exactly where the template has a field for them."""
    named = _FIELD.findall(prompt.template)
    for index, canary in enumerate(prompt.canaries):
        where = (*path, "canaries", index)
        for name in ("choices", "tests"):
            given = getattr(canary, name) is not None
            if given and name not in named:
                message = f"the template has no field {{{name}}}; remove '{name}'"
                yield Fault(path=(*where, name), message=message, on_key=True)
            if not given and name in named:
                yield Fault(path=where, message=f"key '{name}' is missing; the template has a field {{{name}}}")


def _encoder_origin(encoder: Encoder, path: JsonPath) -> Iterator[Fault]:
    given = [name for name in ("repo", "package") if getattr(encoder, name) is not None]
    if len(given) != 1:
        expected = "exactly one of repo (with revision) or package (with weights_sha256)"
        yield Fault(path=path, message=f"expected {expected}, found {listed(given)}")
        return
    if encoder.package is not None and encoder.weights_sha256 is None:
        yield Fault(path=path, message="key 'weights_sha256' is missing; package is pinned by it")
    yield from repo_keys(encoder, ("revision",), ("revision",), path)


_EXTRAS: Final = (
    (Metric.SBERT_DIVERSITY, "encoder"),
    (Metric.IMPROVEMENT_SET, "improvement_n"),
    (Metric.CALIBRATION, "ece_bins"),
    (Metric.TAIL_SHARE, "tail_from"),
)


def _extras_with_their_metrics(measure: Measure, path: JsonPath) -> Iterator[Fault]:
    """What a metric needs besides is there exactly with it: ``encoder`` with sbert-diversity, and so on."""
    for metric, key in _EXTRAS:
        given = getattr(measure, key) is not None
        if metric in measure.metrics and not given:
            yield Fault(path=path, message=f"key '{key}' is missing; metrics names {metric}")
        if given and metric not in measure.metrics:
            yield Fault(path=(*path, key), message=f"metrics does not name {metric}; remove '{key}'", on_key=True)


def _schedule(rules: PostTraining, path: JsonPath) -> Iterator[Fault]:
    for index, method in enumerate(rules.schedule):
        if index == 0 and method is not Method.SFT_GOLD:
            message = f"expected sft-gold, for M_1 learns from gold solutions, found {method}"
            yield Fault(path=(*path, "schedule", 0), message=message)
        if index > 0 and method is Method.SFT_GOLD:
            message = "expected sft or dpo, found sft-gold; only the first iteration trains on gold solutions"
            yield Fault(path=(*path, "schedule", index), message=message)


def _pairing(rules: PostTraining, path: JsonPath) -> Iterator[Fault]:
    return pairing(rules.pairing, rules.pairs_per_problem, path)


_WANTS: Final = {
    "without_correct": "gold solutions decide nothing",
    "without_pair": "a vote that is not sure leaves a problem without pairs",
    "deduplicate": "it counts distinct responses",
}


def _follow_up(rules: PostTraining, path: JsonPath) -> Iterator[Fault]:
    """At most one of ``resample``, ``balance`` and ``majority``, and what each wants of the rest."""
    given = [name for name in FOLLOW_UPS if getattr(rules, name) is not None]
    if len(given) > 1:
        yield Fault(path=(*path, given[1]), message=f"expected at most one of {listed(given)}; remove one", on_key=True)
    if given and len(rules.schedule) == 1:
        message = f"the schedule has one iteration, on gold solutions; remove '{given[0]}', or schedule more"
        yield Fault(path=(*path, given[0]), message=message, on_key=True)
    if rules.balance is not None or rules.majority is not None:
        wants = {"without_correct": "drop"}
        wants |= {"deduplicate": "exact"} if rules.balance is not None else {"without_pair": "drop"}
        for key, value in wants.items():
            found = getattr(rules, key)
            if found != value:
                yield Fault(
                    path=(*path, key), message=f"expected {value} with {given[0]}, for {_WANTS[key]}, found {found}"
                )
    if rules.balance is not None and Method.DPO in rules.schedule:
        where = (*path, "schedule", rules.schedule.index(Method.DPO))
        yield Fault(path=where, message="expected sft, for balance is a rule of what SFT takes, found dpo")


def _own_rules(rules: PostTraining, path: JsonPath) -> Iterator[Fault]:
    """A rule of another package has a method to choose for, and nothing else chooses beside it."""
    for key, method, also in (
        ("sample_rule", Method.SFT, "without_correct"),
        ("pair_rule", Method.DPO, "without_pair"),
    ):
        if getattr(rules, key) is None:
            continue
        if method not in rules.schedule:
            message = f"no {method} in the schedule, so that nothing would use it; remove '{key}', or schedule {method}"
            yield Fault(path=(*path, key), message=message, on_key=True)
        for other in ("balance", "majority"):
            if getattr(rules, other) is not None:
                yield Fault(path=(*path, key), message=f"{other} chooses already; remove one of the two", on_key=True)
        if getattr(rules, also) != "drop":
            message = f"expected drop with {key}, which chooses what is trained on, found {getattr(rules, also)}"
            yield Fault(path=(*path, also), message=message)


def _diversity_samples_with_a_metric(measure: Measure, path: JsonPath) -> Iterator[Fault]:
    if measure.diversity_samples is not None and not set(measure.metrics) & set(DIVERSITIES):
        message = f"metrics names none of {', '.join(DIVERSITIES)}; remove 'diversity_samples'"
        yield Fault(path=(*path, "diversity_samples"), message=message, on_key=True)


def _k_with_its_metric(measure: Measure, path: JsonPath) -> Iterator[Fault]:
    wanted = Metric.PASS_AT_K in measure.metrics
    if wanted and not measure.k:
        yield Fault(path=(*path, "k"), message="expected at least one k, for metrics names pass@k, found none")
    if measure.k and not wanted:
        yield Fault(path=(*path, "k"), message="expected [], for metrics does not name pass@k; add pass@k, or empty k")


POST_TRAINING_BLOCK_RULES: Final[BlockRules] = {
    **BLOCK_RULES,
    Datasets: (_generator_splits,),
    Prompt: (_prompt_template, _canaries_fill_the_template),
    Rationales: (_rationale_template,),
    PostTraining: (_schedule, _pairing, _follow_up, _own_rules),
    Encoder: (_encoder_origin,),
    Measure: (_k_with_its_metric, _extras_with_their_metrics, _diversity_samples_with_a_metric),
}


# ---- rules between blocks ----


def _canaries_cover_models(models: tuple[ModelRef, ...], prompt: Prompt) -> Iterator[Fault]:
    return canary_faults(models, prompt.canaries)


def _dpo_block(rules: PostTraining, dpo: PreferenceOptimisation | None) -> Iterator[Fault]:
    if Method.DPO in rules.schedule and dpo is None:
        index = rules.schedule.index(Method.DPO)
        yield Fault(path=("post_training", "schedule", index), message="dpo needs the block 'dpo'; add the block")
    if Method.DPO not in rules.schedule and dpo is not None:
        yield Fault(
            path=("post_training", "schedule"),
            message="no dpo here, but there is a block 'dpo' that nothing would use; remove the block, or schedule dpo",
        )


def _within_samples(measure: Measure, evaluation: Evaluation) -> Iterator[Fault]:
    samples = evaluation.sampled.samples_per_problem
    for index, k in enumerate(measure.k):
        if k > samples:
            message = f"expected at most {samples}, evaluation.sampled.samples_per_problem, found {k}"
            yield Fault(path=("measure", "k", index), message=message)
    for index, n in enumerate(measure.improvement_n or ()):
        if n > samples:
            message = f"expected at most {samples}, evaluation.sampled.samples_per_problem, found {n}"
            yield Fault(path=("measure", "improvement_n", index), message=message)
    looked_at = measure.diversity_samples
    if looked_at is not None and looked_at > samples:
        message = f"expected at most {samples}, evaluation.sampled.samples_per_problem, found {looked_at}"
        yield Fault(path=("measure", "diversity_samples"), message=message)


def _balance_within_train(rules: PostTraining, datasets: Datasets) -> Iterator[Fault]:
    if rules.balance is not None and rules.balance.problems > datasets.train.rows:
        message = f"expected at most the training problems ({datasets.train.rows}), found {rules.balance.problems}"
        yield Fault(path=("post_training", "balance", "problems"), message=message)


def _resample_below_what_is_drawn(rules: PostTraining, sampling: Sampling) -> Iterator[Fault]:
    if rules.resample is not None and rules.resample.below > sampling.samples_per_problem:
        message = (
            f"expected at most {sampling.samples_per_problem}, sampling.samples_per_problem, "
            f"found {rules.resample.below}: no problem would ever have enough"
        )
        yield Fault(path=("post_training", "resample", "below"), message=message)


def _answers_can_agree(rules: PostTraining, measure: Measure, grading: Grading) -> Iterator[Fault]:
    """A vote, a reward by agreement and calibration by agreement need answers that several samples can give."""
    if grading.task not in UNTRUSTED:
        return
    reason = f"a program ({grading.task}) has no final answer that samples could agree on"
    for name in ("balance", "majority"):
        if getattr(rules, name) is not None:
            yield Fault(path=("post_training", name), message=f"{reason}; remove '{name}'", on_key=True)
    if Metric.CALIBRATION in measure.metrics:
        where = ("measure", "metrics", measure.metrics.index(Metric.CALIBRATION))
        yield Fault(path=where, message=f"{reason}; remove {Metric.CALIBRATION}")


def _choices_are_there(measure: Measure, prompt: Prompt) -> Iterator[Fault]:
    """Labels of choices are weighed for ece, behind a prompt that shows them."""
    if measure.choice_lead is None:
        return
    where = ("measure", "choice_lead")
    if Metric.CALIBRATION not in measure.metrics:
        yield Fault(
            path=where, message=f"metrics does not name {Metric.CALIBRATION}; remove 'choice_lead'", on_key=True
        )
    if "choices" not in _FIELD.findall(prompt.template):
        message = "the prompt's template has no field {choices}; remove 'choice_lead'"
        yield Fault(path=where, message=message, on_key=True)


def _sft_batches(sft: Optimisation, engines: Engines) -> Iterator[Fault]:
    return batches(sft, ("sft",), engines)


def _dpo_batches(dpo: PreferenceOptimisation | None, engines: Engines) -> Iterator[Fault]:
    if dpo is not None:
        yield from batches(dpo.optimisation, ("dpo", "optimisation"), engines)


def _probe_within_test(datasets: Datasets, engines: Engines) -> Iterator[Fault]:
    if engines.probe is not None and engines.probe.prompts > datasets.test.rows:
        message = f"expected at most the test problems ({datasets.test.rows}), found {engines.probe.prompts}"
        yield Fault(path=("engines", "probe", "prompts"), message=message)


def _sft_length(sft: Optimisation, sampling: Sampling) -> Iterator[Fault]:
    return length(sft, ("sft",), sampling, "sampling")


def _dpo_length(dpo: PreferenceOptimisation | None, sampling: Sampling) -> Iterator[Fault]:
    if dpo is not None:
        yield from length(dpo.optimisation, ("dpo", "optimisation"), sampling, "sampling")


def _claims_are_measured(
    claims: tuple[Claim, ...],
    measure: Measure,
    datasets: Datasets,
    sampling: Sampling,
    rules: PostTraining,
    grading: Grading,
    ood_grading: Grading | None,
) -> Iterator[Fault]:
    measured = cells_of(measure, datasets, sampling, rules, grading, ood_grading)
    yield from claims_are_measured(claims, measured)


def _figures_are_measured(
    figures: tuple[PaperFigure, ...] | None,
    measure: Measure,
    datasets: Datasets,
    sampling: Sampling,
    rules: PostTraining,
    grading: Grading,
    ood_grading: Grading | None,
) -> Iterator[Fault]:
    measured = cells_of(measure, datasets, sampling, rules, grading, ood_grading)
    return figures_are_measured(figures or (), measured)


_DECIDE_CELLS = ("measure", "datasets", "sampling", "post_training", "grading", "ood_grading")
POST_TRAINING_RULES: Final[tuple[ManifestRule, ...]] = (
    ManifestRule(find=unique_models, needs=("models",)),
    ManifestRule(find=unique_claims, needs=("claims",)),
    ManifestRule(find=_canaries_cover_models, needs=("models", "prompt")),
    ManifestRule(find=_dpo_block, needs=("post_training", "dpo")),
    ManifestRule(find=_within_samples, needs=("measure", "evaluation")),
    ManifestRule(find=_balance_within_train, needs=("post_training", "datasets")),
    ManifestRule(find=_resample_below_what_is_drawn, needs=("post_training", "sampling")),
    ManifestRule(find=_answers_can_agree, needs=("post_training", "measure", "grading")),
    ManifestRule(find=_choices_are_there, needs=("measure", "prompt")),
    ManifestRule(find=_sft_batches, needs=("sft", "engines")),
    ManifestRule(find=_dpo_batches, needs=("dpo", "engines")),
    ManifestRule(find=_probe_within_test, needs=("datasets", "engines")),
    ManifestRule(find=lora_distribution, needs=("lora", "engines")),
    ManifestRule(find=_sft_length, needs=("sft", "sampling")),
    ManifestRule(find=_dpo_length, needs=("dpo", "sampling")),
    ManifestRule(find=correction, needs=("version", "corrects")),
    ManifestRule(
        find=_claims_are_measured,
        needs=("claims", *_DECIDE_CELLS),
        on_claims=True,
    ),
    ManifestRule(find=unique_figures, needs=("figures",)),
    ManifestRule(find=figure_models, needs=("figures", "models"), on_claims=True),
    ManifestRule(
        find=_figures_are_measured,
        needs=("figures", *_DECIDE_CELLS),
        on_claims=True,
    ),
)
