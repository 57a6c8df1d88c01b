"""Gold answers with one thing changed: no rule of text may pass one of them, and the gold itself always passes."""

import json
import os
import re
from pathlib import Path

import pytest

from selfimp_bench.tasks.grading.math_text import same_text
from selfimp_bench.tasks.grading.math_value import compare_values

GOLDS = (
    *(r"5", r"-7", r"0.25", r"\frac{3}{8}", r"-\frac{11}{4}", r"2\sqrt{3}", r"\frac{\sqrt{5}}{2}", r"12\pi", r"3+4i"),
    *(r"(2,-3)", r"(1,2,3)", r"[0,4)", r"(-\infty,3]", r"\{1,2,5\}", r"2, 7", r"3,5,7", r"x^2+3x-4", r"(x-2)(x+5)"),
    *(r"52_8", r"1021_3", r"\text{Tuesday}", r"5\text{ cm}", r"45\text{ units}^2", r"90^\circ", r"\$36", r"25\%"),
    *(r"x=4", r"y=2x+3", r"\begin{pmatrix}1\\2\end{pmatrix}", r"1\frac{3}{4}", r"10{,}500", r"6!", r"\binom{7}{3}"),
    *(
        r"2^{10}",
        r"\log_2 5",
        r"\frac{a+b}{2}",
        r"(-\infty,1)\cup(4,\infty)",
        r"x\le 5",
        r"3:00\text{ p.m.}",
        r"11,13,17",
    ),
    *(
        r"\sin 40^\circ",
        r"\frac{\pi}{6}",
        r"4-2\sqrt{6}",
        r"e^2",
        r"\frac{1}{2^{99}}",
        r"0.\overline{3}",
        r"12\text{ hours}",
    ),
)


def changes(gold):
    """Every gold with one digit, sign, order, base or unit changed."""
    for place, char in enumerate(gold):
        if char.isdigit():
            yield f"{gold[:place]}{(int(char) + 1) % 10}{gold[place + 1 :]}"
    yield f"-{gold}" if not gold.startswith("-") else gold[1:]
    yield from (gold.replace(one, other, 1) for one, other in (("+", "-"), ("[", "("), (")", "]"), (r"\le", r"\ge")))
    if re.search(r"_[0-9]", gold):
        yield re.sub(r"_([0-9])", lambda match: f"_{int(match[1]) + 1}", gold)
    if match := re.fullmatch(r"(\(|\\\{|)([^,\\]+),\s?([^,\\]+)(.*)", gold):
        yield f"{match[1]}{match[3]},{match[2]}{match[4]}"
    for one, other in (
        (" cm", " m"),
        ("^2", "^3"),
        (" hours", " minutes"),
        ("p.m.", "a.m."),
        ("Tues", "Thurs"),
        ("4i", "4"),
    ):
        yield gold.replace(one, other, 1)
    yield from (rf"{gold}\text{{ million}}", rf"{gold}\text{{ or more}}", rf"{gold},{gold}", f"{gold}0")


def is_the_same_set(gold, changed):
    """A bare list or a set in another order is the same answer for the rule of values."""
    return sorted(re.findall(r"[0-9]+", gold)) == sorted(re.findall(r"[0-9]+", changed)) and "," in gold


@pytest.mark.parametrize("gold", GOLDS)
def test_no_changed_gold_passes_by_text_and_the_gold_does(gold):
    assert same_text(gold, gold)
    passed = [changed for changed in changes(gold) if changed != gold and same_text(gold, changed)]
    assert passed == []


@pytest.mark.parametrize("gold", [gold for gold in GOLDS if "\\" not in gold or "frac" in gold or "text" in gold])
def test_no_changed_gold_passes_by_value(gold):
    assert compare_values(gold, gold).verdict == "equal"
    passed = [
        changed
        for changed in changes(gold)
        if changed != gold and not is_the_same_set(gold, changed) and compare_values(gold, changed).verdict == "equal"
    ]
    # A point after the last decimal and a zero say the same.
    assert [changed for changed in passed if changed != f"{gold}0"] == []


def test_no_changed_real_gold_passes_by_either_rule():
    folder = os.environ.get("SELFIMP_BENCH_DATA")
    if folder is None:
        pytest.skip("SELFIMP_BENCH_DATA is unset: it names the folder with gsm8k/train.jsonl")
    rows = (Path(folder) / "gsm8k" / "train.jsonl").read_text("utf-8").splitlines()
    golds = {json.loads(row)["answer"].rpartition("#### ")[2] for row in rows}
    assert len(golds) > 800
    for gold in golds:
        assert same_text(gold, gold.replace(",", ""))
        for changed in changes(gold):
            if changed in (gold, gold.replace(",", "")) or set(gold) <= set("0-"):
                continue
            assert not same_text(gold, changed), (gold, changed)
            assert compare_values(gold, changed).verdict == "different", (gold, changed)
