"""The sentences of a paper's text that assert something measurable: with a comparison, a number or a trend in words.

Built from the text, so that none is left out by oversight. What is found is more than what is asserted (a set-up has
numbers, too): a paper's list says of each which claims it is, or why it is none.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

_COMPARISON = (
    r"more|less|fewer|most|least|higher|highest|lower|lowest|larger|largest|smaller|smallest|small|greater|greatest|"
    r"better|best|worse|worst|stronger|weaker|easier|harder|simpler|deeper|faster|slower|longer|shorter|superior|inferior|"
    r"outperform\w*|exceed\w*|comparable|compared|similar\w*|same|than|versus|maxim\w+|minim\w+|optimal|always|never|"
    r"significant\w*|substantial\w*|slight\w*|notabl\w+|consistent\w*|near|nearly|perfect|positive\w*|negative\w*|"
    r"non-positive|non-trivial|proportional|concave|monoton\w+|linear\w*|correlat\w+|concentrat\w+|unable|fail\w*|only|"
    r"even|cannot|robust|moderate|modest|limited|rapid\w*|match(?:es|ed)?|challenging|difficult"
)
_TREND = (
    r"increas\w*|decreas\w*|improv\w*|unimprov\w*|declin\w*|diminish\w*|degrad\w*|rise\w*|rising|fall\w*|drop\w*|grow\w*|"
    r"scal(?:e|es|ed|ing)|saturat\w*|plateau\w*|converg\w*|collaps\w*|widen\w*|narrow\w*|gain\w*|los[est]\w*|harm\w*|"
    r"reduc\w*|enhanc\w*|exacerbat\w*|change\w*|trend\w*|disappear\w*|vary|varies|varying|trade-off|expense|generaliz\w+"
)
_NUMBER = (
    r"\d+(?:\.\d+)?\s*(?:%|percent|times|fold)|0\.\d+|\b(?:two|three|four|five|half|twice|double)\b|\d+-shot|\d+ models"
)
ASSERTS = re.compile(rf"\b(?:{_COMPARISON}|{_TREND})\b|{_NUMBER}", re.IGNORECASE)
_ROW = re.compile(r"\t|\|")
_PLACE = re.compile(r"^\s*(?:\d|[A-H])(?:\.\d)?\s")
_ENDS = re.compile(r"[.!?:](?:\s|$)")
"""A heading, without its number, ends in no mark."""
_WORDS = 4
"""Fewer words are a heading that runs into its paragraph."""
_ABBREVIATIONS = r"(?<!e\.g)(?<!i\.e)(?<!et al)(?<!Acc)(?<!Fig)(?<!Eq)(?<!cf)(?<!vs)"
_END = re.compile(rf"{_ABBREVIATIONS}[.!?](?:[\"”’)]|\s\d{{1,2}}(?=\s[A-Z]))?\s+(?=[A-Z“\"(•\[])")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A stretch of the text between two lines that begin so; ``last`` None is the end of the text."""

    first: str
    last: str | None


def papers() -> Path:
    """Where the papers' texts lie; skips a test where they do not."""
    data = os.environ.get("SELFIMP_BENCH_DATA")
    folder = Path(data or "nowhere").parent / "papers"
    if data is None or not folder.is_dir():
        pytest.skip("the papers' texts are working material and not shipped")
    return folder


def plain(text: str) -> str:
    """The text with every run of white space as one blank."""
    return re.sub(r"\s+", " ", text).strip()


def sentences(text: str, parts: Sequence[Part]) -> Iterator[str]:
    """The sentences of these parts in order; a line is a paragraph, or a row of a table, which has no sentences."""
    for part in parts:
        start = text.index(f"\n{part.first}") + 1
        end = len(text) if part.last is None else text.index(f"\n{part.last}", start)
        for line in text[start:end].splitlines():
            if not _ROW.search(line) and _ENDS.search(_PLACE.sub("", line)):
                yield from (found for found in _END.split(plain(line)) if len(found.split()) >= _WORDS)


def assertions(found: Iterable[str]) -> list[str]:
    """Those with a comparison, a number or a trend in words."""
    return [each for each in found if ASSERTS.search(each)]


Claimed = Sequence[tuple[str, tuple[str, ...]]]
"""A few words of a sentence, in the order of the paper, and the claims that it is."""

NotClaimed = Mapping[str, tuple[str, ...]]
"""Why sentences are no claims, and a few words of each."""


def unlisted(asserted: Iterable[str], claimed: Claimed, not_claimed: NotClaimed) -> list[str]:
    """The sentences that hold none of the listed words."""
    listed = [plain(words) for words, _ in claimed] + [plain(words) for each in not_claimed.values() for words in each]
    return [sentence for sentence in asserted if not any(words in sentence for words in listed)]


def misquoted(found: Sequence[str], claimed: Claimed, not_claimed: NotClaimed) -> list[str]:
    """The listed words that no sentence holds; the claimed ones are looked for in the order of the list."""
    wrong, at = [], 0
    for words, _ in claimed:
        place = next((n for n in range(at, len(found)) if words in found[n]), None)
        wrong += [words] if place is None else []
        at = at if place is None else place
    loose = [words for each in not_claimed.values() for words in each]
    return wrong + [words for words in loose if not any(words in sentence for sentence in found)]


class SentenceTests:
    """What holds of every paper's list; a paper's class has its text and its lists."""

    paper: str
    """The file of its text."""
    parts: Sequence[Part]
    claimed: Claimed
    not_claimed: NotClaimed
    counts: tuple[int, int]
    """How many sentences assert something, and how many of those are claims."""

    def found(self) -> list[str]:
        """The sentences of the parts that are read, in order."""
        return list(sentences((papers() / self.paper).read_text(encoding="utf-8"), self.parts))

    def test_the_sentences_are_the_paper_s_and_its_claims_in_its_order(self) -> None:
        assert misquoted(self.found(), self.claimed, self.not_claimed) == []

    def test_every_sentence_that_asserts_something_is_a_claim_or_listed_with_the_reason(self) -> None:
        assert unlisted(assertions(self.found()), self.claimed, self.not_claimed) == []

    def test_no_sentence_is_claimed_and_listed_as_none(self) -> None:
        loose = [plain(words) for each in self.not_claimed.values() for words in each]
        for sentence in self.found():
            both = (
                [words for words, _ in self.claimed if words in sentence],
                [words for words in loose if words in sentence],
            )
            assert not all(both), both

    def test_sentences_are_counted(self) -> None:
        asserted = assertions(self.found())
        claimed = [each for each in asserted if any(words in each for words, _ in self.claimed)]
        assert (len(asserted), len(claimed)) == self.counts
