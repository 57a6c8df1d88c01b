"""How the time of something grows with its input, measured within one run: no machine is too slow or too busy."""

import time
from collections.abc import Callable

LINEAR_AT_MOST = 10
"""Four times the input: linear work takes about 4 times as long, quadratic work 16 times."""


def assert_linear(do: Callable[[int], object], size: int) -> None:
    """Doing ``4 * size`` takes no more than linear time beyond ``size``; the best of three tries counts."""
    ratios: list[float] = []
    while not ratios or ratios[-1] >= LINEAR_AT_MOST:
        assert len(ratios) < 3, f"four times the input took these times as long, in three tries: {ratios}"
        ratios.append(_processor_seconds(do, 4 * size) / _processor_seconds(do, size))


def _processor_seconds(do: Callable[[int], object], size: int) -> float:
    start = time.process_time()
    do(size)
    return time.process_time() - start
