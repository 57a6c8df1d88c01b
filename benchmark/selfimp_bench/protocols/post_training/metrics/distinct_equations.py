"""Distinct equations: how varied the calculations in a set of outputs are.

The paper gives no rule for what an equation is. Ours, after the strings its case study marks (``250*5 = 1250``,
``200/1250 =0.16``): two arithmetic expressions joined by ``=`` on one line, at least one of which has an operator.

- A chain ``a+b=c+d=e`` is read as written, side by side: ``a+b=c+d`` and ``c+d=e``; sides that are both bare numbers
  (``c=d``) are a restatement and count for nothing.
- ``x``, ``×``, ``·`` and ``*`` are one operator, so are ``÷`` and ``/``, and all dashes; ``2(3)`` is ``2*(3)``.
- Currency signs, spaces and thousands commas go; ``.50`` is ``0.5``; ``%`` stays, since 20% is not 20.
- Up to four words between a number and an operator are its unit and go: ``8 games x $2/game = $16`` is ``8*2=16``.
  Words that join clauses (``and``, ``so``, ``is`` ...) are in no unit, and a single letter is an unknown.
- Other words break an expression; what is left of it behind an operator is a fragment and does not count
  (``S + 30 + 46 = 76``). A dash or star that begins a line is a list mark.
- A calculator annotation ``<<16-3-4=9>>`` counts once; the same calculation spelled out beside it does not count
  again.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from typing import Final


class _Kind(Enum):
    NUMBER = auto()
    OPERATOR = auto()
    OPEN = auto()
    CLOSE = auto()
    EQUALS = auto()
    ANNOTATION = auto()
    WORD = auto()
    LINE = auto()


@dataclass(frozen=True, kw_only=True)
class _Token:
    """``text`` is in normal form; ``sign`` tells whether an operator can be the sign of what follows."""

    kind: _Kind
    text: str
    sign: bool = False


@dataclass(frozen=True, kw_only=True)
class _Expression:
    """A well-formed expression from token ``first`` to ``last`` of a side; a fragment lost its beginning."""

    text: str
    first: int
    last: int
    computes: bool
    fragment: bool


# Tried in this order at each place; no pattern repeats a repetition, so reading is linear in the text.
_TOKEN: Final = re.compile(
    r"(?P<annotation><<[^<>\n]*>>)"
    r"|(?P<ordinal>[0-9]+(?:st|nd|rd|th)(?![^\W\d_]))"
    r"|(?P<number>(?:[0-9]+(?:,[0-9]{3}(?![0-9]))*(?:\.[0-9]*)?|\.[0-9]+)(?: ?%)?)"
    r"|(?P<unit>/ ?[^\W\d_]{2,})"
    r"|(?P<operator>(?<=[0-9)])\*\*(?=[0-9(])|//|\\times|\\cdot|\\div|[xX](?=[ \t]*[-(.$€£¥₹¢0-9]))"
    r"|(?P<ignored>[ \t\r\u00a0\u200b]+|\\?[$€£¥₹¢]|\*\*)"
    r"|(?P<mark>[-+*/^×·÷−–])"
    r"|(?P<open>\()|(?P<close>\))|(?P<equals>=)|(?P<line>\n)"
    r"|(?P<words>[^\W\d_]{2,}(?:[ \t]+[^\W\d_]{2,}){4,})|(?P<word>[^\W\d_]+|.)",
    re.DOTALL,
)
_SAME_OPERATOR: Final = {
    "x": "*", "X": "*", "×": "*", "·": "*", "\\times": "*", "\\cdot": "*",
    "÷": "/", "//": "/", "\\div": "/", "−": "-", "–": "-", "**": "^",
}  # fmt: skip
_KINDS: Final = {
    "annotation": _Kind.ANNOTATION,
    "number": _Kind.NUMBER,
    "operator": _Kind.OPERATOR,
    "mark": _Kind.OPERATOR,
    "open": _Kind.OPEN,
    "close": _Kind.CLOSE,
    "equals": _Kind.EQUALS,
    "line": _Kind.LINE,
    "ordinal": _Kind.WORD,
    "unit": _Kind.WORD,
    "word": _Kind.WORD,
}
_LONGEST_UNIT: Final = 4
_MORE_THAN_A_UNIT: Final = _Token(kind=_Kind.WORD, text="")
"""Five words or more, which break an expression like one that is in no unit."""
_NEVER_IN_A_UNIT: Final = frozenset({"and", "or", "but", "so", "then", "is", "are"})


def distinct_equations(outputs: Sequence[str]) -> float | None:
    """|unique equations| / |all equations| over the outputs of one problem; None where they have no equation.

    Source: 2407.05013, Section 5.2 and Appendix B.3, Eq. 10; the rule of extraction is ours (module docstring).
    A share, above 0 and at most 1; higher is more varied. One output is defined: its equations may repeat.
    """
    return next(reversed(distinct_equations_so_far(outputs)), None)


def distinct_equations_so_far(outputs: Sequence[str]) -> tuple[float | None, ...]:
    """``distinct_equations`` of the first output, of the first two, and so on to all of them, in one pass."""
    unique: set[str] = set()
    total, found = 0, list[float | None]()
    for output in outputs:
        equations = extract_equations(output)
        unique.update(equations)
        total += len(equations)
        found.append(len(unique) / total if total else None)
    return tuple(found)


def extract_equations(text: str) -> tuple[str, ...]:
    """The equations of a text in normal form and in order, such as ``("16-3-4=9", "9*2=18")``. Never raises."""
    return tuple(equation for line in text.split("\n") for equation in _line_equations(line))


@lru_cache(maxsize=2**16)
def _line_equations(line: str) -> tuple[str, ...]:
    """No equation goes on in the next line, and samples of one problem share most of their lines."""
    if "=" not in line:
        return ()
    return tuple(equation for segment in _segments(line) for equation in _segment_equations(segment))


@dataclass(frozen=True, kw_only=True)
class _Segment:
    """A stretch of one line without words; ``after_word`` tells that a word stands before it."""

    tokens: tuple[_Token, ...]
    after_word: bool


def _segments(text: str) -> Iterator[_Segment]:
    tokens: list[_Token] = []
    after_word = False
    unit: list[_Token] = []
    for token in _tokens(text):
        if _extends_unit(token, unit, tokens):
            unit.append(token)
            continue
        ends_unit = token.kind in (_Kind.OPERATOR, _Kind.EQUALS, _Kind.CLOSE)
        breaks = token.kind in (_Kind.WORD, _Kind.LINE)
        if tokens and (breaks or (unit and not ends_unit)):
            yield _Segment(tokens=tuple(tokens), after_word=after_word)
            tokens = []
            after_word = True
        unit = []
        if breaks:
            after_word = token.kind is _Kind.WORD
        else:
            tokens.append(token)
    if tokens:
        yield _Segment(tokens=tuple(tokens), after_word=after_word)


def _extends_unit(token: _Token, unit: Sequence[_Token], before: Sequence[_Token]) -> bool:
    """Whether a word can be (the next word of) the unit of the operand before it."""
    if token.kind is not _Kind.WORD or len(unit) >= _LONGEST_UNIT or not before:
        return False
    if before[-1].kind not in (_Kind.NUMBER, _Kind.CLOSE) or token.text in _NEVER_IN_A_UNIT:
        return False
    return len(token.text) > 1 and not token.text[0].isdigit()


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        name = match.lastgroup or "word"
        written = match.group()
        if name == "ignored":
            continue
        if name == "words":
            yield _MORE_THAN_A_UNIT
            continue
        if name in ("operator", "mark"):
            attached = text[match.end() : match.end() + 1].strip() != ""
            yield _token(name, written, attached=attached)
        else:
            yield _token(name, written, attached=False)


@lru_cache(maxsize=2**14)
def _token(name: str, written: str, *, attached: bool) -> _Token:
    kind = _KINDS[name]
    if kind is _Kind.NUMBER:
        return _Token(kind=kind, text=_normal_number(written))
    if kind is _Kind.OPERATOR:
        operator = _SAME_OPERATOR.get(written, written)
        return _Token(kind=kind, text=operator, sign=operator in "+-" and attached)
    return _Token(kind=kind, text=written)


def _normal_number(written: str) -> str:
    percent = "%" if written.endswith("%") else ""
    whole, _, decimals = written.rstrip("% ").replace(",", "").partition(".")
    whole = whole.lstrip("0") or "0"
    decimals = decimals.rstrip("0")
    return f"{whole}.{decimals}{percent}" if decimals else whole + percent


def _segment_equations(segment: _Segment) -> Iterator[str]:
    """Each pair of neighbouring sides, and each annotation in place of the pair it repeats."""
    if not any(token.kind in (_Kind.EQUALS, _Kind.ANNOTATION) for token in segment.tokens):
        return
    sides = _sides(segment)
    for index, side in enumerate(sides):
        yield from side.annotated
        if index + 1 == len(sides):
            return
        following = sides[index + 1]
        left, right = side.tail, following.head
        if side.ends_annotated or following.begins_annotated or left is None or right is None:
            continue
        if left.computes or right.computes:
            yield f"{left.text}={right.text}"


@dataclass(frozen=True, kw_only=True)
class _Side:
    """What stands between two equals signs: the expressions that touch them, and the annotations' own equations."""

    head: _Expression | None
    tail: _Expression | None
    annotated: tuple[str, ...]
    begins_annotated: bool
    ends_annotated: bool


def _sides(segment: _Segment) -> tuple[_Side, ...]:
    groups: list[list[_Token]] = [[]]
    for token in segment.tokens:
        if token.kind is _Kind.EQUALS:
            groups.append([])
        else:
            groups[-1].append(token)
    sides = [_side(group, after_word=segment.after_word or index > 0) for index, group in enumerate(groups)]
    return tuple(sides)


def _side(tokens: Sequence[_Token], *, after_word: bool) -> _Side:
    annotations = [extract_equations(t.text[2:-2]) if t.kind is _Kind.ANNOTATION else () for t in tokens]
    plain = [token for token in tokens if token.kind is not _Kind.ANNOTATION]
    if not after_word and plain and plain[0].kind is _Kind.OPERATOR and not plain[0].sign:
        plain = plain[1:]
    expressions = _expressions(plain)
    head = expressions[0] if expressions and expressions[0].first == 0 else None
    tail = expressions[-1] if expressions and expressions[-1].last == len(plain) - 1 else None
    return _Side(
        head=head,
        tail=None if tail is not None and tail.fragment else tail,
        annotated=tuple(equation for equations in annotations for equation in equations),
        begins_annotated=bool(annotations and annotations[0]),
        ends_annotated=bool(annotations and annotations[-1]),
    )


def _expressions(tokens: Sequence[_Token]) -> tuple[_Expression, ...]:
    """The well-formed expressions of a side, left to right, each as long as it can be."""
    matched = _matched_parentheses(tokens)
    reader = _Reader()
    for index, token in enumerate(tokens):
        if token.kind is _Kind.NUMBER:
            reader.number(index, token.text)
        elif token.kind is _Kind.OPERATOR:
            reader.operator(index, token)
        elif index not in matched:
            reader.close(fragment=False)
        elif token.kind is _Kind.OPEN:
            reader.open(index)
        else:
            reader.shut(index)
    reader.close(fragment=False)
    return tuple(reader.found)


def _matched_parentheses(tokens: Sequence[_Token]) -> frozenset[int]:
    matched: set[int] = set()
    waiting: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind is _Kind.OPEN:
            waiting.append(index)
        elif token.kind is _Kind.CLOSE and waiting:
            matched.update((waiting.pop(), index))
    return frozenset(matched)


@dataclass(kw_only=True)
class _Reader:
    """Reads tokens into expressions: ``operand (operator operand)*`` with signs and parentheses, without recursion.

    ``whole`` is the longest beginning of the parts read so far that is a complete expression.
    """

    found: list[_Expression] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    whole: int = 0
    last: int = 0
    first: int = 0
    depth: int = 0
    operators: int = 0
    computes: bool = False
    wants_operand: bool = True
    fragment: bool = False

    def number(self, index: int, text: str) -> None:
        if not self.wants_operand:
            self.close(fragment=False)
        self._add(index, text)
        self._operand_ends(index)

    def operator(self, index: int, token: _Token) -> None:
        if not self.wants_operand:
            self._add(index, token.text)
            self.operators += 1
            self.wants_operand = True
        elif token.sign:
            self._add(index, "-" if token.text == "-" else "")
        else:
            self.close(fragment=True)

    def open(self, index: int) -> None:
        if not self.wants_operand:
            self._add(index, "*")
            self.operators += 1
            self.wants_operand = True
        self._add(index, "(")
        self.depth += 1

    def shut(self, index: int) -> None:
        if self.wants_operand or self.depth == 0:
            self.close(fragment=True)
            return
        self._add(index, ")")
        self.depth -= 1
        self._operand_ends(index)

    def close(self, *, fragment: bool) -> None:
        """End the expression here; ``fragment`` marks the next one as lacking its beginning."""
        if self.whole:
            text = "".join(self.parts[: self.whole])
            self.found.append(
                _Expression(text=text, first=self.first, last=self.last, computes=self.computes, fragment=self.fragment)
            )
        self.parts = []
        self.whole = self.depth = self.operators = 0
        self.computes = False
        self.wants_operand = True
        self.fragment = fragment

    def _add(self, index: int, text: str) -> None:
        if not self.parts:
            self.first = index
        self.parts.append(text)

    def _operand_ends(self, index: int) -> None:
        self.wants_operand = False
        if self.depth == 0:
            self.whole = len(self.parts)
            self.last = index
            self.computes = self.operators > 0
