"""Priors: how far runs that differ in nothing but their seeds lie apart, by kind of experiment and by measurement.

``priors.csv`` (beside a manifest, else in ``reference_results/``) has a row a measurement in every *setting*, which a
study names by ``priors:``. Of a setting's rows the first one that fits a measurement counts.

    setting          the kind of experiment: the size of its models, what is trained, how many problems it has
    metric           a measurement, a family (``gap``: all of ``gap.mc.q0.8`` ...) or a pattern (``is-pass@*``)
    split            train, test, ood or any
    trained          no: the model as it is (iteration 0); yes: after one iteration or more; any
    sd, unit         standard deviation over seeds, in the unit of the measurement: of a share 0.01 is one percent
    df               degrees of freedom behind it: pooled runs less their groups; few where little is known
    kind             literature, own replicates, or assumed
    source, locator  what the number is from, and the place in it (no place where it is assumed)
    reason           the numbers there, and what was made of them
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from selfimp_bench.errors import Flaw, InputError
from selfimp_bench.manifest.fault import nearest, shown
from selfimp_bench.manifest.measured import fits
from selfimp_bench.manifest.reference_table import TableError
from selfimp_bench.manifest.table_text import (
    Record,
    Rules,
    flaw_in,
    number_rule,
    optional_text_rule,
    read_records,
    text_rule,
)
from selfimp_bench.measurement import Split
from selfimp_bench.places import REFERENCES

FILE: Final = "priors.csv"
COLUMNS: Final = (
    "setting", "metric", "split", "trained", "sd", "unit", "df", "kind", "source", "locator", "reason",
)  # fmt: skip
KINDS: Final = ("literature", "own replicates", "assumed")
ANY: Final = "any"
_PARTS: Final = ("percent", "%", "fraction", "points")
_TRAINED: Final = {"yes": True, "no": False, ANY: None}


@dataclass(frozen=True, kw_only=True)
class Prior:
    """The spread over seeds that is expected of a measurement before a run has shown any.

    sd: standard deviation of one run's value, above 0, in ``unit``, which is the measurement's own.
    df: degrees of freedom behind it, above 0; split, trained: None for either.
    """

    setting: str
    metric: str
    split: Split | None
    trained: bool | None
    sd: float
    unit: str
    df: float
    kind: str
    source: str
    locator: str
    reason: str

    def is_of(self, metric: str, split: Split, iteration: int) -> bool:
        """Whether it is about this measurement, at this iteration."""
        trained = self.trained in (None, iteration > 0)
        return trained and self.split in (None, split) and fits(self.metric, metric)

    @property
    def cited(self) -> str:
        """Where it comes from, in a line: ``fine-tuned-7b, pass@1: literature, 2504.07086, Table 3``."""
        place = ", ".join(filter(None, (self.source, self.locator)))
        return f"{self.setting}, {self.metric}: {self.kind}, {place}"


@dataclass(frozen=True, kw_only=True)
class Priors:
    """One setting's rows, in the order of the table."""

    setting: str
    rows: tuple[Prior, ...]

    def find(self, metric: str, split: Split, iteration: int) -> Prior | None:
        """The prior of a measurement; None where the setting has none."""
        return next((row for row in self.rows if row.is_of(metric, split, iteration)), None)

    def of(self, metric: str, split: Split, iteration: int) -> Prior:
        """The prior of a measurement. Raises InputError where the setting has none."""
        found = self.find(metric, split, iteration)
        if found is None:
            raise InputError(self.lacking(metric, split, iteration))
        return found

    def lacking(self, metric: str, split: Split, iteration: int) -> str:
        """What is said of a measurement that no row fits."""
        trained = "yes" if iteration else "no"
        return (
            f"{FILE}: setting {self.setting} has no row that fits {metric} on {split} at iteration {iteration}; "
            f"add one (metric {metric}, split {split} or {ANY}, trained {trained} or {ANY}), with its source"
        )


def find_priors(setting: str, manifest: Path) -> Priors:
    """A setting as a manifest at this path names it: of the table beside it, else of the shipped one.

    Raises TableError with every flaw of a table that is looked at, InputError for a setting that none of them has.
    """
    return priors_of(setting, (manifest.with_name(FILE), REFERENCES / FILE))


def priors_of(setting: str, tables: Sequence[Path]) -> Priors:
    """A setting of the first of these tables that is there and has it. Raises TableError, InputError."""
    known: list[str] = []
    for path in (each for each in tables if each.is_file()):
        rows, flaws = _read(path)
        if flaws:
            raise TableError(flaws)
        found = tuple(row for row in rows if row.setting == setting)
        if found:
            return Priors(setting=setting, rows=found)
        known += [row.setting for row in rows]
    looked = " and ".join(map(str, tables))
    hint = nearest(setting, sorted(set(known))) if known else "there is no such table"
    raise InputError(f"priors: {shown(setting)} is no setting of {looked}; {hint}")


def find_prior_flaws(path: Path) -> tuple[Flaw, ...]:
    """Everything wrong with the table of priors at ``path``, by line and column; empty when it can be used."""
    return _read(path)[1]


def _read(path: Path) -> tuple[tuple[Prior, ...], tuple[Flaw, ...]]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        return (), (Flaw(file=str(path), line=1, column=1, where="$", message=message),)
    return _parse(str(path), raw)


@lru_cache(maxsize=16)
def _parse(file: str, raw: bytes) -> tuple[tuple[Prior, ...], tuple[Flaw, ...]]:
    """The rows, or what is wrong; parsed once, for every claim of a study asks."""
    read = read_records(file, raw, COLUMNS, (), _RULES)
    flaws = list(read.flaws)
    flaws += (flaw for record in read.records for flaw in _source_flaws(file, record))
    if flaws:
        return (), tuple(sorted(flaws))
    rows = tuple(_prior(record) for record in read.records)
    return rows, tuple(_unreached(file, read.records, rows))


def _source_flaws(file: str, record: Record) -> Iterator[Flaw]:
    """A number that is from somewhere says where."""
    if record["kind"].text in ("literature", "own replicates") and not record["locator"].text:
        message = "must not be empty: the place in the source, for example 'Table 3'"
        yield flaw_in(file, record["locator"], "locator", message)


def _unreached(file: str, records: Sequence[Record], rows: Sequence[Prior]) -> Iterator[Flaw]:
    """A row that an earlier one of its setting covers would never count."""
    for index, row in enumerate(rows):
        for record, earlier in zip(records[:index], rows[:index], strict=True):
            if _covers(earlier, row):
                message = f"never counts, line {record['metric'].line} fits first; put the narrower row above it"
                yield flaw_in(file, records[index]["metric"], "metric", message)
                break


def _covers(earlier: Prior, later: Prior) -> bool:
    return (
        earlier.setting == later.setting
        and earlier.split in (None, later.split)
        and earlier.trained in (None, later.trained)
        and fits(earlier.metric, later.metric)
    )


def _prior(record: Record) -> Prior:
    """A row whose every field has passed its rule."""
    texts = {name: field.text for name, field in record.items()}
    return Prior(
        setting=texts["setting"],
        metric=texts["metric"],
        split=None if texts["split"] == ANY else Split(texts["split"]),
        trained=_TRAINED[texts["trained"]],
        sd=float(texts["sd"]),
        unit=texts["unit"],
        df=float(texts["df"]),
        kind=texts["kind"],
        source=texts["source"],
        locator=texts["locator"],
        reason=texts["reason"],
    )


def _positive_rule(text: str) -> str | None:
    problem = number_rule(text)
    if problem is None and float(text) <= 0:
        return f"must be above 0, found {text}"
    return problem


def _unit_rule(text: str) -> str | None:
    if text in _PARTS:
        return f"must be the measurement's own unit, share: 0.01 is one percent; found '{text}'"
    return text_rule(text)


def _word_rule(words: Sequence[str], text: str) -> str | None:
    return None if text in words else f"must be one of {', '.join(words)}, found '{text}'"


_RULES: Final[Rules] = {
    "setting": text_rule,
    "metric": text_rule,
    "split": lambda text: _word_rule((*Split, ANY), text),
    "trained": lambda text: _word_rule(tuple(_TRAINED), text),
    "sd": _positive_rule,
    "unit": _unit_rule,
    "df": _positive_rule,
    "kind": lambda text: _word_rule(KINDS, text),
    "source": text_rule,
    "locator": optional_text_rule,
    "reason": text_rule,
}
