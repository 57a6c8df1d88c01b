"""Completions to browse: as data in a page where they are few, else as a page of their own with files beside it."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_letters
from typing import Any, Final

from markupsafe import Markup

from selfimp_bench.durable import write_atomically
from selfimp_bench.errors import InputError
from selfimp_bench.report.templates import source, template
from selfimp_bench.runs.completions import Asked, Column, Completions, Said, is_wrong

IN_A_PAGE: Final = 4 * 2**20
"""Bytes of completions up to which they stand in the page that they belong to."""

_PART: Final = 2**20
"""Bytes after which a part of the completions ends, with a problem."""

_OPENING: Final = 160
"""Characters of a question by which a list shows it."""

_SHOWN: Final = 600
"""Characters of a text in what a page shows without a script."""

_KINDS: Final = 12
"""Kinds and iterations of completions that it shows."""

_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]|\r(?!\n)"
)
"""Characters that show nothing, or change how others are shown. The same as in browser.js."""


def inert(value: Any) -> Markup:
    """JSON that is plain ASCII, without a character that HTML or a script could take for its own."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e"))


def visible(text: str, most: int = _SHOWN) -> str:
    """A text as a page can show it: what hides, reverses or breaks the text around it is named instead."""
    cut = text[:most]
    more = f" [{len(text) - most:,} more characters]" if len(text) > most else ""
    return _HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", cut) + more


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A completion in what a page shows without a script: its kind in words, and what is to be read of it."""

    kind: str
    outcome: str
    answer: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """A problem, and of every kind and iteration of completions the first."""

    problem_id: str
    question: str
    shown: tuple[Shown, ...]


@dataclass(frozen=True, kw_only=True)
class Browser:
    """What a page needs to browse: ``data`` are its blocks of inert JSON by their ids, ``script`` is browser.js."""

    data: tuple[tuple[str, Markup], ...]
    excerpt: Excerpt | None
    script: Markup
    policy: str


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Of a page: how many completions there are, and either the browser of them, or a page that has it, or why none."""

    count: int
    browser: Browser | None = None
    link: str | None = None
    why_not: str | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where completions go that are too many for their report, and what leads there.

    report: the report's file. title: of the page. command: what asks for them.
    """

    report: Path
    title: str
    command: str

    @property
    def page(self) -> Path:
        """The page of their own, beside the report; its parts lie in a folder of the same name without an ending."""
        stem = self.report.stem
        return self.report.with_name("samples.html" if stem == "report" else f"{stem}-samples.html")


def samples_of(read: Callable[[], Completions], place: Place, wanted: bool | None) -> Samples | None:
    """The completions of a report: to stand in it up to ``IN_A_PAGE`` bytes, else in a page of their own.

    read: reads them, or raises InputError. wanted: False for none; None where nobody said so, which is as True for few,
    and for more where they have their page already. The same completions give the same bytes. Raises InputError where
    they are wanted and cannot be read.
    """
    if wanted is False:
        return None
    try:
        completions = read()
        if completions.size <= IN_A_PAGE and (browser := _inside(completions)) is not None:
            return Samples(count=completions.count, browser=browser)
        if wanted is None and not place.page.is_file():
            about = f"about {completions.size / 2**20:,.0f} MB, too many for this page"
            return Samples(count=completions.count, why_not=f"{about}: {place.command} writes one for them.")
        _write(completions, place)
    except InputError:
        if wanted:
            raise
        why = f"the store beside this run lacks what its steps wrote, or it was changed; {place.command} says more."
        return Samples(count=0, why_not=why)
    return Samples(count=completions.count, link=place.page.name)


def _inside(completions: Completions) -> Browser | None:
    """A browser with all completions in its page; None where they take more than a page is to hold."""
    book, parts, size = _Book(completions), list[Markup](), 0
    for part in book.parts():
        parts.append(part)
        size += len(part)
        if size > IN_A_PAGE:
            return None
    data = [(f"samples-part-{number}", part) for number, part in enumerate(parts)]
    return _browser(book, "", data)


def _write(completions: Completions, place: Place) -> None:
    """The page last: what it leads to is there by then."""
    folder, book = place.page.with_suffix(""), _Book(completions)
    written = set[str]()
    for number, part in enumerate(book.parts()):
        path = folder / f"{number:04}.js"
        write_atomically(path, f"samplesPart({number},{part});\n".encode())
        written.add(path.name)
    for left in folder.glob("[0-9]*.js"):
        if left.name not in written:
            left.unlink()
    page = template("samples.html.j2").render(
        title=place.title,
        report=place.report.name,
        count=completions.count,
        browser=_browser(book, folder.name, []),
    )
    write_atomically(place.page, page.encode())


def _browser(book: "_Book", folder: str, parts: Sequence[tuple[str, Markup]]) -> Browser:
    script = source("browser.js")
    return Browser(
        data=(("samples-index", inert(book.index(folder))), *parts),
        excerpt=book.excerpt,
        script=Markup(script),
        policy=policy(script, files=bool(folder)),
    )


def policy(script: str, *, files: bool) -> str:
    """The Content-Security-Policy of a page: this script and no other, no network; ``files``: those beside it, too."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        f"script-src 'sha256-{digest}'" + (" file: 'self'" if files else ""),
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types samples",
    ]
    return "; ".join(rules)


class _Book:
    """Completions as the browser's data: parts of about ``_PART`` bytes, and the index, which is whole when all parts
    were read.

    A part is a list of problems: {id, problem: [[name, text], ...], said: a list of completions for every column of the
    problem's split}; a completion is [text, answer, note, label], less what is empty at the end. In the index a problem
    is [id, split, the question's beginning, part, ...], then the outcomes of each of these columns, a letter each.
    """

    def __init__(self, completions: Completions) -> None:
        self._completions = completions
        self._outcomes: dict[str, str] = {}
        self._rows: list[list[str | int]] = []
        self.excerpt: Excerpt | None = None

    def parts(self) -> Iterator[Markup]:
        """Every part as inert JSON."""
        texts, size, number = list[str](), 0, 0
        for asked in self._completions.problems():
            if self.excerpt is None:
                self.excerpt = _excerpt(asked)
            text = inert(self._content(asked, number))
            if texts and size + len(text) > _PART:
                yield _listed(texts)
                texts, size, number = [], 0, number + 1
                self._rows[-1][3] = number
            texts.append(text)
            size += len(text)
        if texts:
            yield _listed(texts)

    def index(self, folder: str) -> dict[str, Any]:
        """What is read when the page opens. folder: where the parts lie; empty where they stand in the page."""
        return {
            "folder": folder,
            "columns": [
                {
                    "model": each.model,
                    "seed": each.seed,
                    "setting": each.setting,
                    "role": each.role,
                    "split": each.split,
                    "iteration": each.iteration,
                }
                for each in self._completions.columns
            ],
            "outcomes": list(self._outcomes),
            "letters": "".join(self._outcomes.values()),
            "wrong": "".join(letter for words, letter in self._outcomes.items() if is_wrong(words)),
            "problems": self._rows,
        }

    def _content(self, asked: Asked, part: int) -> dict[str, Any]:
        columns = [each for each in self._completions.columns if each.split == asked.split]
        said = [asked.said.get(column, ()) for column in columns]
        opening = " ".join(asked.problem.question[: 2 * _OPENING].split())[:_OPENING]
        codes = ["".join(self._letter(each.outcome) for each in own) for own in said]
        self._rows.append([asked.problem.problem_id, asked.split, opening, part, *codes])
        return {
            "id": asked.problem.problem_id,
            "problem": _problem(asked),
            "said": [[_completion(each, str(place)) for place, each in enumerate(own)] for own in said],
        }

    def _letter(self, outcome: str) -> str:
        return self._outcomes.setdefault(str(outcome), ascii_letters[len(self._outcomes)])


def _listed(texts: Sequence[str]) -> Markup:
    return Markup(f"[{','.join(texts)}]")  # each is inert


def _completion(said: Said, usual: str) -> list[str]:
    whole = [said.text, said.answer, said.note, said.label]
    if said.label == usual:
        whole.pop()
        while len(whole) > 1 and not whole[-1]:
            whole.pop()
    return whole


def _problem(asked: Asked) -> list[tuple[str, str]]:
    """The question, and what else is known of it, each with a name."""
    problem = asked.problem
    rest = [
        ("The reference answer", problem.answer),
        ("Choices", problem.choices and "\n".join(problem.choices)),
        ("Answers that count", problem.answers and "\n".join(problem.answers)),
        ("The tests", problem.tests and "\n".join(problem.tests)),
        ("The puzzle", problem.puzzle),
    ]
    return [("Question", problem.question), *((name, text) for name, text in rest if text)]


def _excerpt(asked: Asked) -> Excerpt:
    return Excerpt(
        problem_id=visible(asked.problem.problem_id),
        question=visible(asked.problem.question),
        shown=tuple(
            Shown(
                kind=kind_words(column), outcome=each.outcome, answer=visible(each.answer, 80), text=visible(each.text)
            )
            for column, own in list(asked.said.items())[:_KINDS]
            for each in own[:1]
        ),
    )


def kind_words(column: Column) -> str:
    """A column in words."""
    seed = f"seed {column.seed}" if column.seed else ""
    return ", ".join(filter(None, (column.model, seed, column.setting, column.role, f"t = {column.iteration}")))
