"""What the benchmark makes up is what a run would have written, and its peers say what the kit says."""

from pathlib import Path

import pytest

from bench import gaps, measuring
from bench.curves import curves, draw, exponent
from bench.diversity import LONGEST, averaged_distinct_ngrams, equations_read_anew
from bench.made import solutions, write_generated
from bench.row import Setting
from selfimp_bench.protocols.post_training.metrics.distinct_equations import distinct_equations, extract_equations
from selfimp_bench.protocols.post_training.metrics.distinct_n import distinct_n
from selfimp_bench.steps.rows import GRADES, SAMPLES, Role, SampleRow, judged_answers, table_rows
from selfimp_bench.tasks.grading.outcome import Outcome


def test_solutions_are_draws_of_one_problem_that_are_right_where_their_steps_are() -> None:
    made = list(solutions(3, 40, seed=1))
    assert made == list(solutions(3, 40, seed=1)) != list(solutions(3, 40, seed=2))
    assert len({each.answer for each in made if each.correct}) == 1
    assert 0.4 < sum(each.correct for each in made) / len(made) < 0.9
    assert any(extract_equations(each.text) for each in made)


def test_generated_tables_are_read_as_those_of_a_run(tmp_path: Path) -> None:
    write_generated(tmp_path, role=Role.SAMPLE, iteration=2, problems=5, samples=3, told=2, tokens=4)
    rows = table_rows(tmp_path / SAMPLES, SampleRow)
    assert [(row.problem_id, row.sample_index) for row in rows[:4]] == [
        *(("p00000", n) for n in range(3)),
        ("p00001", 0),
    ]
    assert len(rows) == 15 and {len(row.token_ids) for row in rows} == {4} and {row.iteration for row in rows} == {2}
    assert rows[0].completion == rows[6].completion  # the problems that are told again
    judged = list(judged_answers(tmp_path / SAMPLES, tmp_path / GRADES))
    right = [each.correct for problem in (0, 1, 0, 1, 0) for each in solutions(problem, 3, seed=20 + len(Role.SAMPLE))]
    assert [each.outcome is Outcome.CORRECT for each in judged] == right


def test_peers_of_diversity_say_the_same() -> None:
    texts = [each.text for each in solutions(7, 20, seed=1)]
    assert averaged_distinct_ngrams(texts) == pytest.approx(distinct_n(texts, ngram_max=LONGEST), abs=1e-12)
    assert equations_read_anew(texts) == distinct_equations(texts)


def test_what_is_measured_is_what_the_papers_ask_for() -> None:
    assert set(measuring.SIZES) == {Role.GREEDY, Role.SAMPLE, Role.TRAIN}
    assert len(measuring.step().inputs) == 5 * 5 + 4 * 2  # of M_5 no training set is made
    assert len(gaps.block().ensembles) == 4


def test_an_exponent_is_the_slope_of_the_logarithms() -> None:
    sizes = (10, 100, 1000)
    assert exponent(sizes, [3 * size**1.5 for size in sizes]) == pytest.approx(1.5)


def test_lines_are_drawn_with_their_exponents(tmp_path: Path) -> None:
    line = {"axis": "steps", "sizes": [1, 10], "seconds": [1.0, 20.0], "exponent": 1.3}
    names = list(curves(Setting(tier="quick", folder=tmp_path, peers=tmp_path)))
    draw(dict.fromkeys(names, line), tmp_path / "curves.svg")
    text = (tmp_path / "curves.svg").read_text()
    assert all(f"{name}: exponent 1.30" in text for name in names) and text.count("steps") >= len(names)
