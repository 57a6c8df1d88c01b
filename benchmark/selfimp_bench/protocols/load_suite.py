"""From several resolved experiments' claims to the dataclasses, or to every flaw at once with its line and column."""

from pathlib import Path

import msgspec

from selfimp_bench.errors import Flaw
from selfimp_bench.manifest.fault import Fault, shown
from selfimp_bench.manifest.schema_check import SUITE_SCHEMA_FILE, schema_faults
from selfimp_bench.manifest.suite_checks import suite_faults
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.manifest.yaml_source import UnreadableYaml, read_yaml
from selfimp_bench.protocols.load_resolved import InvalidManifest, flaw_at, is_under, position_of


def is_resolved_suite(path: Path) -> bool:
    """Whether a file's name says that it holds resolved claims across experiments: ``NAME.suite.vVERSION.yaml``."""
    return ".suite.v" in path.name


def load_suite(path: Path) -> Suite:
    """The suite in this file. Raises InvalidManifest with every flaw."""
    return load_suite_data(path)[0]


def load_suite_data(path: Path) -> tuple[Suite, Json]:
    """The suite in this file, and its data. Raises InvalidManifest with every flaw."""
    data, flaws = _examine(path)
    if flaws:
        raise InvalidManifest(flaws)
    return msgspec.convert(data, Suite), data


def suite_data_faults(data: Json) -> list[Fault]:
    """Everything wrong with the resolved claims across experiments."""
    found = list(schema_faults(data, SUITE_SCHEMA_FILE))
    return found or list(suite_faults(msgspec.convert(data, Suite)))


def find_suite_flaws(path: Path) -> tuple[Flaw, ...]:
    """Everything that ``load_suite`` would refuse this file for, in the order of the file."""
    _, flaws = _examine(path)
    return flaws


def _examine(path: Path) -> tuple[Json, tuple[Flaw, ...]]:
    try:
        source = read_yaml(path)
    except UnreadableYaml as unreadable:
        return None, (flaw_at(path, unreadable.position, (), unreadable.message),)
    refused = [flaw_at(path, item.position, item.path, item.message) for item in source.refusals]
    found = schema_faults(source.data, SUITE_SCHEMA_FILE)
    faults = [fault for fault in found if not is_under(fault.path, source.untrusted)]
    if not refused and not faults:
        # A suite is small: what lies between its blocks is looked at when the blocks themselves are sound.
        suite = msgspec.convert(source.data, Suite)
        faults = [*_file_name_faults(path.name, suite), *suite_faults(suite)]
    flaws = [flaw_at(path, position_of(source, fault), fault.path, fault.message) for fault in faults]
    return source.data, tuple(sorted({*refused, *flaws}))


def _file_name_faults(file_name: str, suite: Suite) -> list[Fault]:
    expected = f"{suite.name}.suite.v{suite.version}.yaml"
    if file_name == expected:
        return []
    message = f"name and version call this file {shown(expected)}, found {shown(file_name)}; rename one of the two"
    return [Fault(path=("name",), message=message)]
