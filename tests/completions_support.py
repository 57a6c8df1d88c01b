"""Completions as tests make them: as many as wanted, and such as mean harm to the page that shows them."""

import random
from collections.abc import Iterator, Sequence

from selfimp_bench.runs.completions import Asked, Column, Completions, Said
from selfimp_bench.tasks.problem import Problem

RAN = "globalThis.ran = true"
HOSTILE = {
    "a script's end": f"</script><script>{RAN}</script>",
    "a comment's beginning": f"<!--<script>{RAN}//-->",
    "an image": f'"><img src=x onerror="{RAN}">',
    "a drawing": f"<svg/onload={RAN}>",
    "a link": f'<a href="javascript:{RAN}">javascript:{RAN}</a>',
    "a template": f"{{{{ {RAN} }}}} ${{{RAN}}} {{% raw %}}",
    "the end of JSON": f'"]}}]);{RAN};([{{"',
    "line separators": f"a\u2028{RAN}\u2029b\x85c",
    "bidirectional controls": "correct \u202egnorw\u202c \u2066\u2069\u200f",
    "a terminal's codes": "\x1b[31mred\x1b[0m\x07\x9b2J",
    "a null": "before\x00after",
    "half of a pair": "a\ud800b\udfffc",
    "a long line": "0123456789" * 100_000,
    "piled accents": "Z" + "\u0301\u0316" * 500,
    "no text": "",
    "a thousand nulls": "\x00" * 1000,
    "entities": "&lt;b&gt; &amp;amp; <b>bold</b> <style>*{display:none}</style><meta http-equiv=refresh content=0>",
}


def column(role: str, iteration: int) -> Column:
    """A column of one model's."""
    return Column(model="big", seed="1", setting="", role=role, split="test", iteration=iteration)


def hostile() -> Completions:
    """A problem for every hostile text, which is its question, its answer and its completion, and another one's id."""

    def problems() -> Iterator[Asked]:
        for place, (name, text) in enumerate(HOSTILE.items()):
            said = Said(label=str(0), text=text, outcome="wrong", answer=text[:300], note=text[:300])
            own = {column("greedy answer", t): [said] for t in (1, 2)}
            problem = Problem(problem_id=name, question=text, answer=text, tests=(text,))
            yield Asked(split="test", problem=problem, said=own)
            if place == 2:
                yield Asked(split="test", problem=Problem(problem_id=text, question=name), said=own)

    columns = tuple(column("greedy answer", t) for t in (1, 2))
    size = sum(map(len, HOSTILE.values()))
    return Completions(columns=columns, count=2 * len(HOSTILE) + 2, size=size, problems=problems)


def many(problems: int, samples: int = 15, iterations: int = 5, length: int = 60) -> Completions:
    """A greedy answer and so many samples of every problem at every iteration, the same every time; ``length``: words.

    One word, ``needle``, is in one completion alone: of the last problem but one.
    """
    columns = [column(role, t) for role in ("greedy answer", "test sample") for t in range(1, iterations + 1)]
    words = ["apples", "gives", "has", "42", "therefore", "each", "=", "+", "the", "of", "left", "\n", "####", "Zoe"]

    def said(draw: random.Random, of: Column, needle: bool) -> Sequence[Said]:
        return [
            Said(
                label=str(place),
                text=" ".join(draw.choices(words, k=length)) + (" needle" if needle and place == 3 else ""),
                outcome="correct" if draw.random() < 0.3 + 0.1 * of.iteration else draw.choice(("wrong", "unparsed")),
                answer="42",
            )
            for place in range(samples if of.role == "test sample" else 1)
        ]

    def read() -> Iterator[Asked]:
        draw = random.Random(1)
        for number in range(problems):
            problem = Problem(problem_id=f"problem-{number}", question=f"Zoe has {number} apples. How many are left?")
            needle = number == problems - 2
            cells = {of: said(draw, of, needle and of is columns[-1]) for of in columns}
            yield Asked(split="test", problem=problem, said=cells)

    count = problems * iterations * (samples + 1)
    return Completions(columns=tuple(columns), count=count, size=count * length * 5, problems=read)
