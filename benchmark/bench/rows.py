"""All rows, in the order of the table."""

from bench import commands, grading, programs, sampling, training
from bench.row import Row

ROWS: tuple[Row, ...] = (*commands.ROWS, *grading.ROWS, *programs.ROWS, *sampling.ROWS, *training.ROWS)
