"""What checkpoints generated, problem by problem, as a page shows it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from selfimp_bench.runs.assess.collect import Answers, Collected
from selfimp_bench.runs.completions import ROLES, Asked, Column, Completions, Said
from selfimp_bench.steps.rows import SPLIT_OF_ROLE, JudgedSample, Role
from selfimp_bench.tasks.grading.outcome import Outcome

_Cells = Mapping[str, Mapping[Column, Sequence[Said]]]


def completions_of(collected: Sequence[Collected]) -> Completions:
    """Every sample that was read, also those that an assessment leaves out."""
    read = [
        (found, number, answers, role, judged)
        for found in collected
        for role in ROLES
        for number, answers in enumerate(found.answers, start=1)
        for judged in [answers.judged.get(role, ())]
        if judged
    ]
    columns = {(id(found), role, number): _column(role, number) for found, number, _, role, _ in read}

    def problems() -> Iterator[Asked]:
        for split in dict.fromkeys(column.split for column in columns.values()):
            for found in collected:
                cells: dict[str, dict[Column, list[Said]]] = defaultdict(lambda: defaultdict(list))
                for of, number, answers, role, judged in read:
                    column = columns[id(of), role, number]
                    if of is found and column.split == split:
                        for each in judged:
                            cells[each.sample.problem_id][column].append(_said(answers, role, each))
                for name, problem in found.problems.items():
                    if name in cells:
                        yield Asked(split=split, problem=problem, said=cells[name])

    return Completions(
        columns=tuple(dict.fromkeys(columns.values())),
        count=sum(len(judged) for *_, judged in read),
        size=sum(len(each.sample.completion) for *_, judged in read for each in judged),
        problems=problems,
    )


def _column(role: Role, number: int) -> Column:
    return Column(model="", seed="", setting="", role=ROLES[role], split=SPLIT_OF_ROLE[role], iteration=number)


def _said(answers: Answers, role: Role, judged: JudgedSample) -> Said:
    sample = judged.sample
    score = answers.scores.get((role, sample.problem_id, sample.sample_index))
    notes = [
        "cut at the token limit"
        if sample.finish_reason == "length" and judged.outcome is not Outcome.TRUNCATED
        else "",
        "" if score is None else f"score {score:.4g}",
    ]
    return Said(
        label=str(sample.sample_index),
        text=sample.completion,
        outcome=judged.outcome,
        answer=judged.extracted or "",
        note="; ".join(filter(None, notes)),
    )
