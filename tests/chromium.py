"""Pages as a real Chromium shows them, and what is to be true of every page: each check gives the faults it finds."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed (ci/beside dev)")

from axe_playwright_python.base import AxeResults
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(FOUND is None, reason="no Chromium (apt-get install chromium)")

WIDE, PHONE = (1280, 900), (390, 844)
PRINTED = 686
"""Pixels between the margins of an A4 sheet."""

# All of axe's rules, whatever they weigh. A landmark for the page's every text is a matter of taste.
_AXE = {"resultTypes": ["violations"], "rules": {"region": {"enabled": False}}}


@dataclass
class Opened:
    """A page that is open, and what it did that no page of a report may do."""

    page: Page
    deeds: list[str] = field(default_factory=list)


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium, headless."""
    with sync_playwright() as playwright:
        # Root, as in a container of a CI, has no sandbox of Chromium's.
        made = playwright.chromium.launch(executable_path=FOUND, args=["--no-sandbox"])
        yield made
        made.close()


@contextmanager
def opened(
    chromium: Browser, path: Path, size: tuple[int, int] = WIDE, *, dark: bool = False, **options: Any
) -> Iterator[Opened]:
    """A page from the disk, with everything that it says, asks for and shows beside itself noted."""
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        **options,
    )
    context.set_default_timeout(15_000)
    found = Opened(page=context.new_page())
    page = found.page
    page.on("console", lambda said: found.deeds.append(f"console {said.type}: {said.text}"))
    page.on("pageerror", lambda error: found.deeds.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (found.deeds.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("popup", lambda other: found.deeds.append(f"window: {other.url}"))
    page.on("download", lambda each: found.deeds.append(f"download: {each.url}"))
    page.on(
        "request",
        lambda asked: None if _is_own(asked.url, path) else found.deeds.append(f"request: {asked.url[:200]}"),
    )
    page.goto(path.as_uri())
    if page.locator("#samples-app").count() and options.get("java_script_enabled", True):
        page.locator("#samples-problem h3, #samples-problem p").first.wait_for()
    yield found
    context.close()


def _is_own(url: str, page: Path) -> bool:
    """The page itself, and the parts of its completions beside it."""
    folder = page.parent.as_uri()
    return (
        url.partition("#")[0] == page.as_uri()
        or re.fullmatch(r"/[\w-]+/\d{4}\.js", url.removeprefix(folder)) is not None
    )


# ---- what is to be true of every page ----


def contrast(page: Page) -> list[str]:
    """Text that is not told from what is behind it (WCAG 2 AA)."""
    options = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}
    return _said(Axe().run(page, {"exclude": [["svg"]]}, options))  # of drawings it can tell none


def by_axe(page: Page) -> list[str]:
    """What axe-core finds: contrast, names, roles, landmarks."""
    return _said(Axe().run(page, options=_AXE))


def _said(results: AxeResults) -> list[str]:
    found = results.response["violations"]
    return [f"{rule['id']}: {node['target']} {_why(node)}" for rule in found for node in rule["nodes"]]


def _why(node: dict[str, Any]) -> str:
    return " ".join(each["message"] for each in (*node["any"], *node["all"], *node["none"]))[:200]


def headings(page: Page) -> list[str]:
    """One heading of the first level, before all others, and none that skips a level; of those that are shown."""
    found = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].filter(each => each.checkVisibility())"
        ".map(each => [Number(each.tagName[1]), each.textContent.trim()])"
    )
    levels = [level for level, _ in found]
    faults = [] if levels[:1] == [1] and levels.count(1) == 1 else [f"levels begin {levels[:3]}"]
    for (above, _), (level, text) in pairwise(found):
        if level > above + 1:
            faults.append(f"h{level} {text!r} under h{above}")
    return faults + [f"an empty h{level}" for level, text in found if not text]


def overflow(page: Page) -> list[str]:
    """What makes the page wider than its window."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide <= 0:
        return []
    culprits = page.evaluate(
        "[...document.querySelectorAll('body *')].filter(each => each.getBoundingClientRect().right > innerWidth + 1 &&"
        " (matchMedia('print').matches || !each.closest('.scroll'))).map(each => each.outerHTML.slice(0, 100))"
    )
    return [f"{wide} pixels too wide", *culprits[-3:]]


def keyboard(page: Page) -> list[str]:
    """Tab reaches everything that can be used, in the order of the page, and shows where it is."""
    wanted = page.evaluate(
        """() => {
          const able = 'a[href], button, input, select, textarea, summary, [tabindex]';
          const own = [...document.querySelectorAll(able)].filter(each => each.tabIndex >= 0 && !each.disabled &&
            each.checkVisibility({ visibilityProperty: true }));
          own.forEach((each, place) => each.setAttribute('data-wanted', place));
          document.activeElement?.blur();
          getSelection().removeAllRanges();
          scrollTo(0, 0);
          return own.length;
        }"""
    )
    faults, seen = [], []
    for _ in range(wanted + 1):
        page.keyboard.press("Tab")
        place, shown, html = page.evaluate(
            """() => {
              const own = document.activeElement, style = getComputedStyle(own);
              const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
              return [own.getAttribute('data-wanted'), outlined, own.outerHTML.slice(0, 100)];
            }"""
        )
        if place is None:
            break
        seen.append(int(place))
        if not shown:
            faults.append(f"focus does not show: {html}")
    missed = sorted(set(range(wanted)) - set(seen))
    if missed:
        html = page.evaluate(
            "place => document.querySelector(`[data-wanted='${place}']`).outerHTML.slice(0, 100)", missed[0]
        )
        faults.append(f"Tab misses {len(missed)} of {wanted}, the first: {html}")
    if seen != sorted(seen):
        faults.append(f"out of order: {seen}")
    return faults


def printed(page: Page) -> list[str]:
    """On paper nothing is cut off, and what is for a screen alone is not there; leaves the page as printed."""
    page.set_viewport_size({"width": PRINTED, "height": 1000})
    page.emulate_media(media="print")
    faults = [f"printed: {fault}" for fault in overflow(page)]
    faults += page.evaluate(
        "[...document.querySelectorAll('input, select, button, nav')].filter(each => each.checkVisibility())"
        ".map(each => `printed: ${each.outerHTML.slice(0, 100)}`)"
    )
    sheets = page.pdf(format="A4", margin=dict.fromkeys(("top", "right", "bottom", "left"), "14mm"))
    if not sheets.startswith(b"%PDF-") or not re.search(rb"/Type\s*/Page\b", sheets):
        faults.append("no PDF")
    return faults
