"""Single elimination: brackets by hand, coins, and the accuracies of rounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocols.verification.metrics.simulator import accuracies_of, columns_of

from selfimp_bench.protocols.verification.metrics.gap import EmptyFilter, gap_of, relative_gap_of
from selfimp_bench.protocols.verification.metrics.tournament import (
    Match,
    PlayedMatch,
    PlayedRound,
    Side,
    after_round,
    first_round,
    next_round,
    play,
    rounds_of,
)

A, B = Side.A, Side.B


def played(winner_of, entrants, batch, seed=0):
    """All rounds of one problem, judged by ``winner_of(match)``."""
    rounds, matches = [], first_round(entrants, batch=batch)
    for number in range(rounds_of(batch)):
        rounds.append(play(matches, [winner_of(match) for match in matches], seed=seed + number))
        matches = next_round(rounds[-1].winners) if number + 1 < rounds_of(batch) else ()
    return rounds


def test_a_bracket_pairs_samples_in_order_and_then_winners_in_order():
    matches = first_round(range(8), batch=4)
    assert matches == (Match(a=0, b=1), Match(a=2, b=3), Match(a=4, b=5), Match(a=6, b=7))
    result = play(matches, [A, B, B, A], seed=0)
    assert result.winners == (0, 3, 5, 6)
    assert next_round(result.winners) == (Match(a=0, b=3), Match(a=5, b=6))
    assert result.coins == 0


def test_128_responses_in_batches_of_32_leave_4_after_5_rounds_one_of_each_batch():
    rounds = played(lambda match: B if match.b % 32 == 7 else A, list(range(128)), 32)
    assert [len(each.winners) for each in rounds] == [64, 32, 16, 8, 4]
    assert [winner // 32 for winner in rounds[-1].winners] == [0, 1, 2, 3]
    assert 7 in rounds[0].winners


@pytest.mark.parametrize("batch", [0, 1, 3, 6, -4])
def test_a_batch_is_a_power_of_two(batch):
    with pytest.raises(ValueError, match="power of two"):
        first_round(range(12), batch=batch)


@pytest.mark.parametrize("entrants", [[], [0, 1, 2], [0, 1, 2, 3, 4, 5], [0, 0, 1, 2]])
def test_responses_fill_whole_batches_and_enter_once(entrants):
    with pytest.raises(ValueError, match=r"batches|twice"):
        first_round(entrants, batch=4)


@pytest.mark.parametrize("winners", [[], [1], [1, 2, 3]])
def test_an_odd_number_of_winners_cannot_be_paired(winners):
    with pytest.raises(ValueError, match="cannot be paired"):
        next_round(winners)


def test_an_unparsed_judgement_is_settled_by_a_coin_of_the_seed_and_counted():
    matches = first_round(range(64), batch=2)
    tossed = play(matches, [None] * 32, seed=1)
    assert tossed == play(matches, [None] * 32, seed=1)
    assert tossed.winners != play(matches, [None] * 32, seed=2).winners
    assert tossed.coins == 32
    assert 0 < sum(each.winner == each.match.a for each in tossed.matches) < 32


def test_another_match_s_judgement_does_not_move_a_coin():
    matches = first_round(range(64), batch=2)
    tossed = play(matches, [None] * 32, seed=1).winners
    assert play(matches, [A, *[None] * 31], seed=1).winners[1:] == tossed[1:]


def test_judgements_must_fit_the_matches():
    with pytest.raises(ValueError):
        play(first_round(range(4), batch=4), [A], seed=0)


def test_accuracies_by_round_and_their_gaps_by_hand():
    """Right are 0, 3 and 4: 3/8 -> (0, 3, 5, 6) 1/2 -> (3, 5) 1/2 -> (3) 1."""
    rounds = [
        play(first_round(range(8), batch=8), [A, B, B, A], seed=0),
        play(next_round((0, 3, 5, 6)), [B, A], seed=0),
        play(next_round((3, 5)), [A], seed=0),
    ]
    accuracies = accuracies_of({index: index in (0, 3, 4) for index in range(8)}, rounds)
    assert accuracies == (3 / 8, 1 / 2, 1 / 2, 1.0)
    last = {"x": after_round(accuracies, entrants=8, after=3)}
    assert gap_of(last).per_problem == {"x": 5 / 8}
    assert relative_gap_of(last).per_problem == {"x": 1.0}
    assert gap_of(last).kept_share == 1 / 8
    step = after_round(accuracies, entrants=8, after=2, since=1)
    assert (step.responses, step.kept_share) == (4, 0.5)
    assert gap_of({"x": step}).mean(EmptyFilter.ZERO).value == 0


@pytest.mark.parametrize(("after", "since"), [(0, 0), (4, 0), (1, 1), (1, -1)])
def test_only_rounds_that_were_played_are_compared(after, since):
    with pytest.raises(ValueError, match="since < after"):
        after_round((0.5, 0.5, 0.5, 1.0), entrants=8, after=after, since=since)


def test_rounds_that_do_not_follow_each_other_are_refused():
    first = play(first_round(range(4), batch=4), [A, A], seed=0)
    other = play((Match(a=1, b=2),), [A], seed=0)
    grades = dict.fromkeys(range(4), True)
    with pytest.raises(ValueError, match="does not pair the winners"):
        accuracies_of(grades, [first, other])
    with pytest.raises(ValueError, match="at least one round"):
        accuracies_of(grades, [])
    with pytest.raises(ValueError, match="no grade"):
        accuracies_of({0: True}, [first])


def test_a_winner_must_fit_the_judgement():
    for judgement, winner in ((A, 1), (B, 0), (None, 2)):
        with pytest.raises(ValueError, match="cannot win"):
            columns_of(PlayedRound(matches=(PlayedMatch(match=Match(a=0, b=1), judgement=judgement, winner=winner),)))


@given(st.lists(st.booleans(), min_size=16, max_size=16))
def test_a_verifier_that_knows_the_grades_never_loses_a_correct_response_to_a_wrong_one(grades):
    rounds = played(lambda match: A if grades[match.a] >= grades[match.b] else B, list(range(16)), 16)
    accuracies = accuracies_of(dict(enumerate(grades)), rounds)
    assert list(accuracies) == sorted(accuracies)
    assert accuracies[-1] == any(grades)


@given(st.lists(st.booleans(), min_size=8, max_size=8))
def test_the_worst_verifier_keeps_a_correct_response_only_where_all_are(grades):
    rounds = played(lambda match: B if grades[match.a] > grades[match.b] else A, list(range(8)), 8)
    assert accuracies_of(dict(enumerate(grades)), rounds)[-1] == all(grades)
    assert isinstance(rounds[0], PlayedRound)
