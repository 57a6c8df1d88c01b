"""Drawings that a reader can read: nothing runs over an edge, and a legend reads line by line."""

import re
from dataclasses import replace

import pytest

from selfimp_bench.report.chart import ITERATIONS, Axes, Curve, Figure, Panel, Point, Words
from selfimp_bench.report.figures import draw

INCHES_OF_A_COLUMN = 6.6
POINTS_OF_AN_INCH = 72
MANY = tuple(f"N = {n}{kind}" for n in (2, 4, 8, 16) for kind in (", plain", ""))


def figure(labels: tuple[str, ...], y: str = "share") -> Figure:
    points = tuple(Point(x=t, value=0.1 * t, error=0.01, replicates=(0.1 * t,)) for t in (1, 2, 3))
    curves = (
        Curve(label=label, style=style, paper=False, points=points, published=()) for style, label in enumerate(labels)
    )
    return Figure(
        name="f",
        words=Words(title="T", see="", cannot=""),
        source="",
        axes=Axes(letter="t", shared=True, scale="places"),
        columns=1,
        panels=(Panel(title="", x=ITERATIONS, y=y, curves=tuple(curves)),),
        notes=(),
    )


def places(svg: str, labels: tuple[str, ...]) -> list[tuple[float, float, str]]:
    """(y, x, label) of every label, in the order of reading."""
    found = re.findall(r'<text[^>]* x="([-0-9.]+)" y="([-0-9.]+)"[^>]*>([^<]*)', svg)
    return sorted((round(float(y)), float(x), text) for x, y, text in found if text in labels)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 8])
def test_a_legend_reads_line_by_line_and_begins_inside_the_figure(count: int) -> None:
    labels = MANY[:count]
    found = places(draw(figure(labels)), labels)
    assert [label for _, _, label in found] == list(labels)
    letters = 5.5  # points, of which an average letter is wide
    for _, x, label in found:
        assert x > 20 and x + letters * len(label) < INCHES_OF_A_COLUMN * POINTS_OF_AN_INCH, label


def test_labels_too_long_for_two_columns_stand_below_each_other() -> None:
    labels = ("a" * 45, "b" * 45, "c" * 45)
    found = places(draw(figure(labels)), labels)
    assert len({y for y, _, _ in found}) == 3 and len({x for _, x, _ in found}) == 1


def test_a_long_name_of_an_axis_is_broken_into_lines() -> None:
    svg = draw(figure(("one",), y="Pass@N of M_1 on what M_t improved over M_1 (share)"))
    assert ">Pass@N of M_1 on what M_t improved<" in svg and ">over M_1 (share)<" in svg


def test_every_panel_has_its_own_axis_named_and_a_long_title_is_broken() -> None:
    one = figure(("one",))
    long = "Pass@N of M_1 on what M_t solves and M_1 does not: this run"
    panels = [replace(one.panels[0], title=long, y=y) for y in ("accuracy", "diversity")]
    svg = draw(replace(one, columns=2, panels=tuple(panels)))
    assert ">accuracy<" in svg and ">diversity<" in svg
    assert ">Pass@N of M_1 on what M_t solves and M_1<" in svg
