"""What does not fit, and what would."""

from hardware.sizes import device

from selfimp_bench.hardware.device import Hardware
from selfimp_bench.hardware.fit import listed, parts, too_large, uneven_batch, usable_bytes
from selfimp_bench.hardware.footprint import Footprint

HARDWARE = Hardware(count=1, name="Small", device=device(memory=100e9))


def _footprint(rows: int) -> Footprint:
    return Footprint(states=int(50e9), activations=int(rows * 10e9), logits=0, cache=0)


def test_nine_tenths_of_a_device_may_be_filled() -> None:
    assert usable_bytes(HARDWARE) == 90e9


def test_what_fits_to_the_byte_is_not_refused() -> None:
    assert list(too_large(_footprint, 4, (2, 1), "micro_batch_size", HARDWARE)) == []


def test_what_does_not_fit_is_refused_with_the_most_that_would() -> None:
    (reason,) = too_large(_footprint, 8, (4, 2, 1), "micro_batch_size", HARDWARE)
    assert "needs 130.0 GB of the 90.0 GB" in reason
    assert "activations 80.0, weights and optimiser 50.0" in reason
    assert reason.endswith("micro_batch_size 4 (now 8) would fit")


def test_where_nothing_would_fit_it_says_so() -> None:
    (reason,) = too_large(lambda _: Footprint(states=10**12, activations=0, logits=0, cache=0), 1, (), "x", HARDWARE)
    assert "no x would fit" in reason


def test_parts_that_are_not_there_are_not_named() -> None:
    assert parts(Footprint(states=10**9, activations=0, logits=2 * 10**9, cache=0)) == (
        "logits 2.0, weights and optimiser 1.0"
    )


def test_a_whole_number_of_passes_is_fine() -> None:
    assert list(uneven_batch(32, 8, 4)) == []


def test_a_broken_number_of_passes_is_refused_with_all_that_would_work() -> None:
    (reason,) = uneven_batch(32, 16, 4)
    assert "a batch of 32 rows is no multiple of 16 devices x micro_batch_size 4" in reason
    assert "micro_batch_size 1 or 2 with 16 devices" in reason
    assert "1, 2, 4 or 8 devices with micro_batch_size 4" in reason


def test_devices_that_no_micro_batch_suits_leave_other_counts() -> None:
    (reason,) = uneven_batch(32, 3, 4)
    assert "with 3 devices" not in reason and "1, 2, 4 or 8 devices" in reason


def test_where_neither_alone_would_work_it_says_so() -> None:
    (reason,) = uneven_batch(32, 3, 5)
    assert "another micro_batch_size and another number of devices" in reason


def test_numbers_are_listed_as_in_a_sentence() -> None:
    assert [listed([1]), listed([1, 2]), listed([1, 2, 4])] == ["1", "1 or 2", "1, 2 or 4"]
