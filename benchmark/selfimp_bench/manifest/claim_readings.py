"""Claims with several readings, taken apart: whoever judges or checks a claim sees one form at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from selfimp_bench.manifest.fault import JsonPath
from selfimp_bench.manifest.model import Claim


@dataclass(frozen=True, kw_only=True)
class ReadClaim:
    """A claim in one of its readings: ``claim`` has that form alone; ``path`` is the form's place in the claim."""

    name: str
    path: JsonPath
    claim: Claim


def readings(claim: Claim) -> tuple[ReadClaim, ...]:
    """The readings or parts of a claim; one without a name for a claim that has only one form."""
    if claim.several is None:
        return (ReadClaim(name="", path=(), claim=claim),)
    return tuple(
        ReadClaim(
            name=each.name,
            path=(claim.several, index),
            claim=replace(claim, value=each.value, order=each.order, trend=each.trend, any_of=None, all_of=None),
        )
        for index, each in enumerate(claim.any_of or claim.all_of or ())
    )


def every_reading(claims: Iterable[Claim]) -> Iterator[Claim]:
    """All claims in all their readings, in order."""
    for claim in claims:
        yield from (each.claim for each in readings(claim))
