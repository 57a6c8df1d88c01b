"""Distinct equations: the cases of equation_cases.jsonl, hand-computed shares, and every real GSM8K solution."""

import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from growth import assert_linear
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.protocols.post_training.metrics.distinct_equations import distinct_equations, extract_equations

CASES = [json.loads(line) for line in Path(__file__).with_name("equation_cases.jsonl").read_text("utf-8").splitlines()]
ROWS = {"train": 7473, "test": 1319}
ANNOTATION = re.compile(r"<<([^>]*)>>")
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))
EQUATION_LIKE = st.text(alphabet="0123456789.,$%=+-*/x()<> \nab")


@pytest.mark.parametrize("case", CASES, ids=[f"{i} {case['why']}" for i, case in enumerate(CASES)])
def test_each_case_gives_the_equations_listed(case):
    assert list(extract_equations(case["text"])) == case["equations"]


@pytest.mark.parametrize(
    ("outputs", "value"),
    [
        (["2+2=4"], 1.0),
        (["2+2=4", "2 + 2 = $4.00"], 0.5),
        (["2+2=4\n4*3=12", "2+2=4\n3*4=12"], 0.75),
        (["2+2=4, 2+2=4, 2+2=4"], 1 / 3),
        (["2+2=<<2+2=4>>4", "no equation"], 1.0),
    ],
)
def test_hand_computed_values(outputs, value):
    assert distinct_equations(outputs) == value


@pytest.mark.parametrize("outputs", [[], [""], ["The answer is 4.", "#### 4"]])
def test_it_is_undefined_without_an_equation(outputs):
    assert distinct_equations(outputs) is None


@given(st.lists(st.sampled_from(["1+1=2", "2*3=6", "6/3=2", "none"]), max_size=8), st.randoms())
def test_it_ignores_order_and_saying_everything_twice_halves_it(outputs, random):
    value = distinct_equations(outputs)
    shuffled = list(outputs)
    random.shuffle(shuffled)
    assert distinct_equations(shuffled) == value
    if value is not None:
        assert 0 < value <= 1
        assert distinct_equations(outputs * 2) == pytest.approx(value / 2, rel=1e-12)


@given(ANY_TEXT | EQUATION_LIKE)
def test_no_text_raises_and_an_equation_in_normal_form_is_itself(text):
    for equation in extract_equations(text):
        assert equation.count("=") == 1
        assert " " not in equation
        assert extract_equations(equation) == (equation,)


HOSTILE = (
    "1+",
    "(",
    ")",
    "()",
    "(1",
    "1=",
    "1+1=",
    "<<a",
    "<",
    "1 a",
    "a ",
    "x ",
    "1 x ",
    "-",
    "1-",
    "1",
    "1,",
    ".",
    "1 %",
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_is_read_in_linear_time(piece):
    def read(pieces):
        extract_equations(piece * pieces)
        extract_equations("x" + " " * pieces + piece * pieces + " 1+1=2")

    assert_linear(read, 2_500)


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A real solution with the equations of its annotations, of its text, and of its text without annotations."""

    text: str
    annotations: list[str]
    annotated: Counter[str]
    found: Counter[str]
    plain: Counter[str]


def _solution(text: str) -> Solution:
    annotations = ANNOTATION.findall(text)
    return Solution(
        text=text,
        annotations=annotations,
        annotated=Counter(equation for inner in annotations for equation in extract_equations(inner)),
        found=Counter(extract_equations(text)),
        plain=Counter(extract_equations(ANNOTATION.sub("", text))),
    )


@pytest.fixture(scope="module", params=["test", pytest.param("train", marks=pytest.mark.slow)])
def solutions(request):
    folder = os.environ.get("SELFIMP_BENCH_DATA")
    if folder is None:
        pytest.skip("SELFIMP_BENCH_DATA is unset: it names the folder with gsm8k/train.jsonl and gsm8k/test.jsonl")
    path = Path(folder) / "gsm8k" / f"{request.param}.jsonl"
    rows = [_solution(json.loads(line)["answer"]) for line in path.read_text("utf-8").splitlines()]
    assert len(rows) == ROWS[request.param]
    return rows


def test_every_real_annotation_that_calculates_is_one_equation_and_is_found_in_its_solution(solutions):
    for solution in solutions:
        calculating = [a for a in solution.annotations if re.search(r"[-+*/]", a.lstrip("+-").replace("=-", "="))]
        assert solution.annotated.total() == len(calculating), solution.text
        assert solution.annotated <= solution.found, solution.text


def test_every_real_annotation_adds_up(solutions):
    for solution in solutions:
        for equation in solution.annotated:
            left, right = equation.split("=")
            assert eval(left) == pytest.approx(eval(right), rel=1e-9, abs=1e-9), equation


def test_no_real_annotation_is_counted_beside_its_own_spelled_out_calculation(solutions):
    doubled = re.compile(r"([0-9.]+[-+*/][0-9.]+)=\$?<<\1=([0-9.]+)>>\2(?![0-9.,])")
    matches = [match.group() for solution in solutions for match in doubled.finditer(solution.text)]
    assert len(matches) > 500
    for match in matches:
        assert len(extract_equations(match)) == 1, match


def test_without_annotations_the_spelled_out_calculations_give_nearly_all_equations(solutions):
    found = sum((solution.annotated & solution.plain).total() for solution in solutions)
    total = sum(solution.annotated.total() for solution in solutions)
    # 0.958 over both files; the rest is spelled out in words or another way ("20% * 50" for <<20*.01*50>>).
    assert found / total > 0.95
