"""What the follow-ups change in the loop: the grid, further samples, votes and rewards, and whole runs of each."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from judged_samples import judged
from support import ManifestMaker, load_post_training, shipped_post_training

from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Balance, Majority, Profile
from selfimp_bench.places import ASSETS
from selfimp_bench.protocols.post_training.choose import GRID, GridScore, best, scores
from selfimp_bench.protocols.post_training.more import hard_problems
from selfimp_bench.protocols.post_training.plan import post_training_plan
from selfimp_bench.protocols.post_training.protocol import PROTOCOL
from selfimp_bench.protocols.post_training.smoke import smoke_blocks
from selfimp_bench.protocols.post_training.unlabelled import (
    RewardSelectBlock,
    RowForm,
    VoteSelectBlock,
    select_by_reward,
    select_by_vote,
    sides,
)
from selfimp_bench.protocols.post_training.weigh import CHOICES, confident, label_question
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.judge import RunFiles, read_run
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.runs.verifying.open import verify
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.rows import SAMPLES, JudgedSample
from selfimp_bench.steps.store import read_table
from selfimp_bench.steps.training_rows import PairRow, PairSelection, RowMaker, SftRow
from selfimp_bench.tasks.problem import Problem

PROBLEMS = tuple(Problem(problem_id=name, question=f"What is {name}?", answer="#### 7") for name in "pqr")
ROWS = RowMaker(
    prompt_template="Question: {question}\nAnswer:", add_bos=False, codec=load_codec(ASSETS / "tiny-gsm-base")
)
FORM = RowForm(add_bos=False, deduplicate="exact", max_correct_per_problem=2, max_length=200)
SURE = Majority(share=0.6, level=0.5)
BALANCE = Balance(
    reward="agreement", temperatures=(0.5, 1.0), thresholds=(0.0, 0.5), enough=2, problems=2, source="test"
)


def _pool(**samples: str) -> list[JudgedSample]:
    return [each for name, words in samples.items() for each in judged(words, problem=name)]


# ---- the grid ----


def test_the_grid_is_scored_over_problems_and_the_first_of_the_best_is_chosen() -> None:
    """p: shares 3/4 (right, three texts) and 1/4. q: shares 1/2, 1/2 (one right).

    Above 0: p 4 selected, 3 correct: 1 x 3/4; q 4 selected, 2 correct: 1 x 2/4; mean 0.625. Above 0.5: p 3 of 3: 1; q
    none: 0; mean 0.5.
    """
    found = list(scores(BALANCE, 0.5, _pool(p="c7 c7 c7 w5", q="c7 c7 w5 w5")))
    assert found == [
        GridScore(temperature=0.5, threshold=0.0, score=0.625),
        GridScore(temperature=0.5, threshold=0.5, score=0.5),
    ]
    other = [GridScore(temperature=1.0, threshold=0.0, score=0.625)]
    assert best([*found, *other]) == found[0]
    assert best([*other, *found]) == other[0]


# ---- more samples ----


def test_problems_with_too_few_correct_samples_are_hard() -> None:
    pool = _pool(p="c7 c7 w5", q="c7 w5 u", r="w5 w5 w5")
    assert [each.problem_id for each in hard_problems(PROBLEMS, pool, below=2)] == ["q", "r"]
    assert hard_problems(PROBLEMS, pool, below=1) == (PROBLEMS[2],)


# ---- votes ----


def test_who_agrees_with_a_sure_majority_and_who_differs() -> None:
    samples = judged("w7 w7 c5 t7 u x")
    agree, differ = sides(SURE, samples)
    assert agree == samples[:2]  # the cut one agrees, too, and is not imitated
    assert differ == [samples[2], samples[4]]
    assert sides(Majority(share=0.61, level=0.5), samples) == ([], [])
    assert sides(Majority(share=0.6, level=0.9), samples) == ([], [])
    assert sides(SURE, judged("u u u c7")) == ([], [])


def _vote(pairs: PairSelection | None) -> VoteSelectBlock:
    return VoteSelectBlock(prompt_template="", form=FORM, majority=SURE, pairs=pairs)


def test_pairs_follow_the_vote_whatever_is_right() -> None:
    pairs = PairSelection(deduplicate="exact", pairing="all", pairs_per_problem=None, without_pair="drop", seed=0)
    made = select_by_vote(_vote(pairs), ROWS, PROBLEMS, [_pool(p="w7 w7 w7 c5", q="c7 c7 c7 c7", r="c7 w5 w6 w8")])
    assert [
        (row.problem_id, row.chosen_index, row.rejected_index) for row in made.rows if isinstance(row, PairRow)
    ] == [
        ("p", 0, 3),
        ("p", 1, 3),
        ("p", 2, 3),
    ]
    assert made.counts == {
        "problems": 3,
        "problems dropped: no sure majority": 1,
        "problems whose majority is right": 1,
        "problems dropped: all agree": 1,
        "rows": 3,
    }


def test_every_model_votes_for_itself() -> None:
    """Together 5 of 8 would say 7, but M_2's samples are not sure of it: only M_1's are taken."""
    pools = [_pool(p="c7 c7 c7 w5"), judged("c7 c7 w5 w5", problem="p", iteration=2)]
    made = select_by_vote(_vote(None), ROWS, PROBLEMS, pools)
    assert [(row.iteration, row.sample_index) for row in made.rows if isinstance(row, SftRow)] == [(1, 0), (1, 1)]


# ---- rewards ----


def test_the_best_responses_above_each_models_threshold_up_to_the_cap() -> None:
    block = RewardSelectBlock(prompt_template="", form=FORM, reward="correct+agreement")
    pools = [(1.0, _pool(p="w5 c7 c7 c7", q="w5 w5 w5 w5")), (0.1, judged("w5 w5 w5 c8", problem="q", iteration=2))]
    made = select_by_reward(block, ROWS, PROBLEMS, pools)
    found = [(row.problem_id, row.iteration, row.sample_index) for row in made.rows if isinstance(row, SftRow)]
    assert found == [("p", 1, 1), ("p", 1, 2), ("q", 2, 3), ("q", 2, 0)]
    assert made.counts["rows that are correct"] == 3
    assert made.counts["problems dropped: no response above the threshold"] == 1


# ---- the labels of choices ----

QUESTION = Problem(problem_id="p", question="Which?", choices=("one", "two", "three", "four", "five"), answer="C")


@pytest.mark.parametrize("lead", [" The answer is (", " Answer:\n"])
def test_a_label_is_asked_for_where_its_token_parts_from_the_others(lead: str) -> None:
    """Prompt and label together are the text's own tokens."""
    codec, labels = ROWS.codec, ("A", "B", "C")
    asked = label_question("Which?" + lead, labels, codec, add_bos=False)
    for label, token in zip(labels, asked.label_ids, strict=True):
        assert codec.encode("Which?" + lead + label) == (*asked.token_ids, token)


def test_labels_that_go_on_alike_are_refused() -> None:
    """This tokenizer has a token for " A" and none for " B", which begins as " C" does."""
    with pytest.raises(InputError, match="cannot be told apart"):
        label_question("Which? The answer is ", ("A", "B", "C"), ROWS.codec, add_bos=False)


def test_confidence_is_the_likeliest_labels_share_of_the_labels() -> None:
    """Probabilities 0.1, 0.2, 0.4, 0.05, 0.05: 0.4/0.8 for C, which is right."""
    logprobs = [math.log(each) for each in (0.1, 0.2, 0.4, 0.05, 0.05)]
    assert confident(QUESTION, logprobs).confidence == pytest.approx(0.5)
    assert confident(QUESTION, logprobs).correct
    assert not confident(QUESTION, [0.0, *logprobs[1:]]).correct
    assert confident(QUESTION, [-800.0] * 5).confidence == pytest.approx(0.2)


# ---- whole runs, on the fake engines ----


def _changed(data: dict[str, Any], **rules: Any) -> None:
    data["post_training"] |= rules | {"without_correct": "drop"}
    data["measure"] |= {"ece_bins": 10, "tail_from": 4}
    data["measure"]["metrics"] += ["ece", "balance", "tail-share"]


@pytest.fixture
def run_with(make_manifest: ManifestMaker, common_home: Path) -> Any:
    def run(schedule: tuple[str, ...], **rules: Any) -> RunFiles:
        path = make_manifest(counts=(20, 24, 0), schedule=schedule, change=lambda data: _changed(data, **rules))
        opened = open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1)
        return read_run(execute(opened, common_home, Silent()))

    return run


def _tables(run: RunFiles, home: Path, ending: str, name: str) -> list[dict[str, Any]]:
    (step,) = [step for step in run.record.steps if step.id.endswith(ending)]
    return read_table(home / "store" / step.fingerprint / name)


def _verified(run: RunFiles, home: Path) -> None:
    """Every completion of the run is made again from its token ids, and nothing differs."""
    found = verify(str(run.folder), home)
    assert not found.mismatches
    assert not [each for each in found.taken if each.startswith("sample: ")]


def test_a_run_that_samples_hard_problems_more(run_with: Any, common_home: Path) -> None:
    run = run_with(("sft-gold", "sft", "sft"), resample={"below": 2, "most": 3, "source": "test"})
    first = _tables(run, common_home, "t1/sample.train", SAMPLES)
    more = _tables(run, common_home, "t1/sample.train.more", SAMPLES)
    grades = _tables(run, common_home, "t1/grade.train", "grades.parquet")
    right = [row["problem_id"] for row in grades if row["outcome"] == "correct"]
    few = {row["problem_id"] for row in first if right.count(row["problem_id"]) < 2}
    assert 0 < len(few) < 20
    assert {row["problem_id"] for row in more} == few
    assert sorted({row["sample_index"] for row in more}) == [8, 9, 10]
    assert not {row["seed"] for row in more} & {row["seed"] for row in first}
    (select,) = [step for step in run.record.steps if step.id.endswith("t2/select")]
    assert select.counts["samples"] == 20 * 8 + 3 * len(few)
    found = {(each.metric, each.iteration): each.value for each in run.measurements}
    assert found["tail-share", 1] == pytest.approx(0.4)
    assert all(found[name, 3] is not None for name in ("tail-share", "ece.agreement", "overconfidence.agreement"))
    assert ("balance", 2) in found and ("balance", 3) not in found
    _verified(run, common_home)


def test_a_run_that_chooses_its_temperature_samples_all_problems_with_it(run_with: Any, common_home: Path) -> None:
    balance = {
        "reward": "correct+agreement", "temperatures": [0.3, 1.0], "thresholds": [0.1, 1.0], "enough": 8,
        "problems": 10, "source": "test",
    }  # fmt: skip
    run = run_with(("sft-gold", "sft", "sft"), balance=balance)
    grid = _tables(run, common_home, "t1/choose", GRID)
    assert [(row["temperature"], row["threshold"]) for row in grid] == [(0.3, 0.1), (0.3, 1.0), (1.0, 0.1), (1.0, 1.0)]
    (chosen,) = [step for step in run.record.steps if step.id.endswith("t1/choose")]
    assert chosen.counts["completions"] == 2 * 10 * 8
    assert len(_tables(run, common_home, "t1/sample.train", SAMPLES)) == 20 * 8
    assert run.record.generated_tokens > chosen.counts["tokens"] > 0
    _verified(run, common_home)


def test_a_run_that_weighs_choices(make_manifest: ManifestMaker, common_home: Path) -> None:
    def on_choices(data: dict[str, Any]) -> None:
        task = {"grading": {"task": "commonsense_qa", "extraction": "strict", "source": "test"}}
        blocks = smoke_blocks(data | task | {"models": [{"id": "any"}], "datasets": {}})
        assert blocks is not None
        data |= {key: blocks[key] for key in ("models", "datasets", "prompt")} | task
        data["measure"] |= {"metrics": ["pass@1", "ece"], "k": [], "ece_bins": 10, "choice_lead": " ("}
        for key in ("improvement_n", "encoder"):
            del data["measure"][key]

    path = make_manifest(counts=(20, 24, 0), schedule=("sft-gold", "sft"), change=on_choices)
    opened = open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1)
    run = read_run(execute(opened, common_home, Silent()))
    rows = _tables(run, common_home, "t2/weigh", CHOICES)
    assert len(rows) == 60
    assert all(0.2 <= row["confidence"] <= 1 for row in rows)
    found = {each.metric: each for each in run.measurements if each.iteration == 2}
    sure, right = (sum(row[key] for row in rows) / 60 for key in ("confidence", "correct"))
    assert found["overconfidence.choices"].value == pytest.approx(sure - right)
    assert found["ece.choices"].n == 60


@pytest.mark.parametrize("schedule", [("sft-gold", "dpo", "dpo"), ("sft-gold", "sft", "sft")])
def test_a_run_on_votes(run_with: Any, schedule: tuple[str, ...]) -> None:
    run = run_with(schedule, majority={"share": 0.3, "level": 0.5, "source": "test"})
    (select,) = [step for step in run.record.steps if step.id.endswith("t2/select")]
    assert select.counts["rows"] > 0
    assert "problems dropped: no sure majority" in select.counts


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("tiny-iter-sft-tail", "resample   8 more where fewer than 2 samples are correct"),
        (
            "tiny-iter-sft-balanced",
            "balance    temperatures (0.5, 0.75, 1.0) x thresholds (0.0, 0.1, 1.0) of correct+agreement, 60 problems",
        ),
        ("tiny-iter-dpo-majority", "majority   at least 0.5 with confidence 0.9, no gold answers"),
    ],
)
def test_a_summary_says_what_departs_from_the_loop(name: str, line: str) -> None:
    assert line in PROTOCOL.summary_lines(shipped_post_training(name))


def test_without_a_follow_up_the_steps_are_the_same_work(make_manifest: ManifestMaker) -> None:
    """A measure more leaves all but the measuring step as it is, and a follow-up adds steps and changes none."""

    def steps(change: Callable[[dict[str, Any]], None]) -> dict[str, object]:
        path = make_manifest(counts=(20, 24, 0), schedule=("sft-gold", "sft"), change=change)
        manifest = load_post_training(path)
        return {step.id: step.block for step in post_training_plan(manifest, manifest.models, 1).steps}

    def more_measured(data: dict[str, Any]) -> None:
        data["measure"] |= {"metrics": [*data["measure"]["metrics"], "ece"], "ece_bins": 10}

    def more_sampled(data: dict[str, Any]) -> None:
        data["post_training"] |= {"resample": {"below": 2, "most": 3, "source": "test"}}

    plain, measured, tail = steps(lambda _: None), steps(more_measured), steps(more_sampled)
    assert plain.keys() == measured.keys()
    assert [name.rpartition("/")[2] for name in plain if plain[name] != measured[name]] == ["measure"]
    own = {each.split("/", 2)[-1] for each in tail.keys() - plain.keys()}
    assert own == {"t1/sample.train.more", "t1/grade.train.more"}
    assert {name: tail[name] for name in plain} == plain
