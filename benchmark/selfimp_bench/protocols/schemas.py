"""The schemas of all documents that are read, made from their dataclasses.

``python -m selfimp_bench.protocols.schemas`` writes them: run it after a change of a dataclass. A test says when a file
of ``manifest/schema/`` is not what it makes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from selfimp_bench.manifest.json_schema import schema_text
from selfimp_bench.manifest.schema_check import SUITE_SCHEMA_FILE
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.protocols.registry import PROTOCOLS
from selfimp_bench.tasks.grading.graders import GRADERS
from selfimp_bench.tasks.tables import GENERATORS

ROOTS: Final[Mapping[Path, type]] = {
    **{protocol.schema: protocol.manifest for protocol in PROTOCOLS.values()},
    SUITE_SCHEMA_FILE: Suite,
}
"""The dataclass of the documents that each schema is about."""
TABLES: Final = {"graders": tuple(GRADERS), "generators": tuple(GENERATORS)}
"""The names that a manifest may give to a grader and to a generator."""


def write_schemas() -> None:
    """Write every schema to its file."""
    for file, root in ROOTS.items():
        file.write_text(schema_text(root, file.name, TABLES), encoding="utf-8")


if __name__ == "__main__":
    write_schemas()
