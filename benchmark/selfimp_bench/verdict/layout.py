"""Which cells many contrasts add up, on which problems: made ready once, for all runs that have these cells."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.verdict.evidence import CellValues, Key

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Weights = tuple[tuple[Key, float], ...]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Cells on the same problems, a row each.

    columns: of a cell's values those of the problems that all have, by where the cell is defined; of_row: by row.
    """

    columns: Mapping[int, Index]
    rows: dict[Key, int] = field(default_factory=dict)
    of_row: list[Index] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A weighted sum of rows of one group, by its number."""

    group: int
    rows: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """All sums of a group that have as many cells: the parts' numbers, and, parts x cells, their rows and weights."""

    group: int
    parts: Index
    rows: Index
    weights: Array


class Layout:
    """The weighted sums of one data set that contrasts are made of, each once.

    groups: by number; ``starts`` are their first rows of all. number_of: the parts; ``keys_of`` are their cells.
    shapes: the parts by what can be computed together. cell_of_row: the number of a cell among those of ``place``.
    """

    def __init__(self, cells: Mapping[Key, CellValues]) -> None:
        self._values = cells
        self._supports: dict[tuple[int, bytes], int] = {}
        self._names: list[tuple[tuple[str, ...], Index]] = []
        self._support_of: dict[Key, int] = {}
        self._group_of: dict[tuple[str, frozenset[int]], int | None] = {}
        self.groups: list[Group] = []
        self.number_of: dict[Part, int] = {}
        self.keys_of: list[tuple[Key, ...]] = []
        self.shapes: list[Shape] = []
        self.starts: list[int] = []
        self.cell_of_row = np.zeros(0, dtype=np.intp)

    def parts(self, weights: Weights) -> list[int] | None:
        """The numbers of the sums that a contrast adds up; None where it has no number."""
        sets: dict[str, list[tuple[Key, float]]] = {}
        for key, weight in weights:
            cell = self._values.get(key)
            if cell is None:
                return None
            sets.setdefault(cell.problems.data_set, []).append((key, weight))
        found = []
        for data_set, members in sets.items():
            at = self._group(data_set, frozenset(self._support(key) for key, _ in members))
            if at is None:
                return None
            rows = tuple(self._row(at, key) for key, _ in members)
            part = Part(group=at, rows=rows, weights=tuple(weight for _, weight in members))
            if part not in self.number_of:
                self.number_of[part] = len(self.number_of)
                self.keys_of.append(tuple(key for key, _ in members))
            found.append(self.number_of[part])
        return found

    def place(self) -> list[Key]:
        """Give every cell its row of all, and every sum its rows; returns the cells, each once."""
        self.starts = [0, *np.cumsum([len(group.rows) for group in self.groups]).tolist()]
        cells = {key: number for number, key in enumerate(dict.fromkeys(k for g in self.groups for k in g.rows))}
        self.cell_of_row = np.array([cells[key] for group in self.groups for key in group.rows], dtype=np.intp)
        shapes: dict[tuple[int, int], list[Part]] = {}
        for part in self.number_of:
            shapes.setdefault((part.group, len(part.rows)), []).append(part)
        for (at, _), several in shapes.items():
            numbers = np.array([self.number_of[part] for part in several], dtype=np.intp)
            rows = np.array([part.rows for part in several], dtype=np.intp)
            weights = np.array([part.weights for part in several])
            self.shapes.append(Shape(group=at, parts=numbers, rows=rows, weights=weights))
        return list(cells)

    def _support(self, key: Key) -> int:
        """A number for the problems on which a cell is defined."""
        if key not in self._support_of:
            cell = self._values[key]
            defined = ~np.isnan(cell.values)
            if not (defined == defined[0]).all():
                raise ValueError(f"replicates of {key[1]} {key[2].metric} are undefined on different problems")
            place = (id(cell.problems), defined[0].tobytes())
            if place not in self._supports:
                self._supports[place] = len(self._names)
                self._names.append((cell.problems.ids, np.flatnonzero(defined[0])))
            self._support_of[key] = self._supports[place]
        return self._support_of[key]

    def _group(self, data_set: str, supports: frozenset[int]) -> int | None:
        """The number of a group; None where no problem is defined in all of its cells."""
        if (data_set, supports) not in self._group_of:
            group = Group(columns=self._shared(supports))
            some = bool(next(iter(group.columns.values())).size)
            self._group_of[data_set, supports] = len(self.groups) if some else None
            self.groups += [group] if some else []
        return self._group_of[data_set, supports]

    def _shared(self, supports: frozenset[int]) -> dict[int, Index]:
        """Of each support the columns of the problems that all have, in the order of their ids."""
        if len(supports) == 1:
            return {support: self._names[support][1] for support in supports}
        places = {}
        for support in supports:
            ids, columns = self._names[support]
            places[support] = {ids[column]: column for column in columns.tolist()}
        shared = sorted(set.intersection(*(set(each) for each in places.values())))
        return {support: np.array([at[name] for name in shared], dtype=np.intp) for support, at in places.items()}

    def _row(self, at: int, key: Key) -> int:
        group = self.groups[at]
        if key not in group.rows:
            group.rows[key] = len(group.rows)
            group.of_row.append(group.columns[self._support(key)])
        return group.rows[key]
