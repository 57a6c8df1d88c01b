"""The steps that only the verification protocol has: read inputs, do the stage, write artifacts."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from selfimp_bench.engines.base import Sampler
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.protocols.verification.cells import judges_of
from selfimp_bench.protocols.verification.keep import Pool, keep
from selfimp_bench.protocols.verification.measure import Point, measure_gaps
from selfimp_bench.protocols.verification.score import mean_scores, score
from selfimp_bench.protocols.verification.tournament import tournament
from selfimp_bench.protocols.verification.verify import Verifier, verify
from selfimp_bench.steps import rows as schemas
from selfimp_bench.steps.inputs import StepInputs
from selfimp_bench.steps.outputs import Counts, write_measured, write_training_set
from selfimp_bench.steps.plan import KeepBlock, MeasureGapBlock, ScoreBlock, TournamentBlock, VerifyBlock
from selfimp_bench.steps.rows import JudgementRow, MatchRow, ScoreRow
from selfimp_bench.steps.store import StepFolder

JUDGEMENTS: Final = "judgements.parquet"
SCORES: Final = "scores.parquet"
MATCHES: Final = "matches.parquet"

OnProgress = Callable[[int, int], None]


VerificationBlock = VerifyBlock | ScoreBlock | TournamentBlock | KeepBlock | MeasureGapBlock


def judge(
    inputs: StepInputs,
    block: VerifyBlock | TournamentBlock,
    sampler: Sampler,
    folder: StepFolder,
    on_progress: OnProgress,
) -> Counts:
    """Do a step in which a model judges; ``on_progress`` is told what is done, and how much there is in all."""
    match block:
        case VerifyBlock():
            return _verify(inputs, block, sampler, folder, on_progress)
        case TournamentBlock():
            return _tournament(inputs, block, sampler, folder, on_progress)


def use_judgements(inputs: StepInputs, block: ScoreBlock | KeepBlock | MeasureGapBlock, folder: StepFolder) -> Counts:
    """Do a step that asks no model: judgements become scores, a training set, measurements."""
    match block:
        case ScoreBlock():
            return _score(inputs, block, folder)
        case KeepBlock():
            return _keep(inputs, block, folder)
        case MeasureGapBlock():
            return _measure(inputs, block, folder)


def _verify(
    inputs: StepInputs, block: VerifyBlock, sampler: Sampler, folder: StepFolder, on_progress: OnProgress
) -> Counts:
    verifier = _verifier(inputs, sampler)
    judged = verify(block, inputs.problems_by_id(), inputs.samples("samples"), verifier, on_progress)
    folder.write_table(JUDGEMENTS, judged, schemas.JUDGEMENT_SCHEMA)
    return {"judgements": len(judged), "tokens": _tokens((row.text for row in judged), verifier)}


def _score(inputs: StepInputs, block: ScoreBlock, folder: StepFolder) -> Counts:
    scored = score(block.kind, inputs.rows("judgements", JUDGEMENTS, JudgementRow))
    folder.write_table(SCORES, scored, schemas.SCORE_SCHEMA)
    return Counter(row.outcome for row in scored)


def _tournament(
    inputs: StepInputs, block: TournamentBlock, sampler: Sampler, folder: StepFolder, on_progress: OnProgress
) -> Counts:
    verifier = _verifier(inputs, sampler)
    played = tournament(block, inputs.problems_by_id(), inputs.samples("samples"), verifier, on_progress)
    folder.write_table(MATCHES, played, schemas.MATCH_SCHEMA)
    outcomes = Counter(row.outcome for row in played)
    return {"matches": len(played), "tokens": _tokens((row.text for row in played), verifier), **outcomes}


def _verifier(inputs: StepInputs, sampler: Sampler) -> Verifier:
    codec = load_codec(inputs.checkpoint("model"))
    return Verifier(codec=codec, sampler=sampler, checkpoint=inputs.checkpoint("checkpoint"))


def _tokens(texts: Iterable[str | None], verifier: Verifier) -> int:
    return sum(len(verifier.codec.encode(text)) for text in texts if text is not None)


def _keep(inputs: StepInputs, block: KeepBlock, folder: StepFolder) -> Counts:
    pools = []
    for name in inputs.named("samples."):
        number = name.removeprefix("samples.")
        scores = None if block.selection is None else mean_scores(inputs.rows(f"scores.{number}", SCORES, ScoreRow))
        pools.append(Pool(samples=inputs.judged(name, f"grades.{number}"), scores=scores))
    chosen = keep(block, inputs.problems(), pools, load_codec(inputs.checkpoint("model")))
    return write_training_set(folder, chosen, pairs=block.pairs is not None)


def _measure(inputs: StepInputs, block: MeasureGapBlock, folder: StepFolder) -> Counts:
    judges = judges_of(block.verification, block.verifiers)
    points = []
    for name in inputs.named("grades."):
        _, iteration, number = name.split(".")
        place = f"{iteration}.{number}"
        points.append(
            Point(
                iteration=int(iteration),
                temperature=None if block.temperatures is None else block.temperatures[int(number)],
                grades=inputs.grades(name),
                scores={
                    judge.name: inputs.rows(f"scores.{index}.{place}", SCORES, ScoreRow)
                    for index, judge in enumerate(judges)
                    if judge.method.rounds is None
                },
                matches={
                    judge.name: inputs.rows(f"matches.{index}.{place}", MATCHES, MatchRow)
                    for index, judge in enumerate(judges)
                    if judge.method.rounds is not None
                },
            )
        )
    return write_measured(folder, measure_gaps(block, points))
