"""All rows, in the order of the table."""

from bench import (
    commands,
    curves,
    diversity,
    gaps,
    grading,
    judging,
    measuring,
    papers,
    programs,
    sampling,
    slots,
    training,
)
from bench.row import Row

ROWS: tuple[Row, ...] = (
    *sampling.ROWS,
    *training.ROWS,
    *commands.ROWS,
    *grading.ROWS,
    *programs.ROWS,
    *diversity.ROWS,
    *gaps.ROWS,
    *measuring.ROWS,
    *judging.ROWS,
    *papers.ROWS,
    *slots.ROWS,
    *curves.ROWS,
)
