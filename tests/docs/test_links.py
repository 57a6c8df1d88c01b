"""Links between pages, and from pages to files of the repository, lead somewhere; the index leads to every page."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from docs_pages import PAGES, ROOT, anchors, inline, name_of


def links(page: Path) -> list[tuple[int, str]]:
    """Line and target of its links and pictures to something in the repository."""
    targets = (
        (line, part.attrGet("href" if part.type == "link_open" else "src") or "")
        for line, part in inline(page)
        if part.type in ("link_open", "image")
    )
    return [(line, str(target)) for line, target in targets if not urlsplit(str(target)).scheme]


def broken(page: Path, root: Path = ROOT) -> list[str]:
    """What is wrong with its links, with the place."""
    found = []
    for line, target in links(page):
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.is_relative_to(root) or not file.exists():
            found.append(f"{name_of(page)}:{line}: {target}: no such file")
        elif anchor and (file.suffix != ".md" or anchor not in anchors(file)):
            found.append(f"{name_of(page)}:{line}: {target}: no such heading")
    return found


@pytest.mark.parametrize("page", PAGES, ids=map(name_of, PAGES))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b`: c\n\n[1](#a-b-c) [2](#a-b) [3](none.md)\n\n![4](page.md) [5](page.md#x) [6](../..)\n")
    assert broken(page, tmp_path) == [
        "page.md:3: #a-b: no such heading",
        "page.md:3: none.md: no such file",
        "page.md:5: page.md#x: no such heading",
        "page.md:5: ../..: no such file",
    ]


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    reached = {(index.parent / target.partition("#")[0]).resolve() for _, target in links(index)}
    assert [name_of(page) for page in PAGES if page not in {*reached, index, ROOT / "README.md"}] == []
