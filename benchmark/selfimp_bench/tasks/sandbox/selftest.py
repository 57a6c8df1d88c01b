"""The self-test: every hostile program of the corpus against a mechanism on this machine, here and now."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from selfimp_bench.tasks.sandbox.cell import Cell, CellBroken, Ending, Examination
from selfimp_bench.tasks.sandbox.corpus import Attack, read_corpus
from selfimp_bench.tasks.sandbox.mechanism import Mechanism, MechanismMissing
from selfimp_bench.tasks.sandbox.outside import Outside, outside
from selfimp_bench.tasks.sandbox.policy import FULL, Limits

_QUICK: Final = Limits(cpu_seconds=0.1, wall_seconds=15.0)
_QUICK_TO_WAIT: Final = Limits(cpu_seconds=0.1, wall_seconds=0.4)
_MOST_FAILURES: Final = 5


@dataclass(frozen=True, kw_only=True)
class AttackResult:
    """What became of one attack: how it was to end, how it ended, why, and what it left outside."""

    name: str
    what: str
    expected: Ending
    found: Ending
    remark: str | None
    traces: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether the isolation held: the expected ending, and no trace."""
        return self.found is self.expected and not self.traces


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """A mechanism's self-test: every attack's result, or why the mechanism cannot be had here."""

    mechanism: Mechanism
    results: tuple[AttackResult, ...]
    missing: str | None

    @property
    def passed(self) -> bool:
        """Whether it held against every attack."""
        return self.missing is None and all(result.held for result in self.results)

    @property
    def failure(self) -> str:
        """Why it did not pass, in one line."""
        failed = [result for result in self.results if not result.held]
        return f"{self.mechanism}: {self.missing or _summary(failed)}"


@dataclass(frozen=True, kw_only=True)
class SandboxStatus:
    """The strongest mechanism that passed the whole self-test, and how many attacks that were.

    Without one ``mechanism`` is None, and ``failures`` says of each why not; else ``failures`` says why a stronger one
    was not taken.
    """

    mechanism: Mechanism | None
    attacks: int
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether there is a mechanism to grade with."""
        return self.mechanism is not None


def status() -> SandboxStatus:
    """What ``try_mechanisms`` finds, in short. Takes seconds."""
    tried = try_mechanisms(tuple(Mechanism))
    last = tried[-1]
    return SandboxStatus(
        mechanism=last.mechanism if last.passed else None,
        attacks=len(last.results),
        failures=tuple(each.failure for each in tried if not each.passed),
    )


def try_mechanisms(mechanisms: Sequence[Mechanism]) -> tuple[SelfTest, ...]:
    """Self-test the mechanisms in order, until one passes; it then is the last."""
    tried: list[SelfTest] = []
    for mechanism in mechanisms:
        try:
            results, missing = tuple(selftest(mechanism)), None
        except (MechanismMissing, CellBroken, OSError) as error:
            results, missing = (), str(error)
        tried.append(SelfTest(mechanism=mechanism, results=results, missing=missing))
        if tried[-1].passed:
            break
    return tuple(tried)


def selftest(mechanism: Mechanism) -> Iterator[AttackResult]:
    """Run the corpus, one attack after the other. Raises MechanismMissing, CellBroken or OSError if it cannot start."""
    corpus = read_corpus()
    by_name = {attack.name: attack for attack in corpus}
    with outside() as places, ExitStack() as stack:
        cells: dict[bool, Cell] = {}
        for attack in corpus:
            before = [by_name[attack.first]] if attack.first else []
            wide = attack.order(places.places).wide
            if wide not in cells:
                cells[wide] = Cell(mechanism, wide=wide)
                stack.callback(cells[wide].end)
            yield _attempt(cells[wide], [*before, attack], places)


def _attempt(cell: Cell, attacks: Sequence[Attack], places: Outside) -> AttackResult:
    """The last of these attacks with short limits; on a busy machine again with those that count."""
    attack = attacks[-1]
    for limits in (_QUICK_TO_WAIT if attack.ends is Ending.WALL else _QUICK, FULL):
        examined = [cell.examine(each.order(places.places), limits) for each in attacks]
        result = _result(attack, examined[-1], places.traces())
        if result.held or result.traces:
            break
    return result


def _result(attack: Attack, examined: Examination, traces: tuple[str, ...]) -> AttackResult:
    return AttackResult(
        name=attack.name,
        what=attack.what,
        expected=attack.ends,
        found=examined.ending,
        remark=examined.remark,
        traces=traces,
    )


def _summary(failed: Sequence[AttackResult]) -> str:
    named = ", ".join(
        f"{result.name} ({result.found} instead of {result.expected}{''.join(f'; {each}' for each in result.traces)})"
        for result in failed[:_MOST_FAILURES]
    )
    more = f" and {len(failed) - _MOST_FAILURES} more" if len(failed) > _MOST_FAILURES else ""
    return f"{len(failed)} attacks did not end as they should: {named}{more}"
