"""What does not fit, in words."""

from runs.hardware.sizes import device

from selfimp_bench.runs.hardware.device import Hardware
from selfimp_bench.runs.hardware.fit import most_that_fits, parts, too_large, usable_bytes
from selfimp_bench.runs.hardware.footprint import Footprint

HARDWARE = Hardware(count=1, name="Small", device=device(memory=100e9))


def _footprint(rows: int) -> Footprint:
    return Footprint(states=int(50e9), activations=int(rows * 10e9), logits=0, cache=0)


def test_nine_tenths_of_a_device_may_be_filled_unless_it_is_said_how_much() -> None:
    assert usable_bytes(HARDWARE) == 90e9
    assert usable_bytes(HARDWARE, 0.5) == 50e9


def test_the_most_that_fits_is_to_the_byte_and_no_more_than_wanted() -> None:
    assert most_that_fits(_footprint, 8, usable_bytes(HARDWARE)) == 4
    assert most_that_fits(_footprint, 3, usable_bytes(HARDWARE)) == 3
    assert most_that_fits(_footprint, 8, int(90e9) - 1) == 3
    assert most_that_fits(_footprint, 8, int(50e9)) == 0


def test_what_is_too_large_is_said_in_parts_with_what_to_do() -> None:
    assert too_large(_footprint(8), usable_bytes(HARDWARE), "take fewer") == (
        "needs 130.0 GB of the 90.0 GB that may be filled (activations 80.0, weights and optimiser 50.0); take fewer"
    )


def test_parts_that_are_not_there_are_not_named() -> None:
    made = Footprint(states=10**9, activations=0, logits=2 * 10**9, cache=0)
    assert parts(made) == "logits 2.0, weights and optimiser 1.0"
