"""A suite's outlook on given hardware: what each experiment asks, and what sharing equal steps saves."""

from collections.abc import Iterator, Set
from dataclasses import dataclass

from selfimp_bench.manifest.catalog import find_table
from selfimp_bench.manifest.reference_table import Reference, read_table
from selfimp_bench.runs.hardware.cost import Range, total
from selfimp_bench.runs.hardware.device import Hardware
from selfimp_bench.runs.hardware.outlook import Outlook, outlook
from selfimp_bench.runs.suite import OpenSuite, SuitePlan
from selfimp_bench.steps.plan import plan_keys

PUBLISHED_HOURS = "gpu-hours"
"""The metric of a reference row that says what the source's own runs took."""


@dataclass(frozen=True, kw_only=True)
class MemberOutlook:
    """An experiment's part of a suite: runs are its models times its replicates.

    tokens, disk_bytes, gpu_hours: by itself. own_gpu_hours: of the steps that no experiment before it has, and that can
    run.
    """

    experiment: str
    runs: int
    peak_bytes: int
    fits: bool
    tokens: Range
    disk_bytes: Range
    gpu_hours: Range
    own_gpu_hours: Range


@dataclass(frozen=True, kw_only=True)
class SuiteOutlook:
    """whole: every piece of work once. alone: the sum over experiments that share nothing. saved: the difference.

    published: what the suite's tables say of GPU hours.
    """

    members: tuple[MemberOutlook, ...]
    whole: Outlook
    alone: Range
    saved: Range
    published: tuple[Reference, ...]


def suite_outlook(opened: OpenSuite, planned: SuitePlan, hardware: Hardware, *, done: Set[str]) -> SuiteOutlook:
    """The outlook of a suite and its joint plan; ``done`` as for ``outlook``, which says what it raises."""
    members, seen = [], set[str]()
    for experiment in opened.experiments:
        plan = experiment.plan()
        keys = plan_keys(plan)
        found = outlook(plan, hardware, done=frozenset())
        members.append(
            MemberOutlook(
                experiment=experiment.manifest.name,
                runs=len(experiment.models) * experiment.replicates,
                peak_bytes=found.peak_bytes,
                fits=not found.misfits,
                tokens=total(cost.tokens for cost in found.costs),
                disk_bytes=found.disk_bytes,
                gpu_hours=found.gpu_hours,
                own_gpu_hours=total(
                    cost.gpu_hours for cost in found.costs if not cost.misfits and keys[cost.step] not in seen
                ),
            )
        )
        seen.update(keys.values())
    whole = outlook(planned.plan, hardware, done=done)
    alone = total(member.gpu_hours for member in members)
    return SuiteOutlook(
        members=tuple(members),
        whole=whole,
        alone=alone,
        saved=alone - whole.gpu_hours,
        published=tuple(_published(opened)),
    )


def _published(opened: OpenSuite) -> Iterator[Reference]:
    for name in opened.suite.published.tables:
        table = read_table(find_table(name, opened.path), name)
        yield from (row for row in table.rows if row.metric == PUBLISHED_HOURS)
