"""The improvement set IS(t), and how often M_1 already solves its problems among N samples.

The paper's text says that IS(t) holds the test problems that one model answers correctly under greedy decoding while
an earlier one fails; the formula (2407.05013, Section 5.1, Eq. 2) is lost in the text. Two readings remain: a note on
the full text has M_1 as the earlier model, while the sizes that can be read off Figure 3 fit M_{t-1} better. Both are
here; for t = 2 they are the same set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from selfimp_bench.measurement import Estimate, mean_over_problems, pass_at_k
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome


class Reading(StrEnum):
    """Which model failed where M_t succeeds: M_1, or M_{t-1}."""

    FIRST = "first"
    PREVIOUS = "previous"


class Estimator(StrEnum):
    """pass@N from n >= N samples: whether one of the first N is correct, or 1 - C(n-c, N) / C(n, N) over all n."""

    PLAIN = "plain"
    UNBIASED = "unbiased"


@dataclass(frozen=True, kw_only=True)
class ImprovementSet:
    """IS(``iteration``): the problems that M_iteration gets right and M_earlier does not, both under greedy decoding.

    undecided: problems that may belong here, because a grader crashed on one of the two completions
    and the other does not rule them out.
    """

    iteration: int
    earlier: int
    problem_ids: frozenset[str]
    undecided: frozenset[str]


def improvement_set(greedy: Mapping[int, Mapping[str, Outcome]], *, iteration: int, reading: Reading) -> ImprovementSet:
    """IS(t) from the outcomes of one greedy completion per problem, by iteration (1 = M_1) and problem id.

    Source: 2407.05013, Section 5.1, Eq. 2, in either reading (module docstring). Every outcome but CORRECT is a
    failure, except that a completion without a judgement leaves its problem undecided. Raises ValueError for an
    iteration below 2 (nothing is earlier), and where an iteration is missing or the two have not the same problems.
    """
    if iteration < 2:
        raise ValueError(f"iteration is {iteration}; IS(t) compares M_t with an earlier model, so t is at least 2")
    earlier = 1 if reading is Reading.FIRST else iteration - 1
    for needed in (earlier, iteration):
        if needed not in greedy:
            raise ValueError(f"no greedy outcomes of iteration {needed}; found iterations {sorted(greedy)}")
    before, after = greedy[earlier], greedy[iteration]
    if before.keys() != after.keys():
        odd = sorted(before.keys() ^ after.keys())
        raise ValueError(f"iterations {earlier} and {iteration} differ in {len(odd)} problems, such as {odd[0]!r}")
    possible = {
        problem_id
        for problem_id in after
        if after[problem_id] in {Outcome.CORRECT, *UNJUDGED} and before[problem_id] is not Outcome.CORRECT
    }
    undecided = {each for each in possible if after[each] in UNJUDGED or before[each] in UNJUDGED}
    return ImprovementSet(
        iteration=iteration,
        earlier=earlier,
        problem_ids=frozenset(possible - undecided),
        undecided=frozenset(undecided),
    )


def sampled_pass_at_n(outcomes: Sequence[Outcome], *, n: int, estimator: Estimator) -> float | None:
    """pass@n of one problem from the outcomes of its samples, in the order they were drawn; a share, 0 to 1.

    Source: 2407.05013, Section 5.1 (which of the two estimators is not said); Chen et al. 2021, Eq. 1 for the
    unbiased one. Samples without a judgement are left out, as if never drawn. None where fewer than n are left.
    Raises ValueError for n < 1.
    """
    judged = [outcome is Outcome.CORRECT for outcome in outcomes if outcome not in UNJUDGED]
    drawn = judged[:n] if estimator is Estimator.PLAIN else judged
    # With exactly n samples the unbiased estimate is the plain one.
    return pass_at_k(n=len(drawn), c=sum(drawn), k=n)


def pass_at_n_values(
    improved: ImprovementSet, samples: Mapping[str, Sequence[Outcome]], *, n: int, estimator: Estimator
) -> dict[str, float | None]:
    """pass@n of the sampled model (the paper: M_1) on every problem of IS(t), in order of problem id.

    Source: 2407.05013, Section 5.1, Figure 3. A problem without samples is undefined there (None), not 0.
    """
    return {
        problem_id: sampled_pass_at_n(samples.get(problem_id, ()), n=n, estimator=estimator)
        for problem_id in sorted(improved.problem_ids)
    }


def pass_at_n(
    improved: ImprovementSet, samples: Mapping[str, Sequence[Outcome]], *, n: int, estimator: Estimator
) -> Estimate:
    """The mean of ``pass_at_n_values`` with its standard error over problems; a share, 0 to 1.

    Source: 2407.05013, Section 5.1, Figure 3. Undefined, with the reason, for an empty IS(t): a model that improved
    on nothing shows neither that M_1 could solve the improvement problems nor that it could not.
    """
    if not improved.problem_ids:
        t, earlier = improved.iteration, improved.earlier
        reason = f"IS({t}) is empty: M_{t} solves no problem that M_{earlier} fails"
        if improved.undecided:
            reason += f", as far as judged ({len(improved.undecided)} undecided)"
        return Estimate(value=None, n=0, undefined=0, standard_error=None, reason=reason)
    return mean_over_problems(list(pass_at_n_values(improved, samples, n=n, estimator=estimator).values()))
