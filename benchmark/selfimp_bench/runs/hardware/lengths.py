"""How many tokens rows have, from the characters that a manifest gives. Assumptions are the constants here."""

from dataclasses import dataclass, replace

from selfimp_bench.manifest.model import DatasetRef

CHARACTERS_PER_TOKEN = 2.5
"""Assumed mean: prose has about 4, digits and formulas fewer than 2."""

CHARACTERS_PER_TOKEN_DENSE = 1.5
"""Assumed of the longest rows, whose tokens decide the peak of memory."""

SHORT_TEMPLATE = 200
"""Characters of a template below which it is within the error of the other assumptions."""

PROMPT_TOKENS = 512
"""Assumed of a data set whose manifest gives no ``characters``; its answers are taken for as long as is allowed."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Tokens of a data set's prompts and gold answers (with the one that ends them); None where nothing is given.

    shared: those that all prompts begin with: a template up to its first field.
    """

    prompt: float
    prompt_longest: int
    answer: float | None
    answer_longest: int | None
    shared: float = 0.0

    def behind(self, text: str) -> "Lengths":
        """The same with a template around every prompt: instructions, examples. A few words are left out."""
        if len(text) < SHORT_TEMPLATE:
            return self
        tokens, begins = len(text) / CHARACTERS_PER_TOKEN, len(text.partition("{question}")[0]) / CHARACTERS_PER_TOKEN
        longest = self.prompt_longest + round(tokens)
        return replace(self, prompt=self.prompt + tokens, prompt_longest=longest, shared=begins)

    def completion(self, limit: int) -> float:
        """Expected tokens of a generated answer: about a gold one's, for that is what the first model is trained on."""
        return float(limit) if self.answer is None else min(self.answer, float(limit))


def recorded_longest(dataset: DatasetRef, model: str, limit: int) -> int | None:
    """The tokens of the longest prompt of at most ``limit`` that a manifest records for a model; None where it does not
    say. Where all that it lists are longer, the others are at most ``limit``."""
    counted = next((each for each in dataset.prompt_tokens or () if each.model == model), None)
    if counted is None:
        return None
    return next((each.tokens for each in counted.longest if each.tokens <= limit), limit)


def lengths_of(dataset: DatasetRef) -> Lengths:
    """The lengths that a manifest's data set leads to expect."""
    given = dataset.characters
    if given is None:
        return Lengths(prompt=PROMPT_TOKENS, prompt_longest=PROMPT_TOKENS, answer=None, answer_longest=None)
    return Lengths(
        prompt=given.prompt_mean / CHARACTERS_PER_TOKEN,
        prompt_longest=round(given.prompt_longest / CHARACTERS_PER_TOKEN_DENSE),
        answer=given.answer_mean / CHARACTERS_PER_TOKEN + 1,
        answer_longest=round(given.answer_longest / CHARACTERS_PER_TOKEN_DENSE) + 1,
    )
