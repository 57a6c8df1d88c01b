"""The contradictions inside a paper that whoever read its numbers wrote down, in ``source.yaml`` beside the tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.claim_readings import every_reading
from selfimp_bench.manifest.model import Claim
from selfimp_bench.manifest.yaml_source import UnreadableYaml, read_yaml

SOURCE = "source.yaml"


@dataclass(frozen=True, kw_only=True)
class RecordedConflict:
    """What disagrees: ``says`` in words, the two places of ``between``, and the ``rows`` (``table.csv#id``).

    reading: which of the two sides is followed, or that both are allowed.
    """

    id: str
    says: str
    between: tuple[str, str]
    rows: tuple[str, ...]
    reading: str


@dataclass(frozen=True, kw_only=True)
class _Source:
    conflicts: tuple[RecordedConflict, ...] = ()


def read_conflicts(path: Path) -> tuple[RecordedConflict, ...]:
    """The conflicts of a ``source.yaml``, in its order; none for a file that is not there or has no such list.

    Raises InputError for what is no such file.
    """
    if not path.is_file():
        return ()
    try:
        return msgspec.convert(read_yaml(path).data, _Source).conflicts
    except UnreadableYaml as error:
        raise InputError(f"{path}: {error.message}") from None
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}; a conflict has id, says, between (two places), rows and reading") from None


def conflicts_about(claims: Sequence[Claim], find: Callable[[str], Path]) -> tuple[RecordedConflict, ...]:
    """Those recorded beside the tables of these claims that are about one of their rows; ``find`` has a table's file.

    Raises what ``read_conflicts`` and ``find`` raise.
    """
    values = [claim.value for claim in every_reading(claims) if claim.value is not None]
    rows = {f"{Path(value.table).name}#{point.reference}" for value in values for point in value.points}
    folders = dict.fromkeys(find(value.table).parent for value in values)
    return tuple(
        conflict
        for folder in folders
        for conflict in read_conflicts(folder / SOURCE)
        if not rows.isdisjoint(conflict.rows)
    )
