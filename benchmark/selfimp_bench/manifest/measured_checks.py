"""Claims and figures are about what is measured."""

from collections.abc import Iterator, Mapping

from selfimp_bench.manifest.claim_readings import readings
from selfimp_bench.manifest.fault import Fault, JsonPath, nearest, shown
from selfimp_bench.manifest.measured import NUMBER, MeasuredCell, numbered
from selfimp_bench.manifest.model import Cell, Claim, FigurePanel, PaperFigure, TrendClaim, ValuePoint
from selfimp_bench.measurement import Split


def claims_are_measured(claims: tuple[Claim, ...], measured: tuple[MeasuredCell, ...]) -> Iterator[Fault]:
    """The claims on cells that are not in ``measured``."""
    for index, claim in enumerate(claims):
        for read in readings(claim):
            yield from _claim_is_measured(read.claim, ("claims", index, *read.path), measured)


def _claim_is_measured(claim: Claim, path: JsonPath, measured: tuple[MeasuredCell, ...]) -> Iterator[Fault]:
    if claim.value is not None:
        for number, point in enumerate(claim.value.points):
            yield from _cell_is_measured(point, (*path, "value", "points", number), measured)
    if claim.order is not None:
        yield from _cell_is_measured(claim.order.greater, (*path, "order", "greater"), measured)
        if claim.order.lesser is not None:
            yield from _cell_is_measured(claim.order.lesser, (*path, "order", "lesser"), measured)
    if claim.trend is not None:
        yield from _trend_is_measured(claim.trend, (*path, "trend"), measured)


def _cell_is_measured(cell: Cell | ValuePoint, path: JsonPath, measured: tuple[MeasuredCell, ...]) -> Iterator[Fault]:
    return _is_measured(cell.metric, cell.split, {(*path, "iteration"): cell.iteration}, path, measured)


def _trend_is_measured(trend: TrendClaim, path: JsonPath, measured: tuple[MeasuredCell, ...]) -> Iterator[Fault]:
    iterations = {(*path, "iterations", index): value for index, value in enumerate(trend.iterations)}
    return _is_measured(trend.metric, trend.split, iterations, path, measured)


def _is_measured(
    metric: str,
    split: Split,
    iterations: Mapping[JsonPath, int],
    path: JsonPath,
    measured: tuple[MeasuredCell, ...],
) -> Iterator[Fault]:
    on_split = {cell.metric: cell for cell in measured if cell.split is split}
    if not on_split:
        splits = ", ".join(dict.fromkeys(cell.split for cell in measured))
        yield Fault(path=(*path, "split"), message=f"nothing is measured on {split} here, only on {splits}")
    elif metric not in on_split:
        message = f"{shown(metric)} is not measured on {split} (see measure, datasets and sampling)"
        yield Fault(path=(*path, "metric"), message=f"{message}; {nearest(metric, list(on_split))}")
    else:
        first, last = on_split[metric].first, on_split[metric].iterations
        for where, iteration in iterations.items():
            if iteration < first:
                expected = f"at least {first}, the first iteration with {metric} on {split}"
                yield Fault(path=where, message=f"expected {expected}, found {iteration}")
            if iteration > last:
                expected = f"at most {last}, the last iteration with {metric} on {split}"
                yield Fault(path=where, message=f"expected {expected}, found {iteration}")


def figures_are_measured(figures: tuple[PaperFigure, ...], measured: tuple[MeasuredCell, ...]) -> Iterator[Fault]:
    """The figures of metrics that are not in ``measured``."""
    for index, figure in enumerate(figures):
        for number, panel in enumerate(figure.panels):
            where: JsonPath = ("figures", index, "panels", number)
            for position, metric in enumerate(panel.metrics):
                place: JsonPath = (*where, "metrics", position)
                wanted = figure.form == "by-number"
                if metric.count(NUMBER) != wanted:
                    name = (
                        f"a name with {shown(NUMBER)} once, for every number"
                        if wanted
                        else f"a name without {shown(NUMBER)}"
                    )
                    message = f"expected {name}, as form is {figure.form}, found {shown(metric)}"
                    yield Fault(path=place, message=message)
                else:
                    yield from _panel_is_measured(metric, panel, where, place, measured)


def _panel_is_measured(
    metric: str, panel: FigurePanel, where: JsonPath, place: JsonPath, measured: tuple[MeasuredCell, ...]
) -> Iterator[Fault]:
    """Of a name with a number's place, one measurement is enough."""
    found = numbered(metric, [cell.metric for cell in measured if cell.split is panel.split])
    for fault in _is_measured(found[0].metric if found else metric, panel.split, {}, where, measured):
        yield Fault(path=place if fault.path[-1] == "metric" else fault.path, message=fault.message)
