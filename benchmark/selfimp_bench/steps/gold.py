"""Gold solutions: what a model is trained on first, a problem's answer or its rationales with the answer."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.problem import Problem


@dataclass(frozen=True, kw_only=True)
class GoldSolutions:
    """The gold solutions of problems. ``texts``: rationales by problem id; None where answers stand alone.

    template: has ``{rationale}`` and ``{answer}`` in it, once each.
    """

    template: str
    texts: Mapping[str, Sequence[str]] | None

    def of(self, problem: Problem) -> tuple[str, ...]:
        """The gold solutions of a problem, each text once; none where it has no rationale.

        Raises InputError for a problem without an answer.
        """
        if problem.answer is None:
            raise InputError(f"problem {problem.problem_id} has no `answer`; training on gold solutions needs one")
        if self.texts is None:
            return (problem.answer,)
        answered = self.template.replace("{answer}", problem.answer)
        return tuple(answered.replace("{rationale}", text) for text in self.texts.get(problem.problem_id, ()))


ANSWERS_ALONE = GoldSolutions(template="", texts=None)
"""Every problem's answer, as its data set gives it."""


def gold_solutions(template: str, rationales: Iterable[Problem], problems: Iterable[Problem]) -> GoldSolutions:
    """The solutions that rationales make of answers; rows without a text are left out.

    Raises InputError where no row is about any of these problems.
    """
    texts: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rationales:
        if row.answer is not None:
            texts[row.problem_id][row.answer] = None
    if texts.keys().isdisjoint(problem.problem_id for problem in problems):
        raise InputError(
            f"none of the rationales is about a problem of the training set; the first has the id "
            f"{next(iter(texts), None)!r}: correct `rationales.data` in the manifest"
        )
    return GoldSolutions(template=template, texts={name: tuple(each) for name, each in texts.items()})
