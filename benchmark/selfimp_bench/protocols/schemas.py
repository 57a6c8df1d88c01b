"""The schemas of all documents that are read, made from their dataclasses.

``python -m selfimp_bench.protocols.schemas`` writes them: run it after a change of a dataclass. A test says when a file
of ``manifest/schema/`` is not what it makes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from selfimp_bench.manifest.json_schema import json_schema
from selfimp_bench.manifest.schema_check import SUITE_SCHEMA_FILE
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.protocols.registry import PROTOCOLS
from selfimp_bench.protocols.study_schema import STUDY_SCHEMA, study_schema
from selfimp_bench.tasks.grading.graders import GRADERS
from selfimp_bench.tasks.tables import GENERATORS

ROOTS: Final[Mapping[Path, type]] = {
    **{protocol.schema: protocol.manifest for protocol in PROTOCOLS.values()},
    SUITE_SCHEMA_FILE: Suite,
}
"""The dataclass of the documents that each schema is about."""
STUDY_SCHEMA_FILE: Final = SUITE_SCHEMA_FILE.with_name(STUDY_SCHEMA)
"""The schema of what people write; the others are those of what it expands to."""
TABLES: Final = {"graders": tuple(GRADERS), "generators": tuple(GENERATORS)}
"""The names that a manifest may give to a grader and to a generator."""


def schemas() -> dict[Path, str]:
    """The text of every schema, by its file."""
    resolved = {file: json_schema(root, file.name, TABLES) for file, root in ROOTS.items()}
    made = resolved | {STUDY_SCHEMA_FILE: study_schema(TABLES)}
    return {file: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for file, schema in made.items()}


def write_schemas() -> None:
    """Write every schema to its file."""
    for file, text in schemas().items():
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_schemas()
