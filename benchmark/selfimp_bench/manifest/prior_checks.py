"""Every measurement that a claim is about has a prior."""

from collections.abc import Iterable, Iterator

from selfimp_bench.manifest.claim_readings import every_reading
from selfimp_bench.manifest.model import Cell, Claim
from selfimp_bench.manifest.priors import Priors


def claimed_cells(claim: Claim) -> Iterator[Cell]:
    """The cells that a claim is about, in all its readings."""
    for read in every_reading([claim]):
        if read.value is not None:
            for point in read.value.points:
                yield Cell(metric=point.metric, split=point.split, iteration=point.iteration)
        if read.order is not None:
            yield from read.order.cells
        if read.trend is not None:
            trend = read.trend
            yield from (Cell(metric=trend.metric, split=trend.split, iteration=each) for each in trend.iterations)


def without_prior(cells: Iterable[Cell], priors: Priors) -> Iterator[str]:
    """What is said of each measurement that the setting has no row for, each split of it once."""
    said = set()
    for cell in cells:
        key = (cell.metric, cell.split, cell.iteration > 0)
        if key not in said and priors.find(cell.metric, cell.split, cell.iteration) is None:
            said.add(key)
            yield priors.lacking(cell.metric, cell.split, cell.iteration)
