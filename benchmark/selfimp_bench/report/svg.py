"""SVG text: what matplotlib writes becomes a file with alt text, and the file becomes a part of a themed page."""

import re
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

# Okabe and Ito's palette without its yellow, which has too little contrast on white, and with a grey for its black.
SERIES: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#6e7781")
INK: Final = "#1b1f24"
PAPER: Final = "#ffffff"
GRID: Final = "#d8dee4"

_HEADER = "<!-- selfimp-bench figure, inputs sha256 {digest} -->\n"
_SVG = "{http://www.w3.org/2000/svg}"
_TAGS = frozenset(_SVG + tag for tag in ("svg", "defs", "style", "g", "path", "use", "text", "clipPath", "rect"))
_STYLE = "*{stroke-linejoin: round; stroke-linecap: butt}"
_XLINK = "{http://www.w3.org/1999/xlink}href"


def finish(drawn: str, *, name: str, alt: str, digest: str) -> str:
    """Matplotlib's SVG without prolog and metadata, its ids unique to ``name``, labelled for screen readers."""
    body = drawn[drawn.index("<svg ") :]
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}.", body)
    label = quoteattr(alt).replace("\n", " ")
    return _HEADER.format(digest=digest) + body.replace("<svg ", f'<svg role="img" aria-label={label} ', 1)


def is_current(svg: str, digest: str) -> bool:
    """Whether a file on disk is what ``finish`` would give again, and nothing that could act when shown in a page.

    A run folder may come from somebody else, so the digest in it proves nothing about the drawing.
    """
    header = _HEADER.format(digest=digest)
    body = svg.removeprefix(header)
    if body == svg or "<!" in body or "<?" in body:
        return False
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return False
    return all(_is_inert(element) for element in root.iter())


def _is_inert(element: ElementTree.Element) -> bool:
    if element.tag not in _TAGS or (element.tag == f"{_SVG}style" and element.text != _STYLE):
        return False
    for name, value in element.attrib.items():
        outside = re.search(r"url\((?!#)", value) or (name.endswith("href") and not value.startswith("#"))
        if name.lower().startswith("on") or outside or (name.startswith("{") and name != _XLINK):
            return False
    return True


def inline(svg: str) -> str:
    """The drawing for a page: colours and font become the page's, so that they follow its light or dark theme."""
    body = svg[svg.index("<svg ") :]
    themed = {INK: "currentColor", PAPER: "var(--paper)", GRID: "var(--rule)"}
    themed |= {colour: f"var(--series-{index})" for index, colour in enumerate(SERIES)}
    body = re.sub(r"(?<=: )#[0-9a-f]{6}\b", lambda found: themed.get(found[0], found[0]), body)
    return body.replace("'DejaVu Sans', sans-serif", "inherit")
