"""Asks a rule of another package once: ``python -m selfimp_bench.protocols.post_training.rule_worker JOB RESULT``.

It imports little besides the rule's own package, writes what the rule chose as places among what it was given, and
refuses the rest in words.
"""

import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from selfimp_bench.engines.worker.child import die_with_parent
from selfimp_bench.errors import InputError
from selfimp_bench.installed import Brought, load
from selfimp_bench.methods import Kind, Pair, ProblemSamples, Sample


@dataclass(frozen=True, kw_only=True)
class RuleJob:
    """A rule and its arguments."""

    rule: Brought
    most: int | None
    seed: int
    problems: tuple[ProblemSamples, ...]


class Rows(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What it chose: the place of a problem, and those of one sample or of a pair; in order."""

    rows: tuple[Annotated[tuple[int, ...], msgspec.Meta(min_length=2, max_length=3)], ...]


class Refusal(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Why what it returned cannot be used."""

    words: str


class _Misuse(Exception):
    """What the rule returned is not what a rule returns."""


def ask(job: RuleJob) -> Rows | Refusal:
    """Call the rule, and hold what it returns against what it was given."""
    wanted = job.rule
    try:
        rule = load(wanted)
    except InputError as error:
        return Refusal(words=str(error).removeprefix(f"{wanted}: "))
    try:
        returned = rule(job.problems, most=job.most, seed=job.seed, **dict(wanted.options))
        if isinstance(returned, str | bytes | Mapping) or not isinstance(returned, Iterable):
            raise _Misuse(f"returned {_called(returned)}; expected {_EXPECTED[job.rule.kind]}")
        items = list(returned)  # a generator works here
    except _Misuse as misuse:
        return Refusal(words=str(misuse))
    except Exception as error:  # whatever foreign code raises
        return Refusal(words=f"raised {type(error).__name__}: {error} ({_where(error)})")
    try:
        return Rows(rows=_Given(job).places(items))
    except _Misuse as misuse:
        return Refusal(words=str(misuse))


_EXPECTED = {
    Kind.SAMPLE_RULE: "an iterable of the samples that it was given",
    Kind.PAIR_RULE: "an iterable of pairs (selfimp_bench.methods.Pair) of the samples that it was given",
}


class _Given:
    """What the rule was given, by what identifies it."""

    def __init__(self, job: RuleJob) -> None:
        self._job = job
        self._places = {
            sample: (place, number)
            for place, problem in enumerate(job.problems)
            for number, sample in enumerate(problem.samples)
        }

    def places(self, items: list[Any]) -> tuple[tuple[int, ...], ...]:
        """Every item's place, in order. Raises _Misuse for the first that is not allowed."""
        each_is = self._pair if self._job.rule.kind is Kind.PAIR_RULE else self._single
        rows = [each_is(item) for item in items]
        for row, times in Counter(rows).items():
            if times > 1:
                what = "the pair" if self._job.rule.kind is Kind.PAIR_RULE else "the sample"
                raise _Misuse(f"returned {what} {self._named(row)} {times} times; expected each once")
        of_problem = Counter(row[0] for row in rows)
        for place, times in of_problem.items():
            if self._job.most is not None and times > self._job.most:
                raise _Misuse(
                    f"returned {times} rows of problem {self._job.problems[place].problem_id}; expected at most "
                    f"{self._job.most}, its argument `most`"
                )
        return tuple(sorted(rows))

    def _single(self, item: Any) -> tuple[int, ...]:
        place, number = self._place(item, f"an item that is {_called(item)}; expected {_EXPECTED[self._job.rule.kind]}")
        self._finished(item)
        return place, number

    def _pair(self, item: Any) -> tuple[int, ...]:
        if not isinstance(item, Pair):
            raise _Misuse(f"returned an item that is {_called(item)}; expected {_EXPECTED[self._job.rule.kind]}")
        place, chosen = self._place(item.chosen, f"a pair whose chosen is {_called(item.chosen)}; expected a sample")
        other, rejected = self._place(
            item.rejected, f"a pair whose rejected is {_called(item.rejected)}; expected a sample"
        )
        self._finished(item.chosen)
        if place != other or item.chosen.iteration != item.rejected.iteration:
            raise _Misuse(
                f"returned a pair of {_sample_words(item.chosen)} and {_sample_words(item.rejected)}; expected two "
                "samples of one model for one problem"
            )
        if chosen == rejected:
            raise _Misuse(f"returned a pair of {_sample_words(item.chosen)} and itself; expected two samples")
        return place, chosen, rejected

    def _place(self, item: Any, otherwise: str) -> tuple[int, int]:
        if not isinstance(item, Sample):
            raise _Misuse(f"returned {otherwise}")
        try:
            found = self._places.get(item)
        except TypeError:  # a field that cannot be hashed
            found = None
        if found is None:
            raise _Misuse(f"returned {_sample_words(item)}, which is none of those that it was given, or was changed")
        return found

    def _finished(self, sample: Sample) -> None:
        if not sample.finished:
            raise _Misuse(
                f"returned {_sample_words(sample)} to be imitated, which was cut at max_tokens; expected samples with "
                "`finished`, for others would teach the model not to stop"
            )

    def _named(self, row: tuple[int, ...]) -> str:
        samples = self._job.problems[row[0]].samples
        return " and ".join(_sample_words(samples[number]) for number in row[1:])


def _sample_words(sample: Sample) -> str:
    return f"sample {sample.sample_index} of M_{sample.iteration} for problem {sample.problem_id}"


def _called(value: object) -> str:
    return (
        f"{type(value).__name__} {str(value)[:60]!r}" if isinstance(value, str | int | float) else type(value).__name__
    )


def _where(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}, line {last.lineno}, in {last.name}"


def main(job: Path, result: Path) -> None:
    """Ask, and write what came of it."""
    found = ask(msgspec.json.decode(job.read_bytes(), type=RuleJob))
    result.write_bytes(msgspec.json.encode(found))


if __name__ == "__main__":
    die_with_parent()
    main(Path(sys.argv[1]), Path(sys.argv[2]))
