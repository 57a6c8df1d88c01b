"""Completions in a page and in files beside it: all of them, as inert data, the same bytes every time."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from completions_support import HOSTILE, hostile, many
from page import read_page, seen_in

from selfimp_bench.errors import InputError
from selfimp_bench.report import samples as module
from selfimp_bench.report.samples import IN_A_PAGE, Place, Samples, inert, samples_of, visible
from selfimp_bench.runs.completions import Completions, Said


def _place(folder: Path) -> Place:
    return Place(report=folder / "report.html", title="Title", command="`make samples`")


def _of(completions: Completions, folder: Path, wanted: bool | None = None) -> Samples:
    found = samples_of(lambda: completions, _place(folder), wanted)
    assert found is not None
    return found


def _read(index: dict[str, Any], parts: list[Any]) -> Iterator[tuple[str, int, str, Said]]:
    """Every completion as a page's script reads them: problem, place of its column, question, completion."""
    outcomes = dict(zip(index["letters"], index["outcomes"], strict=True))
    counted: dict[int, int] = {}
    for name, split, opening, part, *codes in index["problems"]:
        place = counted.get(part, 0)
        counted[part] = place + 1
        content = parts[part][place]
        columns = [number for number, each in enumerate(index["columns"]) if each["split"] == split]
        assert content["id"] == name and len(codes) == len(content["said"]) == len(columns)
        question = dict(content["problem"])["Question"]
        assert question.startswith(opening) or not opening or opening in " ".join(question.split())
        for column, letters, own in zip(columns, codes, content["said"], strict=True):
            for row, (letter, each) in enumerate(zip(letters, own, strict=True)):
                text, answer, note, label = (
                    each + ["", "", "", ""][: 3 - len(each)] + ([str(row)] if len(each) < 4 else [])
                )
                said = Said(label=label, text=text, outcome=outcomes[letter], answer=answer, note=note)
                yield name, column, question, said


def _all(completions: Completions) -> list[tuple[str, int, str, Said]]:
    return [
        (asked.problem.problem_id, completions.columns.index(column), asked.problem.question, said)
        for asked in completions.problems()
        for column, own in sorted(asked.said.items(), key=lambda item: completions.columns.index(item[0]))
        for said in own
    ]


def _parts(folder: Path) -> list[Any]:
    texts = [path.read_text("ascii") for path in sorted((folder / "samples").glob("*.js"))]
    found = [re.fullmatch(r"samplesPart\((\d+),(.*)\);\n", text) for text in texts]
    assert [int(match[1]) for match in found if match] == list(range(len(texts)))
    return [json.loads(match[2]) for match in found if match]


def _index(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="samples-index">([^<]*)</script>', page)
    assert found is not None
    index: dict[str, Any] = json.loads(found[1])
    return index


@pytest.mark.parametrize("make", [hostile, lambda: many(40, samples=3)], ids=["hostile", "many"])
def test_all_that_was_said_is_in_the_parts(make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART", 20_000)
    monkeypatch.setattr(module, "IN_A_PAGE", 0)
    completions = make()
    assert _of(completions, tmp_path, True).link == "samples.html"
    parts = _parts(tmp_path)
    assert len(parts) > 2
    assert list(_read(_index((tmp_path / "samples.html").read_text()), parts)) == _all(completions)


def test_few_stand_in_the_page(tmp_path: Path) -> None:
    completions = many(12, samples=3)
    browser = _of(completions, tmp_path).browser
    assert browser is not None
    data = {name: json.loads(text) for name, text in browser.data}
    assert list(_read(data.pop("samples-index"), list(data.values()))) == _all(completions)
    assert list(tmp_path.iterdir()) == []


def test_more_are_written_where_they_are_wanted_and_then_kept_up(tmp_path: Path) -> None:
    completions = many(60, length=200)
    assert completions.size > IN_A_PAGE
    first = _of(completions, tmp_path)
    assert first.why_not == "about 5 MB, too many for this page: `make samples` writes one for them."
    assert list(tmp_path.iterdir()) == []
    assert _of(completions, tmp_path, True) == Samples(count=4800, link="samples.html")
    (tmp_path / "samples" / "0099.js").write_text("of an earlier report")
    before = (tmp_path / "samples.html").read_bytes()
    (tmp_path / "samples" / "0001.js").write_text("")
    assert _of(completions, tmp_path).link == "samples.html"
    names = [path.name for path in sorted((tmp_path / "samples").iterdir())]
    assert "0099.js" not in names and names == [f"{number:04}.js" for number in range(len(names))]
    assert list(_read(_index(before.decode()), _parts(tmp_path))) == _all(completions)
    assert (tmp_path / "samples.html").read_bytes() == before


def test_texts_that_grow_as_data_are_counted_as_they_are_written(tmp_path: Path) -> None:
    """A character outside of ASCII takes six bytes in the page."""
    short = many(8, samples=1, length=1)

    def problems():
        for asked in short.problems():
            said = {column: [replace(each, text="é" * 9_000) for each in own] for column, own in asked.said.items()}
            yield replace(asked, said=said)

    long = replace(short, size=2 * 80 * 9_000, problems=problems)
    assert long.size < IN_A_PAGE and _of(long, tmp_path).browser is None


def test_the_page_of_a_report_of_another_name_has_a_name_of_its_own(tmp_path: Path) -> None:
    place = Place(report=tmp_path / "answer.html", title="", command="")
    assert place.page == tmp_path / "answer-samples.html"


def test_none_are_there_where_none_are_wanted_or_can_be_read(tmp_path: Path) -> None:
    def gone() -> Completions:
        raise InputError("the store is gone")

    assert samples_of(lambda: many(2), _place(tmp_path), False) is None
    found = samples_of(gone, _place(tmp_path), None)
    assert found is not None and found.why_not is not None and "`make samples` says more" in found.why_not
    with pytest.raises(InputError, match="the store is gone"):
        samples_of(gone, _place(tmp_path), True)


@pytest.mark.parametrize("name", HOSTILE)
def test_data_is_inert_and_comes_back_as_it_was(name: str) -> None:
    text = inert([HOSTILE[name], {HOSTILE[name]: 1}])
    assert re.fullmatch(r"[ -%'-;=?-~]*", text), "printable ASCII without <, > and &"
    assert json.loads(text) == [HOSTILE[name], {HOSTILE[name]: 1}]


def test_a_page_of_hostile_texts_is_well_formed_and_shows_the_first_without_a_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IN_A_PAGE", 0)
    _of(hostile(), tmp_path, True)
    page = (tmp_path / "samples.html").read_text()
    read = read_page(page)
    assert not {"img", "svg", "iframe", "object", "link"} & read.tags
    assert HOSTILE["a script's end"] in seen_in(page)


def test_a_page_allows_its_own_script_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = _of(many(2, samples=1), tmp_path).browser
    assert browser is not None
    digest = base64.b64encode(hashlib.sha256(browser.script.encode()).digest()).decode()
    assert f"; script-src 'sha256-{digest}'; " in browser.policy and browser.policy.startswith("default-src 'none'; ")
    assert "</" not in browser.script and "<!--" not in browser.script
    monkeypatch.setattr(module, "IN_A_PAGE", 0)
    _of(many(2, samples=1), tmp_path, True)
    page = (tmp_path / "samples.html").read_text()
    assert f"; script-src &#39;sha256-{digest}&#39; file: &#39;self&#39;; " in page and str(browser.script) in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a[U+0000]b"),
        ("\u202eright\x1b[0m", "[U+202E]right[U+001B][0m"),
        ("lines\r\nand\ttabs", "lines\r\nand\ttabs"),
        ("carriage\rreturn", "carriage[U+000D]return"),
        ("\ud800", "[U+D800]"),
        ("é, 日本, 🙂", "é, 日本, 🙂"),
        ("x" * 700, "x" * 600 + " [100 more characters]"),
    ],
)
def test_what_hides_in_a_text_is_named(text: str, shown: str) -> None:
    assert visible(text) == shown
