"""Problems files in any layout that is known, and the problems behind generations."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from selfimp_bench.errors import InputError
from selfimp_bench.plural import plural
from selfimp_bench.runs.generations.source import Generation, Source, shown
from selfimp_bench.steps.dataset import iterate_rows
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.recognise import problem_of_row


def read_problem_file(path: Path) -> dict[str, Problem]:
    """Problems by id, in the order of a JSONL or Parquet file: the kit's rows, or GSM8K's, MBPP's, MATH's own.

    A row without an id of its own is called by its number, from 0. Raises InputError with file and line.
    """
    found: dict[str, Problem] = {}
    places: dict[str, int] = {}
    for number, row in enumerate(iterate_rows(path), start=1):
        try:
            problem = problem_of_row(row, str(number - 1))
        except InputError as error:
            raise InputError(f"{path}:{number}: {error}") from None
        name = problem.problem_id
        if name in found:
            raise InputError(f"{path}:{number}: problem_id {shown(name)} stands in row {places[name]} already")
        found[name], places[name] = problem, number
    if not found:
        raise InputError(f"{path}: no problem in it; expected one or more rows")
    return found


def problems_of(sources: Sequence[Source], given: Path | None) -> dict[str, Problem]:
    """The problems that generations answer: those of the file ``given``, else those that the sources hold.

    Raises InputError where there are none, and where two sources hold different problems under one id.
    """
    if given is not None:
        return read_problem_file(given)
    found: dict[str, Problem] = {}
    first: dict[str, Path] = {}
    for source in sources:
        for name, problem in source.problems().items():
            if found.setdefault(name, problem) != problem:
                raise InputError(
                    f"{source.path}: problem {shown(name)} is another one than in {first[name]}; expected the "
                    "same problems in every file, or ids of their own"
                )
            first.setdefault(name, source.path)
    if not found:
        raise InputError(
            f"{sources[0].path}: {sources[0].format}: it holds no problems; give their file with --problems"
        )
    return found


def checked(source: Source, problems: Mapping[str, Problem]) -> Iterator[Generation]:
    """The generations, each of a known problem and each but once.

    Raises InputError with file and line for one that is of no problem, or stands there twice.
    """
    rename = _request_names(source, problems) if source.named_by_requests else {}
    seen: set[tuple[int | None, str | None, str, int]] = set()
    for generation in source.generations():
        name, number = rename.get(generation.problem_id, (generation.problem_id, None))
        index = generation.sample_index if number is None else number
        if name not in problems:
            raise InputError(
                f"{generation.place}: problem {shown(name)}, which is not among the {plural(len(problems), 'problem')}"
                "; give the problems file the samples were made from"
            )
        key = (generation.iteration, generation.role, name, index)
        if key in seen:
            raise InputError(
                f"{generation.place}: sample {index} of problem {shown(name)} stands there twice "
                "(same iteration and role); number the samples of a problem 0, 1, 2 ..."
            )
        seen.add(key)
        yield generation if not rename else _renamed(generation, name, index)


def _renamed(generation: Generation, name: str, index: int) -> Generation:
    from dataclasses import replace

    return replace(generation, problem_id=name, sample_index=index)


def _request_names(source: Source, problems: Mapping[str, Problem]) -> dict[str, tuple[str, int | None]]:
    """The problem and sample that a request's name stands for, where names are not problem ids as they are.

    No sample where the name does not say it: then a request's choices are the samples.

    Names may have a beginning in common before the id (``request-12``), and end in the number of the sample after
    ``#``, ``/`` or ``:`` (``12#3``). What does not make an id of every name is not tried.
    """
    names = {each.problem_id for each in source.generations()}
    if names <= problems.keys():
        return {}
    for separator in ("", "#", "/", ":"):
        split = _split(names, separator)
        if split is None:
            continue
        beginning = _in_common(stem for stem, _ in split.values())
        for length in range(len(beginning) + 1):
            if all(stem[length:] in problems for stem, _ in split.values()):
                return {name: (stem[length:], index) for name, (stem, index) in split.items()}
    return {}


def _split(names: set[str], separator: str) -> dict[str, tuple[str, int | None]] | None:
    if not separator:
        return {name: (name, None) for name in names}
    found: dict[str, tuple[str, int | None]] = {}
    for name in names:
        stem, _, number = name.rpartition(separator)
        if not (stem and number.isdecimal() and len(number) < 10):
            return None
        found[name] = (stem, int(number))
    return found


def _in_common(names: Iterator[str]) -> str:
    every = sorted(set(names))
    first, last = every[0], every[-1]
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]
