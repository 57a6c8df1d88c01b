"""What the schema of a verification manifest cannot say: the rules between its fields, as in ``cross_checks.py``."""

from collections.abc import Iterator, Mapping
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
    unique_claims,
    unique_figures,
    unique_ids,
    unique_models,
)
from selfimp_bench.manifest.fault import Fault, JsonPath, listed, nearest, shown
from selfimp_bench.manifest.measured import MeasuredCell
from selfimp_bench.manifest.measured_checks import claims_are_measured, figures_are_measured
from selfimp_bench.manifest.model import (
    Claim,
    Engines,
    Grading,
    Lora,
    ModelRef,
    Optimisation,
    PaperFigure,
    PreferenceOptimisation,
)
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.verification.cells import CORRELATIONS, measured_by
from selfimp_bench.protocols.verification.manifest import (
    SELF,
    Ensemble,
    Filtered,
    Generation,
    GenerationPrompt,
    PairRules,
    Selection,
    SelfImprovement,
    VerificationDatasets,
    VerificationMeasure,
    VerificationMetric,
    VerifierKind,
    VerifierMethod,
)

_M, _K = VerificationMetric, VerifierKind
Methods = tuple[VerifierMethod, ...]
Models = tuple[ModelRef, ...]

SCALES: Final[Mapping[VerifierKind, tuple[float, float]]] = {
    _K.MULTIPLE_CHOICE: (0, 1),
    _K.COT_BINARY: (0, 1),
    _K.COT_SCORE: (1, 10),
}
"""The lowest and the highest score of a kind."""


# ---- rules within a block ----


def _dataset_splits(datasets: VerificationDatasets, path: JsonPath) -> Iterator[Fault]:
    for part, dataset in ((Split.TEST, datasets.test), (Split.TRAIN, datasets.train)):
        if dataset is not None:
            yield from generator_split(dataset, part, (*path, part))


def _canaries_ask_a_question(prompt: GenerationPrompt, path: JsonPath) -> Iterator[Fault]:
    for index, canary in enumerate(prompt.canaries):
        for name in ("choices", "tests"):
            if getattr(canary, name) is not None:
                message = f"the prompt has no field {{{name}}}; remove '{name}'"
                yield Fault(path=(*path, "canaries", index, name), message=message, on_key=True)


def _one_selection(selection: Selection, path: JsonPath) -> Iterator[Fault]:
    given = [name for name in ("quantile", "threshold", "reweight") if getattr(selection, name) is not None]
    if len(given) != 1:
        yield Fault(
            path=path, message=f"expected exactly one of quantile, threshold or reweight, found {listed(given)}"
        )


def _keys_of_the_kind(method: VerifierMethod, path: JsonPath) -> Iterator[Fault]:
    kind = method.kind
    wanted = {
        "labels": kind is _K.MULTIPLE_CHOICE,
        "judging": kind is not _K.MULTIPLE_CHOICE,
        "rounds": kind is _K.TOURNAMENT,
        "selections": kind is not _K.TOURNAMENT,
    }
    for key, needed in wanted.items():
        given = getattr(method, key) is not None
        if needed and not given:
            yield Fault(path=path, message=f"key '{key}' is missing; kind {kind} needs it")
        if given and not needed:
            yield Fault(path=(*path, key), message=f"kind {kind} has no '{key}'; remove it", on_key=True)


def _judging_of_the_kind(method: VerifierMethod, path: JsonPath) -> Iterator[Fault]:
    if method.judging is None:
        return
    expected = "coin" if method.kind is _K.TOURNAMENT else "no-score"
    if method.judging.unparsed != expected:
        message = f"expected {expected}, for kind is {method.kind}, found {method.judging.unparsed}"
        yield Fault(path=(*path, "judging", "unparsed"), message=message)
    if method.kind is _K.TOURNAMENT and method.judging.repeats != 1:
        message = f"expected 1, for a pair meets once, found {method.judging.repeats}"
        yield Fault(path=(*path, "judging", "repeats"), message=message)


def _labels_differ(method: VerifierMethod, path: JsonPath) -> Iterator[Fault]:
    if method.labels is not None and method.labels.correct == method.labels.incorrect:
        message = "this is the same text as labels.correct; no probability could tell them apart"
        yield Fault(path=(*path, "labels", "incorrect"), message=message)


def _thresholds_on_the_scale(method: VerifierMethod, path: JsonPath) -> Iterator[Fault]:
    for index, selection in enumerate(method.selections or ()):
        yield from _on_scale(selection, method.kind, (*path, "selections", index))


def _on_scale(selection: Selection, kind: VerifierKind, path: JsonPath) -> Iterator[Fault]:
    if selection.threshold is None or kind not in SCALES:
        return
    lowest, highest = SCALES[kind]
    if not lowest <= selection.threshold <= highest:
        message = f"expected a score of {kind}, {lowest} to {highest}, found {selection.threshold:g}"
        yield Fault(path=(*path, "threshold"), message=message)


def _pairing(pairs: PairRules, path: JsonPath) -> Iterator[Fault]:
    return pairing(pairs.pairing, pairs.pairs_per_problem, path)


def _blocks_of_the_improvement(rules: SelfImprovement, path: JsonPath) -> Iterator[Fault]:
    for key, wanted, why in (
        ("kept_by", rules.utility == "verifier", f"utility {rules.utility}"),
        ("pairs", rules.method == "rpo", f"method {rules.method}"),
    ):
        given = getattr(rules, key) is not None
        if wanted and not given:
            yield Fault(path=path, message=f"key '{key}' is missing; {why} needs it")
        if given and not wanted:
            yield Fault(path=(*path, key), message=f"{why} has no '{key}'; remove it", on_key=True)


def _keys_of_the_metrics(measure: VerificationMeasure, path: JsonPath) -> Iterator[Fault]:
    for key, asked, why in (
        ("k", _M.PASS_AT_K in measure.metrics, "pass@k"),
        ("correlate", any(metric in measure.metrics for metric in CORRELATIONS), "a correlation"),
    ):
        given = bool(getattr(measure, key))
        if asked and not given:
            yield Fault(path=path, message=f"metrics names {why}; say which in '{key}'")
        if given and not asked:
            yield Fault(path=(*path, key), message=f"metrics does not name {why}; empty or remove '{key}'", on_key=True)


VERIFICATION_BLOCK_RULES: Final[BlockRules] = {
    **BLOCK_RULES,
    VerificationDatasets: (_dataset_splits,),
    GenerationPrompt: (_canaries_ask_a_question,),
    Selection: (_one_selection,),
    VerifierMethod: (_keys_of_the_kind, _judging_of_the_kind, _labels_differ, _thresholds_on_the_scale),
    PairRules: (_pairing,),
    SelfImprovement: (_blocks_of_the_improvement,),
    VerificationMeasure: (_keys_of_the_metrics,),
}


# ---- rules between blocks ----


def _unique_verifier_models(models: Models, verifier_models: Models | None) -> Iterator[Fault]:
    extra = [model.id for model in verifier_models or ()]
    yield from unique_ids("verifier_models", extra)
    generators = [model.id for model in models]
    for index, name in enumerate(extra):
        if name in generators:
            message = f"{name} is a generator already, and can verify as one; remove it here"
            yield Fault(path=("verifier_models", index, "id"), message=message)


def _unique_methods(verification: Methods) -> Iterator[Fault]:
    return unique_ids("verification", [method.id for method in verification])


def _canaries_cover(models: Models, verifier_models: Models | None, prompt: GenerationPrompt) -> Iterator[Fault]:
    return canary_faults((*models, *(verifier_models or ())), prompt.canaries)


def _verifiers_exist(verifiers: tuple[str, ...], models: Models, verifier_models: Models | None) -> Iterator[Fault]:
    for index, name in enumerate(verifiers):
        yield from _judge_exists(name, models, verifier_models, ("verifiers", index))


def _judge_exists(name: str, models: Models, verifier_models: Models | None, path: JsonPath) -> Iterator[Fault]:
    known = [SELF, *(model.id for model in (*models, *(verifier_models or ())))]
    if name not in known:
        yield Fault(path=path, message=f"{shown(name)} is no model of this manifest; {nearest(name, known)}")


def _verifier_models_verify(
    verifier_models: Models | None, verifiers: tuple[str, ...], improvement: SelfImprovement | None
) -> Iterator[Fault]:
    filter_ = improvement.kept_by if improvement is not None else None
    used = {*verifiers, *([filter_.model] if filter_ is not None else [])}
    for index, model in enumerate(verifier_models or ()):
        if model.id not in used:
            message = f"{model.id} verifies nothing; name it in verifiers or in self_improvement.kept_by, or remove it"
            yield Fault(path=("verifier_models", index), message=message)


def _batches_are_full(verification: Methods, generation: Generation) -> Iterator[Fault]:
    samples = generation.samples_per_problem
    for index, method in enumerate(verification):
        if method.rounds is not None and samples % 2**method.rounds != 0:
            message = (
                f"generation.samples_per_problem ({samples}) does not fill batches of 2^{method.rounds} = "
                f"{2**method.rounds}; choose other rounds or samples"
            )
            yield Fault(path=("verification", index, "rounds"), message=message)


def _ensemble_members(ensembles: tuple[Ensemble, ...] | None, verification: Methods) -> Iterator[Fault]:
    for index, ensemble in enumerate(ensembles or ()):
        for number, member in enumerate(ensemble.members):
            path: JsonPath = ("ensembles", index, "members", number)
            yield from _filter(member.verifier, member.selection, verification, path)


def _correlated(measure: VerificationMeasure, verification: Methods) -> Iterator[Fault]:
    methods = {method.id: method for method in verification}
    for index, picked in enumerate(measure.correlate or ()):
        path: JsonPath = ("measure", "correlate", index)
        method = methods.get(picked.verifier)
        if method is not None and method.kind is _K.TOURNAMENT:
            if picked.selection is not None:
                message = "a tournament has no selection, its last round counts; remove it"
                yield Fault(path=(*path, "selection"), message=message, on_key=True)
        else:
            yield from _filter(picked.verifier, picked.selection, verification, path)


def _filter(name: str, selection: Selection | None, verification: Methods, path: JsonPath) -> Iterator[Fault]:
    """Whether this is a filter of a method with scores."""
    methods = {method.id: method for method in verification}
    if name not in methods:
        message = f"{shown(name)} is no verifier method of this manifest; {nearest(name, list(methods))}"
        yield Fault(path=(*path, "verifier"), message=message)
    elif methods[name].kind is _K.TOURNAMENT:
        yield Fault(path=(*path, "verifier"), message=f"{name} is a tournament, which gives no scores; name another")
    elif selection is None:
        yield Fault(path=path, message="key 'selection' is missing; add it (which responses are kept)")
    elif selection.reweight is not None:
        message = "reweighting drops no response, and this is about filters; use quantile or threshold"
        yield Fault(path=(*path, "selection", "reweight"), message=message, on_key=True)
    else:
        yield from _on_scale(selection, methods[name].kind, (*path, "selection"))


def _improvement_filter(
    improvement: SelfImprovement | None, verification: Methods, models: Models, verifier_models: Models | None
) -> Iterator[Fault]:
    if improvement is None or improvement.kept_by is None:
        return
    path: JsonPath = ("self_improvement", "kept_by")
    kept_by = improvement.kept_by
    yield from _filter(kept_by.verifier, kept_by.selection, verification, path)
    yield from _judge_exists(kept_by.model, models, verifier_models, (*path, "model"))


def _training_blocks(
    improvement: SelfImprovement | None, sft: Optimisation | None, dpo: PreferenceOptimisation | None
) -> Iterator[Fault]:
    method = improvement.method if improvement is not None else None
    for name, block, user in (("sft", sft, "rejection"), ("dpo", dpo, "rpo")):
        if method == user and block is None:
            message = f"{user} needs the block '{name}'; add the block"
            yield Fault(path=("self_improvement", "method"), message=message)
        if method != user and block is not None:
            yield Fault(path=(name,), message=f"nothing trains by {user} here; remove the block", on_key=True)


def _rpo_has_its_term(improvement: SelfImprovement | None, dpo: PreferenceOptimisation | None) -> Iterator[Fault]:
    if improvement is not None and improvement.method == "rpo" and dpo is not None and dpo.sft_coefficient is None:
        yield Fault(path=("dpo",), message="key 'sft_coefficient' is missing; rpo is DPO with an SFT term")


def _adapters_train(lora: Lora | None, improvement: SelfImprovement | None) -> Iterator[Fault]:
    if lora is not None and improvement is None:
        yield Fault(path=("lora",), message="nothing is trained here; remove the block", on_key=True)


def _training_batches(
    sft: Optimisation | None, dpo: PreferenceOptimisation | None, engines: Engines
) -> Iterator[Fault]:
    if sft is not None:
        yield from batches(sft, ("sft",), engines)
    if dpo is not None:
        yield from batches(dpo.optimisation, ("dpo", "optimisation"), engines)


def _no_probe(engines: Engines) -> Iterator[Fault]:
    if engines.probe is not None:
        message = "the verification protocol replays nothing, so nothing would use this block; remove it"
        yield Fault(path=("engines", "probe"), message=message, on_key=True)


def _training_length(
    improvement: SelfImprovement | None, sft: Optimisation | None, dpo: PreferenceOptimisation | None
) -> Iterator[Fault]:
    if improvement is not None and sft is not None:
        yield from length(sft, ("sft",), improvement.sampling, "self_improvement.sampling")
    if improvement is not None and dpo is not None:
        yield from length(dpo.optimisation, ("dpo", "optimisation"), improvement.sampling, "self_improvement.sampling")


def _training_problems(improvement: SelfImprovement | None, datasets: VerificationDatasets) -> Iterator[Fault]:
    wanted = improvement is not None and improvement.split == "train"
    if wanted and datasets.train is None:
        yield Fault(path=("datasets",), message="key 'train' is missing; self_improvement.split is train")
    if datasets.train is not None and not wanted:
        message = "no self_improvement trains on these problems; remove them"
        yield Fault(path=("datasets", "train"), message=message, on_key=True)


def _one_axis(improvement: SelfImprovement | None, temperatures: tuple[float, ...] | None) -> Iterator[Fault]:
    if improvement is not None and temperatures is not None:
        message = "temperatures do not go with self_improvement; write a manifest for each temperature"
        yield Fault(path=("temperatures",), message=message, on_key=True)


def _k_within_samples(measure: VerificationMeasure, generation: Generation) -> Iterator[Fault]:
    for index, k in enumerate(measure.k):
        if k > generation.samples_per_problem:
            expected = f"at most {generation.samples_per_problem}, generation.samples_per_problem"
            yield Fault(path=("measure", "k", index), message=f"expected {expected}, found {k}")


def _metrics_have_verifiers(measure: VerificationMeasure, verification: Methods) -> Iterator[Fault]:
    kinds = {method.kind for method in verification}
    repeated = any(method.judging is not None and method.judging.repeats > 1 for method in verification)
    applies = {
        _M.LABEL_MASS: (_K.MULTIPLE_CHOICE in kinds, "a multiple-choice verifier"),
        _M.SCORED_SHARE: (kinds != {_K.MULTIPLE_CHOICE}, "a verifier with written judgements"),
        _M.SCORE_SHARES: (_K.COT_SCORE in kinds, "a cot-score verifier"),
        _M.JUDGEMENT_VARIANCE: (_K.COT_BINARY in kinds and repeated, "a cot-binary verifier with repeats"),
        _M.TOURNAMENT_STEPS: (_K.TOURNAMENT in kinds, "a tournament"),
        _M.FIRST_PREFERRED: (_K.TOURNAMENT in kinds, "a tournament"),
        _M.KEPT_SHARE: (kinds != {_K.TOURNAMENT}, "a verifier with selections"),
    }
    for index, metric in enumerate(measure.metrics):
        there, needs = applies.get(metric, (True, ""))
        if not there:
            message = f"{metric} needs {needs}, and verification has none; remove it, or add one"
            yield Fault(path=("measure", "metrics", index), message=message)


def _a_bound_is_shown(measure: VerificationMeasure, verification: Methods) -> Iterator[Fault]:
    bounded = [each.id for each in verification if each.judging and each.judging.unusable_at_most is not None]
    if bounded and _M.SCORED_SHARE not in measure.metrics:
        message = (
            f"{bounded[0]} has a bound, unusable_at_most, on what {_M.SCORED_SHARE} measures; add {_M.SCORED_SHARE}"
        )
        yield Fault(path=("measure", "metrics"), message=message)


def _claims_are_measured(
    claims: tuple[Claim, ...],
    measure: VerificationMeasure,
    verification: Methods,
    verifiers: tuple[str, ...],
    grading: Grading,
    ensembles: tuple[Ensemble, ...] | None,
    temperatures: tuple[float, ...] | None,
    improvement: SelfImprovement | None,
) -> Iterator[Fault]:
    for measured in _measured(measure, verification, verifiers, grading, ensembles, temperatures, improvement):
        yield from claims_are_measured(claims, measured)


def _figures_are_measured(
    figures: tuple[PaperFigure, ...] | None,
    measure: VerificationMeasure,
    verification: Methods,
    verifiers: tuple[str, ...],
    grading: Grading,
    ensembles: tuple[Ensemble, ...] | None,
    temperatures: tuple[float, ...] | None,
    improvement: SelfImprovement | None,
) -> Iterator[Fault]:
    for measured in _measured(measure, verification, verifiers, grading, ensembles, temperatures, improvement):
        yield from figures_are_measured(figures or (), measured)


def _measured(
    measure: VerificationMeasure,
    verification: Methods,
    verifiers: tuple[str, ...],
    grading: Grading,
    ensembles: tuple[Ensemble, ...] | None,
    temperatures: tuple[float, ...] | None,
    improvement: SelfImprovement | None,
) -> Iterator[tuple[MeasuredCell, ...]]:
    """What is measured; nothing where names would be wrong, which other rules say."""
    known = {method.id for method in verification}
    named: list[Filtered] = [*(measure.correlate or ()), *(each for one in ensembles or () for each in one.members)]
    chosen = [selection for method in verification for selection in method.selections or ()]
    chosen += [each.selection for each in named if each.selection is not None]
    if {each.verifier for each in named} <= known and not any(any(_one_selection(each, ())) for each in chosen):
        yield measured_by(measure, verification, verifiers, grading, ensembles, temperatures, improvement)


_DECIDE_NAMES: Final = (
    "measure",
    "verification",
    "verifiers",
    "grading",
    "ensembles",
    "temperatures",
    "self_improvement",
)
"""The blocks that decide which measurements there are."""

VERIFICATION_RULES: Final[tuple[ManifestRule, ...]] = (
    ManifestRule(find=unique_models, needs=("models",)),
    ManifestRule(find=unique_claims, needs=("claims",)),
    ManifestRule(find=_unique_verifier_models, needs=("models", "verifier_models")),
    ManifestRule(find=_unique_methods, needs=("verification",)),
    ManifestRule(find=_canaries_cover, needs=("models", "verifier_models", "prompt")),
    ManifestRule(find=_verifiers_exist, needs=("verifiers", "models", "verifier_models")),
    ManifestRule(find=_verifier_models_verify, needs=("verifier_models", "verifiers", "self_improvement")),
    ManifestRule(find=_batches_are_full, needs=("verification", "generation")),
    ManifestRule(find=_ensemble_members, needs=("ensembles", "verification")),
    ManifestRule(find=_correlated, needs=("measure", "verification")),
    ManifestRule(find=_improvement_filter, needs=("self_improvement", "verification", "models", "verifier_models")),
    ManifestRule(find=_training_blocks, needs=("self_improvement", "sft", "dpo")),
    ManifestRule(find=_rpo_has_its_term, needs=("self_improvement", "dpo")),
    ManifestRule(find=_training_batches, needs=("sft", "dpo", "engines")),
    ManifestRule(find=_adapters_train, needs=("lora", "self_improvement")),
    ManifestRule(find=lora_distribution, needs=("lora", "engines")),
    ManifestRule(find=_no_probe, needs=("engines",)),
    ManifestRule(find=_training_length, needs=("self_improvement", "sft", "dpo")),
    ManifestRule(find=_training_problems, needs=("self_improvement", "datasets")),
    ManifestRule(find=_one_axis, needs=("self_improvement", "temperatures")),
    ManifestRule(find=_k_within_samples, needs=("measure", "generation")),
    ManifestRule(find=_metrics_have_verifiers, needs=("measure", "verification")),
    ManifestRule(find=_a_bound_is_shown, needs=("measure", "verification")),
    ManifestRule(find=correction, needs=("version", "corrects")),
    ManifestRule(find=unique_figures, needs=("figures",)),
    ManifestRule(find=figure_models, needs=("figures", "models"), on_claims=True),
    ManifestRule(find=_claims_are_measured, needs=("claims", *_DECIDE_NAMES), on_claims=True),
    ManifestRule(find=_figures_are_measured, needs=("figures", *_DECIDE_NAMES), on_claims=True),
)
