"""Validating manifests, suites and reference tables: every flaw of every file at once.

The claims of what is sound are then held against the paper's own numbers, and looked at in worlds of which the truth is
known (``verdict/panel.py``).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from selfimp_bench.errors import Flaw, InputError
from selfimp_bench.installed import NotInstalled
from selfimp_bench.manifest import priors
from selfimp_bench.manifest import reference_table as reference
from selfimp_bench.manifest.catalog import Place, find, find_member, find_path, find_table
from selfimp_bench.manifest.conflicts import SOURCE, RecordedConflict, read_conflicts
from selfimp_bench.manifest.model import Cell, PaperFigure
from selfimp_bench.manifest.prior_checks import claimed_cells, without_prior
from selfimp_bench.manifest.suite_model import Member, Suite, SuiteClaim, readings
from selfimp_bench.places import MANIFESTS, REFERENCES
from selfimp_bench.protocols.load import InvalidManifest, find_flaws, load_experiment, load_file
from selfimp_bench.protocols.protocol import AnyManifest
from selfimp_bench.protocols.registry import measured_cells, protocol_of
from selfimp_bench.runs.describe import assumptions
from selfimp_bench.runs.lock import lock_flaws
from selfimp_bench.runs.own_files import method_words, own_files, own_methods
from selfimp_bench.runs.panel import panel_across, panel_within
from selfimp_bench.verdict.check import find_claim_flaws, find_row, tables_of
from selfimp_bench.verdict.comparisons import expand
from selfimp_bench.verdict.figure_rows import find_figure_flaws, table_names
from selfimp_bench.verdict.panel import Paneled
from selfimp_bench.verdict.paper_check import SelfJudgement, self_judgement, suite_self_judgement, suite_tables


@dataclass(frozen=True, kw_only=True)
class PaperJudgement:
    """The claims of one file against the published numbers that they are about.

    numbers: whose those are, in words. conflicts: of a suite, what else was found to disagree inside the paper when its
        numbers were read. panel: every claim in worlds of which the truth is known.
    """

    file: str
    numbers: str
    judgements: tuple[SelfJudgement, ...]
    conflicts: tuple[RecordedConflict, ...]
    panel: tuple[Paneled, ...]


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What was looked at and found.

    notes: for information: assumed values of sound manifests, experiments of a suite that are not there (yet).
    unchecked: what could not be looked at here, because a package that a manifest names is not installed.
    papers: the claims of every sound manifest and suite against the paper's own numbers; no contradiction is a flaw.
    """

    files: int
    flaws: tuple[Flaw, ...]
    notes: tuple[str, ...]
    unchecked: tuple[str, ...]
    papers: tuple[PaperJudgement, ...]


@dataclass(frozen=True, kw_only=True)
class _Found:
    flaws: tuple[Flaw, ...] = ()
    notes: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    numbers: str = ""
    judgements: tuple[SelfJudgement, ...] = ()
    conflicts: tuple[RecordedConflict, ...] = ()
    panel: tuple[Paneled, ...] = ()


def validate(names: Sequence[str], *, judged: bool = False) -> Validation:
    """Check these files (``.yaml`` manifests, ``.csv`` tables, or folders of them), or experiments and suites by name.

    Without any, all that is shipped. judged: claims are judged in the panel's worlds, too, which takes some seconds.
    Raises InputError for what is neither.
    """
    named = [_place(name) for name in names] or [Place(path=MANIFESTS), Place(path=REFERENCES)]
    places = [place for each in named for place in _files(each)]
    looked = [(place.path, _look_at(place, judged)) for place in places]
    found = {file: _joined([each for path, each in looked if path == file]) for file, _ in looked}
    return Validation(
        files=len(places),
        flaws=tuple(flaw for each in found.values() for flaw in each.flaws),
        notes=tuple(note for each in found.values() for note in each.notes),
        unchecked=tuple(dict.fromkeys(words for each in found.values() for words in each.unchecked)),
        papers=tuple(
            PaperJudgement(
                file=str(file),
                numbers=each.numbers,
                judgements=each.judgements,
                conflicts=each.conflicts,
                panel=each.panel,
            )
            for file, each in found.items()
            if each.judgements
        ),
    )


def _place(name: str) -> Place:
    """A file or folder as it is named, else an experiment or a study of this name. Raises InputError."""
    path = find_path(name)
    return Place(path=path) if Path(name).exists() else find(name)


def _look_at(place: Place, judged: bool) -> _Found:
    file = place.path
    if file.name == priors.FILE:
        return _Found(flaws=priors.find_prior_flaws(file))
    if file.suffix == ".csv":
        return _Found(flaws=reference.find_flaws(file))
    if place.experiment is not None:
        try:
            return _manifest(file, load_experiment(place).manifest, judged)
        except InvalidManifest as invalid:
            return _Found(flaws=invalid.flaws)
    try:
        loaded = load_file(file)
    except InvalidManifest:
        return _Found(flaws=find_flaws(file))
    manifests = [each.manifest for each in loaded.experiments]
    found = [_manifest(file, manifest, judged) for manifest in manifests]
    found += [_across(file, loaded.across.across, manifests, judged)] if loaded.across is not None else []
    return _joined([*found, _Found(flaws=tuple(lock_flaws(loaded)))])


def _joined(found: Sequence[_Found]) -> _Found:
    """What was found of the parts of one file, each thing once."""
    return _Found(
        flaws=tuple(dict.fromkeys(flaw for each in found for flaw in each.flaws)),
        notes=tuple(dict.fromkeys(note for each in found for note in each.notes)),
        unchecked=tuple(dict.fromkeys(words for each in found for words in each.unchecked)),
        numbers=next((each.numbers for each in found if each.judgements), ""),
        judgements=tuple(judgement for each in found for judgement in each.judgements),
        conflicts=tuple(conflict for each in found for conflict in each.conflicts),
        panel=tuple(paneled for each in found for paneled in each.panel),
    )


def _files(place: Place) -> Iterator[Place]:
    if place.path.is_dir():
        files = sorted(file for file in place.path.rglob("*") if file.suffix == ".csv" or _versioned(file))
        yield from (Place(path=file) for file in files)
    else:
        yield place


def _versioned(file: Path) -> bool:
    """Manifests are named ``<name>.v<version>.yaml``; other YAML files (source.yaml) are not manifests."""
    return file.suffix == ".yaml" and ".v" in file.stem


def _manifest(file: Path, manifest: AnyManifest, judged: bool) -> _Found:
    notes = tuple(f"{file}: {item.path}: assumed {item.value}: {item.reason}" for item in assumptions(manifest))
    try:
        tables = tables_of(manifest.claims, lambda name: _table(name, file))
    except InputError as error:
        return _Found(flaws=(_flaw(file, "$.claims", str(error)),), notes=notes)
    flaws = tuple(_flaw(file, each.where, each.message) for each in find_claim_flaws(manifest.claims, tables))
    models = [model.id for model in manifest.models]
    flaws += tuple(_figure_flaws(file, manifest.figures or (), models))
    flaws += tuple(_prior_flaws(file, manifest.priors, [claimed_cells(claim) for claim in manifest.claims]))
    own = _own(file, manifest)
    flaws += own.flaws
    if flaws:
        return _Found(flaws=flaws, notes=notes, unchecked=own.unchecked)
    seen = panel_within(manifest, tables, _setting(manifest.priors, file) if judged else None)
    return _Found(
        flaws=tuple(_say_nothing(file, [claim.id for claim in manifest.claims], seen)),
        notes=notes,
        unchecked=own.unchecked,
        numbers=manifest.paper.numbers,
        judgements=self_judgement(manifest.claims, models, tables),
        panel=seen,
    )


def _own(file: Path, manifest: AnyManifest) -> _Found:
    """What a run would say of the user's own models and data, and of functions of other packages, of which one that is
    not installed cannot be looked at, and is no flaw. What is shipped has none of these."""
    if file.resolve().is_relative_to(MANIFESTS.resolve()):
        return _Found()
    plan = protocol_of(manifest).plan(manifest, manifest.models, 1, file.parent)
    flaws = [
        _flaw(file, "$.models" if each.kind == "model" else "$.datasets", each.words)
        for each in own_files(plan, file.parent)
        if not each.sound
    ]
    unchecked = []
    for wanted in own_methods(plan):
        try:
            method_words(wanted)
        except NotInstalled as error:
            unchecked.append(f"{file}: not checked: {error}")
        except InputError as error:
            flaws.append(_flaw(file, "$", str(error)))
    return _Found(flaws=tuple(flaws), unchecked=tuple(unchecked))


def _setting(name: str | None, file: Path) -> priors.Priors | None:
    return None if name is None else priors.find_priors(name, file)


def _say_nothing(file: Path, claims: Sequence[str], seen: Sequence[Paneled]) -> Iterator[Flaw]:
    """The claims that say nothing, each once for all its models."""
    for index, claim in enumerate(claims):
        flawed: dict[str, list[str]] = {}
        for each in seen:
            if each.claim == claim and each.flaw is not None:
                flawed.setdefault(each.flaw, []).append(each.model)
        for flaw, models in flawed.items():
            several = sum(each.claim == claim for each in seen) > len(models)
            of = f" of {', '.join(models)}" if several else ""
            yield _flaw(file, f"$.claims[{index}]", f"claim '{claim}'{of} {flaw}")


def _figure_flaws(file: Path, figures: Sequence[PaperFigure], models: Sequence[str]) -> Iterator[Flaw]:
    try:
        tables = [_table(name, file) for name in table_names(figures)]
    except InputError as error:
        yield _flaw(file, "$.figures", str(error))
        return
    for each in find_figure_flaws(figures, tables, models):
        yield _flaw(file, each.where, each.message)


def _across(file: Path, suite: Suite, manifests: Iterable[AnyManifest], judged: bool) -> _Found:
    """``manifests``: those of the same file."""
    try:
        tables = [_table(name, file) for name in suite_tables(suite)]
        judgements = suite_self_judgement(suite, tables)
        conflicts = _conflicts(suite, file)
    except InputError as error:
        return _Found(flaws=(_flaw(file, "$.published", str(error)),))
    notes = [
        f"{file}: experiment {member.name} v{member.version} is not there; "
        + (f"left out of runs: {member.pending}" if member.pending else "it cannot run yet")
        for member in suite.experiments
        if not _is_there(member, file)
    ]
    members = list(_members(file, suite, manifests))
    flaws = [
        *_equals_flaws(file, suite, tables),
        *_unmeasured(file, suite, members),
        *_prior_flaws(file, suite.priors, [_cells_across(suite, claim) for claim in suite.claims]),
    ]
    seen: tuple[Paneled, ...] = ()
    if members and not flaws:
        seen = panel_across(suite, members, tables, _setting(suite.priors, file) if judged else None)
        flaws += _say_nothing(file, [claim.id for claim in suite.claims], seen)
    return _Found(
        flaws=tuple(flaws),
        notes=tuple(notes),
        numbers=suite.paper.numbers,
        judgements=judgements,
        conflicts=conflicts,
        panel=seen,
    )


def _conflicts(suite: Suite, file: Path) -> tuple[RecordedConflict, ...]:
    """Those recorded beside the suite's tables."""
    folders = dict.fromkeys(find_table(name, file).parent for name in suite.published.tables)
    return tuple(conflict for folder in folders for conflict in read_conflicts(folder / SOURCE))


def _is_there(member: Member, suite: Path) -> bool:
    try:
        return find_member(member.name, member.version, suite).path.is_file()
    except InputError:
        return False


def _members(file: Path, suite: Suite, manifests: Iterable[AnyManifest]) -> Iterator[AnyManifest]:
    """The experiments that the claims are across, where they are there and sound: of the same file, else of others."""
    known = {(manifest.name, manifest.version): manifest for manifest in manifests}
    for member in suite.experiments:
        if (member.name, member.version) in known:
            yield known[member.name, member.version]
            continue
        with suppress(InputError):
            yield load_experiment(find_member(member.name, member.version, file)).manifest


def _unmeasured(file: Path, suite: Suite, members: Iterable[AnyManifest]) -> Iterator[Flaw]:
    """Claims about cells that an experiment does not measure."""
    measured = {
        manifest.name: frozenset(
            (cell.metric, cell.split, each)
            for cell in measured_cells(manifest)
            for each in range(cell.first, cell.iterations + 1)
        )
        for manifest in members
    }
    for index, claim in enumerate(suite.claims):
        cases = [group for reading in readings(claim) for group in expand(suite, claim, reading)]
        places = {place for group in cases for place in group.places}
        for name in sorted(measured):
            wanted = {
                (each.cell.metric, each.cell.split, each.cell.iteration) for each in places if each.experiment == name
            }
            if missing := sorted(wanted - measured[name]):
                listed = ", ".join(f"{metric} {split} t={iteration}" for metric, split, iteration in missing[:3])
                more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
                yield _flaw(file, f"$.claims[{index}]", f"{name} does not measure {listed}{more}")


def _cells_across(suite: Suite, claim: SuiteClaim) -> Iterator[Cell]:
    for reading in readings(claim):
        for group in expand(suite, claim, reading):
            yield from (place.cell for place in group.places)


def _prior_flaws(file: Path, setting: str | None, claims: Iterable[Iterable[Cell]]) -> Iterator[Flaw]:
    """Claims about measurements whose spread over seeds the setting does not know."""
    if setting is None:
        return
    try:
        found = priors.find_priors(setting, file)
    except InputError as error:
        yield _flaw(file, "$.priors", str(error))
        return
    for index, cells in enumerate(claims):
        yield from (_flaw(file, f"$.claims[{index}]", message) for message in without_prior(cells, found))


def _equals_flaws(file: Path, suite: Suite, tables: Sequence[reference.ReferenceTable]) -> Iterator[Flaw]:
    for index, claim in enumerate(suite.claims):
        for number, reading in enumerate(readings(claim)):
            equals = reading.equals
            if equals is not None and find_row(equals.table, equals.reference, tables) is None:
                place = f"$.claims[{index}]" + (f".{claim.several}[{number}]" if claim.several is not None else "")
                yield _flaw(file, f"{place}.equals.reference", f"{equals.table} has no row '{equals.reference}'")


def _table(name: str, file: Path) -> reference.ReferenceTable:
    return reference.read_table(find_table(name, file), name)


def _flaw(file: Path, where: str, message: str) -> Flaw:
    return Flaw(file=str(file), line=1, column=1, where=where, message=message)
