"""The prompts of "Mind the Gap": what source.yaml says of them holds, and our graders can read their examples."""

import json
import os
import re
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from support import ManifestMaker

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import find
from selfimp_bench.places import MANIFESTS
from selfimp_bench.protocols.load import load_experiment, load_manifest
from selfimp_bench.protocols.verification.judgement import parse_correctness, parse_preference, parse_score
from selfimp_bench.protocols.verification.manifest import VerificationManifest
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.tasks.grading.graders import GRADERS
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.response import UNTIL
from selfimp_bench.tasks.sudoku import problem_from_row

FOLDER = MANIFESTS / "mind-the-gap" / "prompts"
FILES = sorted(file.relative_to(FOLDER).as_posix() for file in FOLDER.rglob("*.txt"))
FOUR_SHOT = [name for name in FILES if name.startswith("four-shot/")]
SOURCES = YAML(typ="safe", pure=True).load(FOLDER / "source.yaml")["files"]
FIELDS = {
    "generate": {"question"},
    "mc": {"question", "response"},
    "cot-binary": {"question", "response"},
    "cot-score": {"question", "response"},
    "tournament": {"question", "response_a", "response_b"},
}
LAST_LINES = {
    "gsm8k-generate.txt": "A:",
    "math-generate.txt": "Solution:",
    "nq-generate.txt": "A:",
    "sudoku-generate.txt": "Answer:",
    "sudoku-cot-binary.txt": "Judgment:",
}
FINAL = "Final Answer: The final answer is"

every_file = pytest.mark.parametrize("name", FILES)


def text(name: str) -> str:
    return (FOLDER / name).read_text("utf-8").removesuffix("\n")


def kind(name: str) -> str:
    return Path(name).stem.partition("-")[2]


def test_every_prompt_has_its_source_and_every_source_its_prompt() -> None:
    assert sorted(SOURCES) == FILES
    for entry in SOURCES.values():
        assert set(entry) <= {"source", "assumed", "repaired", "flaws"}
        assert entry["source"] is not None or entry["assumed"]


@every_file
def test_a_prompt_has_each_of_its_fields_once_and_no_other(name: str) -> None:
    found = re.findall(r"\{(question|response\w*|problem|generation\w*|choices|tests)\}", text(name))
    assert sorted(found) == sorted(FIELDS[kind(name)])


@every_file
def test_a_prompt_ends_where_the_model_goes_on_and_has_no_loose_blanks(name: str) -> None:
    expected = LAST_LINES.get(name, "Judge:" if kind(name) == "mc" else "Judgement:")
    assert text(name).splitlines()[-1] == expected
    assert not re.search(r"[ \t]$|\t|\r|\A\s|\s\Z", text(name), re.MULTILINE)


def test_prompts_that_source_yaml_calls_the_same_are() -> None:
    assert text("gsm8k-mc.txt") == text("nq-mc.txt") == text("math-mc.txt")
    assert text("gsm8k-cot-score.txt") == text("math-cot-score.txt")
    for file in ("cot-binary", "tournament"):
        phrase = text(f"gsm8k-{file}.txt").replace('"The answer is ANSWER"', f'"{FINAL} ANSWER"')
        assert text(f"math-{file}.txt") == phrase != text(f"gsm8k-{file}.txt")
    assert f'"{FINAL} ANSWER"' in text("gsm8k-cot-score.txt")


GSM8K = re.findall(r"^Q: (.+)\nA: (.+)$", text("gsm8k-generate.txt"), re.MULTILINE)
MATH = re.findall(r"Problem:\n(.+?)\n\nSolution:\n(.+?)(?=\n\nProblem:)", text("math-generate.txt"), re.DOTALL)
NQ = re.findall(r"^Q: (.+)\?\nA: (.+)$", text("nq-generate.txt"), re.MULTILINE)


@pytest.mark.parametrize(("examples", "count"), [(GSM8K, 4), (MATH, 4), (NQ, 4)], ids=["gsm8k", "math", "nq"])
def test_generation_prompts_have_four_different_examples(examples: list[tuple[str, str]], count: int) -> None:
    assert len({question for question, _ in examples}) == len(examples) == count


def _problem(task: str, question: str, response: str) -> Problem:
    match task:
        case "gsm8k_cot":
            gold = response.rpartition("The answer is ")[2].rstrip(".")
            return Problem(problem_id="p", question=question, answer=f"#### {gold}")
        case "minerva_math":
            return Problem(problem_id="p", question=question, answer=response.partition(FINAL)[0])
        case _:
            return Problem(problem_id="p", question=question, answers=(response,))


@pytest.mark.parametrize(
    ("task", "question", "response"),
    [("gsm8k_cot", *pair) for pair in GSM8K]
    + [("minerva_math", *pair) for pair in MATH]
    + [("nq_open", *pair) for pair in NQ],
)
def test_an_examples_response_and_what_a_model_would_add_is_correct_under_the_strict_rule(
    task: str, question: str, response: str
) -> None:
    after = {"gsm8k_cot": "\n\nQ: more?\nA:", "minerva_math": "\n\nProblem:\nmore", "nq_open": "\nQ: more?"}[task]
    both = GRADERS[task](f" {response}{after}", _problem(task, question, response), truncated=True)
    assert both.strict.outcome is Outcome.CORRECT


@pytest.mark.parametrize("task", UNTIL)
def test_a_generation_prompts_next_example_begins_with_a_stop_string(task: str) -> None:
    prompt = text({"gsm8k_cot": "gsm8k", "minerva_math": "math", "nq_open": "nq"}.get(task, task) + "-generate.txt")
    asked = prompt.partition("{question}")[0]
    assert any(stop in asked[-len("\n\nProblem:\n") :] for stop in UNTIL[task])


def test_the_sudoku_example_is_solved_and_the_judged_one_has_another_grid_than_its_commentary() -> None:
    example = text("sudoku-generate.txt").split("\n\n")[1]
    puzzle, _, response = example.removeprefix("Puzzle:\n").partition("\nAnswer:")
    problem = problem_from_row({"puzzle": puzzle}, "example")
    assert GRADERS["sudoku"](response, problem, truncated=False).strict.outcome is Outcome.CORRECT

    judged = text("sudoku-cot-binary.txt").split("\n\n")[1]
    question, answer, commentary = re.split(r"\nAnswer:\n|\nJudgment: ", judged.removeprefix("Question:\n"))
    problem = problem_from_row({"puzzle": question}, "example")
    assert GRADERS["sudoku"](f"Solution:\n{answer}", problem, truncated=False).strict.outcome is Outcome.WRONG
    assert parse_correctness(commentary, truncated=False).value == 0.0
    rows = re.findall(r"Row (\d): Numbers are (\d), (\d), (\d), (\d)", commentary)
    quoted = "".join("".join(row[1:]) for row in rows)
    differ = [place for place, (a, b) in enumerate(zip(quoted, re.sub(r"\s", "", answer), strict=True)) if a != b]
    assert differ == [0, 1, 15]


@pytest.mark.parametrize(
    ("name", "parse"),
    [("cot-binary", parse_correctness), ("cot-score", parse_score), ("tournament", parse_preference)],
)
def test_the_demanded_format_repeated_is_no_verdict(name: str, parse: object) -> None:
    assert callable(parse)
    demanded = re.findall(r'format: "(.+)"\.', text(f"gsm8k-{name}.txt"))
    assert len(demanded) == 1
    assert parse(demanded[0], truncated=False).value is None
    assert parse(text(f"gsm8k-{name}.txt"), truncated=False).value is None


def test_a_generation_prompt_renders_and_keeps_its_other_braces() -> None:
    rendered = render_prompt(text("math-generate.txt"), Problem(problem_id="p", question=r"Find $\frac{1}{2}$."))
    assert rendered.endswith("Problem:\nFind $\\frac{1}{2}$.\n\nSolution:")
    assert r"$\frac{\sqrt{x-2}}{\sqrt{5-x}}$.}" in rendered


@pytest.mark.parametrize("name", [name for name in FILES if kind(name) == "generate"])
def test_a_manifest_can_have_each_generation_prompt_as_its_template(make_manifest: ManifestMaker, name: str) -> None:
    path = make_manifest(change=lambda data: data["prompt"].update(template=text(name)))
    assert load_manifest(path).prompt.template == text(name)


@pytest.mark.parametrize("brace", [" {answer}", "\n{problem}", "({response})"])
def test_a_name_in_braces_that_is_no_latex_is_still_refused(make_manifest: ManifestMaker, brace: str) -> None:
    path = make_manifest(change=lambda data: data["prompt"].update(template=text("math-generate.txt") + brace))
    with pytest.raises(InputError, match=r"expected no field but \{question\}"):
        load_manifest(path)


# ---- four examples in a verification prompt ----


def parts(name: str) -> tuple[str, list[str], str]:
    """What stands before the examples, the four examples, and what is asked."""
    head, *examples, asked = re.split(r"\n\n(?=Problem: )", text(name))
    return head, examples, asked


def filled(asked: str) -> re.Pattern[str]:
    """An example is what is asked with its fields filled in, and a verdict after it."""
    pattern = re.escape(asked)
    for field in FIELDS["mc"] | FIELDS["tournament"]:
        pattern = pattern.replace(re.escape(f"{{{field}}}"), f"(?P<{field}>.+?)")
    return re.compile(pattern + " (?P<verdict>.+)", re.DOTALL)


def examples(name: str) -> list[dict[str, str]]:
    _, shown, asked = parts(name)
    matches = [filled(asked).fullmatch(example) for example in shown]
    assert all(matches), name
    return [match.groupdict() for match in matches if match is not None]


@pytest.mark.parametrize("name", FOUR_SHOT)
def test_a_four_shot_prompt_is_the_printed_one_with_four_examples_in_its_own_form(name: str) -> None:
    head, _, asked = parts(name)
    assert f"{head}\n{asked}" == text(name.removeprefix("four-shot/"))
    assert len(examples(name)) == 4


def test_the_examples_of_all_verifiers_of_a_task_are_of_the_same_problems_which_are_training_rows() -> None:
    questions: dict[str, set[tuple[str, ...]]] = {}
    for name in FOUR_SHOT:
        task = Path(name).name.partition("-")[0]
        questions.setdefault(task, set()).add(tuple(each["question"] for each in examples(name)))
    assert questions["math"] == {tuple(question for question, _ in MATH)}
    assert questions["nq"] == {tuple(question for question, _ in NQ)}
    (of_gsm8k,) = questions["gsm8k"]
    path = Path(os.environ.get("SELFIMP_BENCH_DATA", "nowhere")) / "gsm8k" / "train.jsonl"
    if path.is_file():
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()[:4]]
        assert list(of_gsm8k) == [row["question"] for row in rows]


@cache
def golds() -> dict[str, Problem]:
    """The problems of the examples with their gold answers, by question."""
    gsm8k = ("72", "10", "5", "42")  # of the first four training rows
    answered = [(each["question"], f"#### {gold}") for each, gold in zip(examples(GSM8K_MC), gsm8k, strict=True)]
    solved = [(question, response.partition(FINAL)[0]) for question, response in MATH]
    found = {question: Problem(problem_id="p", question=question, answer=answer) for question, answer in answered}
    found |= {question: Problem(problem_id="p", question=question, answer=answer) for question, answer in solved}
    return found | {question: Problem(problem_id="p", question=question, answers=(answer,)) for question, answer in NQ}


GSM8K_MC = "four-shot/gsm8k-mc.txt"
GRADED_BY = {"gsm8k": "gsm8k_cot", "math": "minerva_math", "nq": "nq_open"}


def is_right(name: str, example: dict[str, str], field: str) -> bool:
    grader = GRADERS[GRADED_BY[Path(name).name.partition("-")[0]]]
    outcome = grader(f" {example[field]}", golds()[example["question"]], truncated=False).strict.outcome
    assert outcome in {Outcome.CORRECT, Outcome.WRONG}
    return outcome is Outcome.CORRECT


@pytest.mark.parametrize("name", [name for name in FOUR_SHOT if kind(name) != "tournament"])
def test_two_of_four_responses_are_right_and_their_verdicts_say_so(name: str) -> None:
    right = [is_right(name, each, "response") for each in examples(name)]
    assert right == [True, False, False, True]
    verdicts = [each["verdict"] for each in examples(name)]
    match kind(name):
        case "mc":
            assert verdicts == ["Correct" if each else "Incorrect" for each in right]
        case "cot-binary":
            assert [parse_correctness(each, truncated=False).value for each in verdicts] == [float(r) for r in right]
        case _:
            assert [parse_score(each, truncated=False).value for each in verdicts] == [
                10.0 if r else 1.0 for r in right
            ]


@pytest.mark.parametrize("name", [name for name in FOUR_SHOT if kind(name) == "tournament"])
def test_of_two_solutions_the_right_one_is_preferred_wherever_it_stands(name: str) -> None:
    for example, preferred in zip(examples(name), "ABBA", strict=True):
        assert is_right(name, example, "response_a") == (preferred == "A")
        assert is_right(name, example, "response_b") == (preferred == "B")
        assert parse_preference(example["verdict"], truncated=False).value == preferred


@pytest.mark.parametrize("name", [name for name in FOUR_SHOT if kind(name) != "mc"])
def test_a_justification_has_at_most_fifty_words_as_the_prompt_demands(name: str) -> None:
    for example in examples(name):
        justification, _, last = example["verdict"].rpartition("\n")
        assert 0 < len(justification.split()) <= 50 and last.partition(":")[0] in text(name)


def test_what_a_model_writes_after_its_verdict_is_cut_where_a_next_example_would_begin() -> None:
    manifest = load_experiment(find("gsm8k-gv-gap")).manifest
    assert isinstance(manifest, VerificationManifest)
    for method in manifest.verification:
        if method.judging is not None:
            _, shown, _ = parts(method.file.path.removeprefix("prompts/"))
            assert all(f"\n\n{example}".startswith(f"\n{stop}") for example in shown for stop in method.judging.stop)


@pytest.mark.parametrize("experiment", ["gsm8k-gv-gap", "math-gv-gap", "nq-gv-gap", "gsm8k-iter-rejection"])
def test_both_readings_of_the_verification_prompts_are_experiments(experiment: str) -> None:
    four, printed = (load_experiment(find(name)).manifest for name in (experiment, f"{experiment}-as-printed"))
    assert isinstance(four, VerificationManifest) and isinstance(printed, VerificationManifest)
    for one, other in zip(four.verification, printed.verification, strict=True):
        assert one.file.path == other.file.path.replace("prompts/", "prompts/four-shot/")
        assert isinstance(one.assumed, dict) and "four examples" in one.assumed["file"]
        assert isinstance(other.assumed, dict) and "as Appendix G prints it" in other.assumed["file"]


def appendix() -> str:
    """Appendix G of the paper's text, with our names of the fields, its white space made single blanks."""
    data = os.environ.get("SELFIMP_BENCH_DATA")
    path = Path(data or "nowhere").parent / "papers" / "mind_the_gap.txt"
    if data is None or not path.is_file():
        pytest.skip("the paper's text is working material and not shipped")
    whole = path.read_text(encoding="utf-8")
    printed = whole[whole.index("G GENERATION AND VERIFICATION PROMPTS") : whole.index("H INFRASTRUCTURE STATEMENT")]
    names = {"{problem}": "{question}", "{generation}": "{response}"}
    names |= {"{generation1}": "{response_a}", "{generation2}": "{response_b}"}
    for theirs, ours in names.items():
        printed = printed.replace(theirs, ours)
    return plain(printed)


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("name", "title", "following", "lost"),
    [
        ("gsm8k-mc", "Multiple Choice Verification Prompt (GSM8K / nq_open)", "Chain of Thoughts Binary", None),
        ("gsm8k-cot-binary", "Chain of Thoughts Binary Prompt (GSM8K)", "Chain of Thoughts Score Prompt", None),
        ("gsm8k-cot-score", "Chain of Thoughts Score Prompt (GSM8K)", "Tournament Prompt", None),
        ("gsm8k-tournament", "Tournament Prompt (GSM8K)", "Sudoku Generation Prompt", ("<A> or <B>", "<A> or ")),
    ],
)
def test_a_verification_prompt_is_the_paper_s_word_for_word(
    name: str, title: str, following: str, lost: tuple[str, str] | None
) -> None:
    printed = appendix().partition(title)[2].partition(following)[0].strip()
    ours = plain(text(f"{name}.txt"))
    assert printed == (ours if lost is None else ours.replace(*lost))


def test_the_sudoku_prompts_are_the_paper_s_word_for_word() -> None:
    printed = appendix()

    def between(first: str, last: str) -> str:
        return printed.partition(first)[2].partition(last)[0].strip()

    generate, example, asked = text("sudoku-generate.txt").split("\n\n")
    prompt = between("Sudoku Generation Prompt", "Sudoku Generation Example")
    assert prompt == plain(f"{generate} {asked}")
    assert between("Sudoku Generation Example", "Sudoku Verification Prompt") == plain(example)

    verify, example, asked = text("sudoku-cot-binary.txt").split("\n\n")
    prompt = between("Sudoku Verification Prompt", "Sudoku Verification Example")
    assert prompt == plain(f"{verify} {asked}")
    printed_example = printed.partition("Sudoku Verification Example")[2].strip()
    for theirs, ours in (("problem:", "Question:"), ("generation:", "Answer:"), ("correctness:", "Judgment:")):
        printed_example = printed_example.replace(theirs, ours, 1)
    assert printed_example == plain(example)
