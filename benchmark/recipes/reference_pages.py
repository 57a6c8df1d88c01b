"""Write the pages of ``docs/reference`` that are made of the code.

``python benchmark/recipes/reference_pages.py`` writes ``commands.md`` of the command line and ``manifest.md`` of the
schema of what people write; run it after a change of either. A test says when a page is not what this makes.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmark"))

from selfimp_bench.cli.app import cli  # noqa: E402
from selfimp_bench.protocols.schemas import STUDY_SCHEMA_FILE, schemas  # noqa: E402

PAGES: Final = ROOT / "docs" / "reference"
MADE: Final = "<!-- Made by benchmark/recipes/reference_pages.py; do not edit. -->"


def pages() -> dict[Path, str]:
    """The text of every page, by its file."""
    return {
        PAGES / "commands.md": "\n".join(commands_page()) + "\n",
        PAGES / "manifest.md": "\n".join(manifest_page(json.loads(schemas()[STUDY_SCHEMA_FILE]))) + "\n",
    }


def commands_page() -> Iterator[str]:
    """Every command with its arguments and options, as ``--help`` says them."""
    yield from (MADE, "", "# Commands", "")
    context = click.Context(cli, info_name="selfimp-bench")
    yield from paragraphs(cli.help or "")
    yield from _links(name for name, _ in _all_commands(cli, context))
    for name, command in _all_commands(cli, context):
        yield from ("", f"## {name}", "")
        inner = click.Context(command, info_name=f"selfimp-bench {name}")
        yield from ("```text", f"selfimp-bench {name} {' '.join(command.collect_usage_pieces(inner))}", "```", "")
        yield from paragraphs(command.help or "")
        options = [each.get_help_record(inner) for each in command.params if not _is_json(each)]
        rows = [record for record in options if record is not None]
        if rows:
            yield from ("", "| option | what it says |", "|---|---|")
            yield from (f"| {code(option)} | {escaped(text)} |" for option, text in rows)


def _is_json(parameter: click.Parameter) -> bool:
    return parameter.name == "as_json"


def _all_commands(group: click.Group, context: click.Context, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _all_commands(command, context, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def paragraphs(text: str) -> Iterator[str]:
    """A help text as Markdown: its paragraphs, and what ``\\b`` keeps as it is as a block."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        lines = paragraph.strip("\n").split("\n")
        if lines[0].strip() == "\b":
            yield from ("```text", *lines[1:], "```", "")
        else:
            yield from (*lines, "")


def manifest_page(schema: Mapping[str, Any]) -> Iterator[str]:
    """Every field of a study file and of its blocks."""
    yield from (MADE, "", "# Manifest fields", "")
    yield schema["description"]
    yield "`selfimp-bench validate FILE` says what is wrong with a file, all of it at once;"
    yield "`selfimp-bench show NAME --resolved` what becomes of an experiment. A block may also have `source` (the"
    yield "place in the paper), `assumed` (why a value is not the paper's) or both. The same as JSON Schema, for an"
    yield "editor, is `benchmark/selfimp_bench/manifest/schema/study.v2.json`."
    yield from _links(["The file", *schema["$defs"]])
    yield from ("", "## The file", "", *_fields(schema))
    for name, block in schema["$defs"].items():
        yield from ("", f"## {name}", "")
        yield from ([block["description"], ""] if block.get("description") else [])
        yield from _fields(block) if "properties" in block else [f"{kind(block)}."]


def _links(names: Iterator[str] | list[str]) -> Iterator[str]:
    yield ""
    links = [f"[{name}](#{anchor(name)})" for name in names]
    for first in range(0, len(links), 4):
        yield " · ".join(links[first : first + 4]) + (" ·" if first + 4 < len(links) else "")


def anchor(heading: str) -> str:
    """What a link to a heading says after ``#``."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _fields(block: Mapping[str, Any]) -> Iterator[str]:
    yield from ("| field | | value | what it says |", "|---|---|---|---|")
    required = set(block.get("required", ()))
    for name, field in block["properties"].items():
        need = "required" if name in required else ""
        yield f"| `{name}` | {need} | {kind(field)} | {escaped(description(field))} |"


def description(field: Mapping[str, Any]) -> str:
    """What a field is; of one that several protocols have, what it is to each."""
    if "description" in field:
        return str(field["description"])
    return " / ".join(dict.fromkeys(filter(None, (description(each) for each in field.get("anyOf", ())))))


def kind(field: Mapping[str, Any]) -> str:
    """What values a field takes, in words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{anchor(name)})"
    if "enum" in field or "const" in field:
        values = field.get("enum", [field.get("const")])
        said = ", ".join(code(json.dumps(each)) for each in values)
        return f"one of {said}" if len(values) > 1 else said
    for several in ("anyOf", "oneOf"):
        if several in field:
            kinds = [part for each in field[several] for part in kind(each).split(" or ")]
            return " or ".join(dict.fromkeys(kinds))
    words = _plain(field)
    default = f", default {code(json.dumps(field['default']))}" if field.get("default") is not None else ""
    return words + default


_BOUNDS: Final = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
    "minLength": "at least so long:",
    "maxLength": "at most so long:",
    "minItems": "at least",
    "maxItems": "at most",
    "pattern": "of the form",
}


_WORDS: Final = {"string": "text", "boolean": "true or false", "object": "block", "null": "nothing"}


def _plain(field: Mapping[str, Any]) -> str:
    bounds = "".join(f", {words} {code(str(field[key]))}" for key, words in _BOUNDS.items() if key in field)
    implied = "array" if "items" in field else "object" if "additionalProperties" in field else None
    match field.get("type", implied):
        case "array":
            if "prefixItems" in field:
                return f"list of {', '.join(kind(each) for each in field['prefixItems'])}"
            return f"list of {kind(field.get('items', {}))}{bounds}"
        case "object" if isinstance(field.get("additionalProperties"), dict):
            inner = kind(field["additionalProperties"])
            return "by name" if inner == "any" else f"by name, {inner}"
        case list() as types:
            return " or ".join(_WORDS.get(each, each) for each in types) + bounds
        case str() as one:
            return _WORDS.get(one, one) + bounds
        case _:
            return "any"


def code(text: str) -> str:
    """A text in code, as a cell of a table takes it."""
    mark = "``" if "`" in text else "`"
    return f"{mark}{text.replace('|', chr(92) + '|')}{mark}"


def escaped(text: str) -> str:
    """A text as a cell of a table takes it."""
    for special in ("|", "$", "*"):
        text = text.replace(special, f"\\{special}")
    return " ".join(text.replace("<", "&lt;").split())


def main() -> None:
    """Write the pages."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
