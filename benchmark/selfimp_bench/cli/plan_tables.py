"""How a plan looks in a terminal: totals, what can be decided, and the steps where they are asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfimp_bench.cli.console import Column, Table
from selfimp_bench.cli.hardware_tables import spread
from selfimp_bench.cli.watching import lasting
from selfimp_bench.manifest.variants import NOT_JUDGED, variant_words
from selfimp_bench.plural import plural
from selfimp_bench.runs.decide import DRAWS, REPLICATES, Decidability, Prospect
from selfimp_bench.runs.disk import DiskUse, in_bytes
from selfimp_bench.runs.forecast import Forecast
from selfimp_bench.runs.hardware.cost import Range
from selfimp_bench.runs.hardware.outlook import Misfit, StudyOutlook
from selfimp_bench.runs.hub_needs import Shortfall
from selfimp_bench.runs.study import Study
from selfimp_bench.verdict.findings import brief

if TYPE_CHECKING:
    from rich.console import RenderableType

_NAMED = 3
"""Reasons why something cannot run that are named among the totals; tables below have all."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A study's plan and all that is worked out of it.

    missing: what is not fetched. outlook: on the hardware named; price: of one of its GPUs for an hour. claims: what
    one experiment can decide; None where that is not worked out.
    """

    study: Study
    expected: Forecast
    disk: DiskUse
    missing: Sequence[Shortfall]
    outlook: StudyOutlook | None
    price: float | None
    claims: Sequence[Decidability] | None


def plan_tables(planned: Planned, *, steps: bool) -> "Iterator[RenderableType]":
    """The totals, then the claims of one experiment, or what each of several adds, and with ``steps`` every step."""
    study, expected = planned.study, planned.expected
    if study.variant:
        yield f"{study.name}: {NOT_JUDGED}: {variant_words(study.variant)}\n"
    yield f"{study.name}: {expected.to_do:,} of {plural(len(expected.steps), 'step')} to do"
    yield Table(None, (Column(name="", room="whole"), Column(name="")), list(_totals(planned)))
    if planned.claims:
        yield from _decidable(planned.claims)
    if study.across is not None:
        parts = study.plan().experiments
        rows = [(each.experiment, str(each.steps), str(each.shared), str(each.steps - each.shared)) for each in parts]
        numbers = (
            Column(name=name, room="whole", right=True) for name in ("steps", "shared with one above", "its own")
        )
        yield ""
        yield Table(None, (Column(name="experiment", room="whole"), *numbers), rows)
    if steps:
        yield ""
        yield _steps(expected, study.plan().names)


def _totals(planned: Planned) -> Iterator[tuple[str, str]]:
    """What it costs, what is in the way, what comes of it; ``?`` for what is not known, with how to know it."""
    hours = None if planned.outlook is None else planned.outlook.whole.all_hours
    on_gpus = any(each.manifest.engines.device == "cuda" for each in planned.study.experiments)
    yield "GPU hours", _gpu_hours(planned, on_gpus)
    yield "wall clock", _wall_clock(planned)
    if hours is None or planned.price is None:
        money = "0" if not on_gpus else "? (--hardware with --price PER_GPU_HOUR)"
    else:
        money = f"{spread(hours * planned.price)} at {planned.price:g} a GPU hour"
    yield "money", money
    yield "disk", _disk(planned.disk)
    expected = planned.expected
    generated, trained = expected.tokens_to_generate_at_most, expected.tokens_to_train_at_most
    yield "tokens", f"at most {generated:,} to generate, {trained:,} to train on"
    yield "cannot run", "\n".join(_obstacles(planned, on_gpus)) or "nothing is known to be in the way"
    yield "can decide", _can_decide(planned)


def _gpu_hours(planned: Planned, on_gpus: bool) -> str:
    if planned.outlook is None:
        return "? (on which GPUs: --hardware 8xA100-80GB)" if on_gpus else "0: every engine runs on the CPU"
    whole = planned.outlook.whole
    if not whole.costs:
        return "0: no step uses a GPU"
    of = " of what can run" if whole.misfits else ""
    return f"{spread(whole.all_hours)} on {whole.hardware}{of}, waiting included"


def _wall_clock(planned: Planned) -> str:
    expected = planned.expected
    if planned.outlook is not None and planned.outlook.whole.costs:
        hours = planned.outlook.whole.all_hours * (1 / planned.outlook.whole.count)
        return f"{_lasting(hours)}, one step after the other"
    if expected.seconds is not None:
        return f"{lasting(expected.seconds)} at rates measured in this home, one step after the other"
    unknown = sum(made.seconds is None and made.state == "to do" for made in expected.steps)
    return f"? ({plural(unknown, 'step')} of a kind that has not run in this home)"


def _lasting(hours: Range) -> str:
    low, high = lasting(hours.expected * 3600), lasting(hours.at_most * 3600)
    return low if low == high else f"{low} to {high}"


def _disk(use: DiskUse) -> str:
    kinds = {
        "samples": use.samples,
        "embeddings": use.vectors,
        "checkpoints": use.checkpoints,
        "to resume from": use.resuming,
        "to fetch": use.fetched,
    }
    parts = ", ".join(f"{in_bytes(count)} {name}" for name, count in kinds.items() if count)
    return f"at most {in_bytes(use.total)}{f' ({parts})' if parts else ''}{use.besides}"


def _obstacles(planned: Planned, on_gpus: bool) -> Iterator[str]:
    """Why not all of it runs, as far as it is known without starting anything."""
    if planned.outlook is not None:
        yield from _misfits(planned.outlook.whole.misfits)
    for each in () if planned.study.across is None else planned.study.across.experiments:
        if each.pending is not None:
            yield f"left out: {each.name}: {each.pending}"
    if planned.missing:
        yield f"{len(planned.missing)} of the sources not fetched (`selfimp-bench fetch {planned.study.name}`)"
    if on_gpus and planned.outlook is None:
        yield "? (what does not fit GPUs: --hardware; what is missing on this machine: `selfimp-bench doctor`)"


def _misfits(found: Sequence[Misfit]) -> Iterator[str]:
    yield from (f"{each.model}, {', '.join(each.kinds)}: {each.reason}" for each in found[:_NAMED])
    if len(found) > _NAMED:
        yield f"{len(found) - _NAMED} more below"


def _can_decide(planned: Planned) -> str:
    claims = planned.claims
    if planned.study.variant:
        return "nothing: a variant is not judged"
    if claims is None:
        return "? (`plan` of each experiment)"
    if not claims:
        return "nothing is claimed, or judged"
    judged = [each for each in claims if each.prospects]
    if not judged:
        return "? (of no claim numbers are published that a run could be simulated from)"
    counts = [sum(each.prospects[place].decided for each in judged) for place in range(len(REPLICATES))]
    by_count = ", ".join(f"{found} with {count}" for found, count in zip(counts, REPLICATES, strict=True))
    rest = f"; of {len(claims) - len(judged)} more nothing is published" if len(judged) < len(claims) else ""
    return f"of {plural(len(judged), 'finding')} so many by replicates: {by_count}{rest}"


def _steps(expected: Forecast, names: Mapping[str, str]) -> Table:
    rows = [
        (
            names[made.step.id],
            made.state,
            f"{made.step.rows_at_most:,}" if made.step.rows_at_most else "",
            f"{made.step.tokens_at_most:,}" if made.step.tokens_at_most else "",
            "" if made.state == "done" else "?" if made.seconds is None else lasting(made.seconds),
        )
        for made in expected.steps
    ]
    columns = (
        Column(name="step", room="whole"),
        Column(name="state", room="whole"),
        Column(name="time", room="whole", right=True),
        Column(name="rows at most", room="cut", at_least=12, right=True),
        Column(name="tokens at most", room="cut", at_least=14, right=True),
    )
    return Table(None, columns, [(name, state, time, count, tokens) for name, state, count, tokens, time in rows])


def _decidable(claims: Sequence[Decidability]) -> "Iterator[RenderableType]":
    """With each number of replicates: of so many faithful runs how many decide it, and what they can tell apart."""
    yield (
        f"\nCan this size decide the claims? Of {DRAWS} faithful runs, simulated from the published numbers and the "
        "expected spread over seeds, so many reproduce a claim with K replicates: enough (yes), or too few (no); not: "
        "enough contradict it. The smallest effect is what 80 of 100 runs would tell from what is named last."
    )
    several = len({each.model for each in claims}) > 1
    rows = [
        (
            each.claim,
            *((each.model,) if several else ()),
            *(map(_prospect, each.prospects) if each.prospects else ("?" for _ in REPLICATES)),
            " / ".join(_effect(one.smallest_effect) for one in each.prospects) + f" {each.unit}"
            if each.prospects
            else "nothing published",
            each.untold,
        )
        for each in claims
    ]
    columns = (
        Column(name="claim", room="whole"),
        *((Column(name="model", room="whole"),) if several else ()),
        *(Column(name=f"K = {count}", room="whole") for count in REPLICATES),
        Column(name="smallest effect", room="cut", at_least=17),
        Column(name="to be told from", room="cut", at_least=15),
    )
    yield Table(None, columns, rows)


def _prospect(found: Prospect) -> str:
    if found.decided and found.contradicted > found.reproduced:
        return f"not {found.contradicted}"
    return f"{'yes' if found.decided else 'no'} {found.reproduced}"


def _effect(effect: float | None) -> str:
    return "-" if effect is None else brief(effect)
