"""Progress or regress: of files that other tools made, of simulated checkpoints, and of files that cannot be used."""

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import selfimp_bench
from selfimp_bench import assess
from selfimp_bench.errors import InputError
from selfimp_bench.measurement import pass_at_k
from selfimp_bench.protocols.post_training.metrics.distinct_n import distinct_n

MADE = Path(__file__).parent.parent / "generations" / "made"
EXPECTED = json.loads((MADE / "expected.json").read_text())


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def problem(index, **more):
    return {"problem_id": f"p{index}", "question": f"What is {index}?", "answer": f"#### {index}"} | more


def row(index, sample, *, right, text="So it is {}.", **more):
    value = index if right else index + 1000 + sample % 3
    completion = text.format(value) + f"\n#### {value}"
    return {"problem_id": f"p{index}", "sample_index": sample, "completion": completion} | more


@pytest.fixture
def problems(tmp_path):
    return lines(tmp_path / "problems.jsonl", [problem(index) for index in range(100)])


def checkpoint(path, right, *, count=100, text="So it is {}.", samples=1):
    """``right(index, sample)`` tells which samples are."""
    return lines(
        path,
        [
            row(index, sample, right=right(index, sample), text=text(sample) if callable(text) else text)
            for index in range(count)
            for sample in range(samples)
        ],
    )


def change(found, metric, split="test"):
    return next(each for each in found.changes if (each.metric, each.split) == (metric, split))


# ---- what other tools made, of a run's own checkpoints ----


def test_lm_evaluation_harness_gives_the_runs_own_accuracy_and_the_harness_own():
    found = assess([MADE / "lm-eval-greedy" / f"t{t}" for t in (1, 2, 3)])
    for t in (1, 2, 3):
        assert found.value("pass@1", t) == pytest.approx(EXPECTED["run"][str(t)], abs=1e-12)
        assert found.value("pass@1", t) == pytest.approx(EXPECTED["lm-eval"][str(t)], abs=1e-12)
    (first, *_) = found.checkpoints
    assert (first.task, first.graded_by, first.problems) == ("gsm8k", "gsm8k, strict", 40)
    assert "lm-evaluation-harness" in first.format
    own = assess([MADE / "lm-eval-greedy" / f"t{t}" for t in (1, 2, 3)], task="as-scored")
    assert [own.value("pass@1", t) for t in (1, 2, 3)] == [found.value("pass@1", t) for t in (1, 2, 3)]


def test_vllms_batch_runner_gives_the_runs_own_accuracy():
    files = [MADE / "vllm-greedy" / f"t{t}.jsonl" for t in (1, 2, 3)]
    found = assess(files, problems=MADE / "problems.jsonl")
    assert [found.value("pass@1", t) for t in (1, 2, 3)] == [EXPECTED["run"][t] for t in "123"]
    assert found.checkpoints[0].format.startswith("batch outputs")
    with pytest.raises(InputError, match=r"it holds no problems; give their file with --problems"):
        assess(files)


def test_samples_of_vllms_batch_runner_are_the_choices_of_a_request():
    path = MADE / "vllm-sampled" / "t1.jsonl"
    found = assess([path], problems=MADE / "problems.jsonl")
    gold = {
        each["problem_id"]: each["answer"].rpartition("#### ")[2]
        for each in map(json.loads, (MADE / "problems.jsonl").read_text().splitlines())
    }
    right = []
    for each in map(json.loads, path.read_text().splitlines()):
        texts = [choice["message"]["content"] for choice in each["response"]["body"]["choices"]]
        assert len(texts) == 4
        right += [text.rpartition("#### ")[2].strip() == gold[each["custom_id"]] for text in texts]
    assert found.value("coverage", 1) == sum(right) / 160


def test_a_batch_of_which_every_request_failed_says_what_the_server_said():
    with pytest.raises(
        InputError, match=r"no sample in it .*; 40 failed, the first: .*t1\.jsonl:1: .*EngineCore encount"
    ):
        assess([MADE / "vllm-failed" / "t1.jsonl"], problems=MADE / "problems.jsonl")


def test_inspect_logs_give_the_accuracy_that_inspect_and_the_run_found():
    found = assess([MADE / "inspect" / f"t{t}.eval" for t in (1, 2, 3)])
    assert [found.value("pass@1", t) for t in (1, 2, 3)] == [EXPECTED["inspect"][t] for t in "123"]
    assert EXPECTED["inspect"] == EXPECTED["run"]


def test_an_inspect_log_in_json_says_what_the_zip_of_the_same_model_does(tmp_path):
    (tmp_path / "t1.json").write_bytes(gzip.decompress((MADE / "inspect-t1.json.gz").read_bytes()))
    found, of_zip = (assess([path]) for path in (tmp_path / "t1.json", MADE / "inspect" / "t1.eval"))
    assert found.measurements == of_zip.measurements
    assert found.value("pass@1", 1) == EXPECTED["inspect"]["1"]


@pytest.mark.parametrize("path", sorted((MADE / "inspect").iterdir()), ids=lambda path: path.name)
def test_an_inspect_log_gives_the_runs_own_accuracy_and_inspects_own(path):
    found = assess([path])
    of_run = {each.problem_id: each.value for each in _greedy(path.stem).problem_values if each.metric == "pass@1"}
    own = {each.problem_id: each.value for each in found.problem_values if each.metric == "pass@1"}
    assert own == {name: of_run[name] for name in own}
    assert (found.checkpoints[0].format, found.checkpoints[0].task) == ("inspect_ai log", "gsm8k")
    assert assess([path], task="as-scored").value("pass@1", 1) == found.value("pass@1", 1)


def _greedy(name):
    """What the harness was answered by the same model."""
    return assess([MADE / "lm-eval-greedy" / name])


def test_samples_of_the_harness_have_every_metric_that_they_allow():
    found = assess([MADE / "lm-eval-sampled" / f"t{t}" for t in (1, 2, 3)])
    names = {each.metric for each in found.measurements}
    assert {
        "pass@2",
        "pass@4",
        "coverage",
        "distinct-n.correct",
        "distinct-equations.incorrect",
        "ece.agreement",
    } <= names
    assert {"distinct-n.correct.equal", "group-disparity", "pass@1.level-3"} <= names
    assert not any(each.startswith("is-pass@") for each in names)
    assert any("no single (greedy) answers" in each for each in found.missing)
    assert any("Sentence-BERT" in each and "--encoder" in each for each in found.missing)


def test_a_folder_with_single_answers_and_samples_has_improvement_sets(tmp_path):
    folders = []
    for t in (1, 2, 3):
        folder = tmp_path / f"t{t}"
        folder.mkdir()
        for kind in ("greedy", "sampled"):
            (made,) = (MADE / f"lm-eval-{kind}" / f"t{t}").iterdir()
            (folder / made.name).write_bytes(made.read_bytes())
        folders.append(folder)
    found = assess(folders)
    assert found.headline.accuracy == "pass@1"
    value = found.value("is-pass@4.first", 3)
    greedy = {t: _correct(MADE / "lm-eval-greedy" / f"t{t}") for t in (1, 3)}
    sampled = _correct(MADE / "lm-eval-sampled" / "t1")
    improved = [name for name, (right,) in greedy[3].items() if right and not greedy[1][name][0]]
    assert value == pytest.approx(sum(any(sampled[name]) for name in improved) / len(improved))


def _correct(folder):
    """Right or wrong, by a reading of the raw file that shares nothing with the kit's."""
    (made,) = folder.iterdir()
    found = {}
    for each in map(json.loads, made.read_text().splitlines()):
        gold = each["doc"]["answer"].rpartition("#### ")[2]
        found[each["doc_id"]] = [text.rpartition("#### ")[2].strip() == gold for text in each["resps"][0]]
    return found


# ---- the headline ----


def test_progress_is_accuracy_up_and_nothing_essential_down(tmp_path, problems):
    files = [
        checkpoint(tmp_path / "a.jsonl", lambda i, s: (i + s) % 5 < 2, samples=4),
        checkpoint(tmp_path / "b.jsonl", lambda i, s: (i + s) % 5 < 3, samples=4),
    ]
    found = assess(files, problems=problems)
    assert found.headline.direction == "progress"
    moved = change(found, "coverage")
    assert (moved.shown, round(moved.estimate, 6)) == ("up", 0.2)
    assert moved.low < 0.2 < moved.high
    assert "out of distribution" in found.headline.unseen


def test_regress_is_accuracy_down(tmp_path, problems):
    files = [
        checkpoint(tmp_path / "a.jsonl", lambda i, _: i < 60),
        checkpoint(tmp_path / "b.jsonl", lambda i, _: i < 40),
    ]
    found = assess(files, problems=problems)
    assert (found.headline.direction, change(found, "pass@1").shown) == ("regress", "down")


def test_reversal_is_accuracy_up_and_diversity_of_equal_numbers_down(tmp_path, problems):
    words = (
        "First I count {}",
        "The total of them comes to {}",
        "Adding all of these gives {}",
        "Then we have {} left",
    )
    files = [
        checkpoint(
            tmp_path / "a.jsonl", lambda i, s: (i + s) % 4 < 2, samples=4, text=lambda s: words[s] + " now at last"
        ),
        checkpoint(
            tmp_path / "b.jsonl", lambda i, s: (i + s) % 4 < 3, samples=4, text="The same old words {} now at last"
        ),
    ]
    found = assess(files, problems=problems)
    assert found.headline.direction == "reversal"
    assert "distinct-n.correct.equal" in found.headline.worse
    assert change(found, "distinct-n.correct.equal").shown == "down"
    assert change(found, "coverage").shown == "up"


def test_more_correct_outputs_alone_are_no_reversal_though_the_papers_diversity_falls(tmp_path, problems):
    random.seed(3)
    vocabulary = [f"word{n}" for n in range(40)]
    texts = {(i, s): " ".join(random.choices(vocabulary, k=12)) + " {}" for i in range(100) for s in range(8)}
    files = []
    for name, share in (("a", 3), ("b", 7)):
        rows = [
            row(i, s, right=(i + s) % 8 < share, text=texts[i, s])
            for i in range(100)
            for s in range(8)
        ]  # fmt: skip
        files.append(lines(tmp_path / f"{name}.jsonl", rows))
    found = assess(files, problems=problems)
    assert change(found, "distinct-n.correct").high < 0
    assert found.headline.direction == "progress"


def test_a_fall_out_of_distribution_is_a_reversal(tmp_path, problems):
    files = [checkpoint(tmp_path / f"{n}.jsonl", lambda i, _, c=c: i < c) for n, c in (("a", 40), ("b", 60))]
    ood = [checkpoint(tmp_path / f"o{n}.jsonl", lambda i, _, c=c: i < c) for n, c in (("a", 60), ("b", 30))]
    found = assess(files, problems=problems, ood=ood, ood_problems=problems)
    assert (found.headline.direction, found.headline.worse) == ("reversal", ("pass@1 on ood",))
    assert [found.value("pass@1", t, "ood") for t in (1, 2)] == [0.6, 0.3]
    with pytest.raises(InputError, match=r"--ood: 1 checkpoint, and 2 of the others"):
        assess(files, problems=problems, ood=ood[:1], ood_problems=problems)


def test_on_accuracy_alone_progress_says_that_a_reversal_could_not_have_been_seen(tmp_path, problems):
    files = [checkpoint(tmp_path / f"{n}.jsonl", lambda i, _, c=c: i < c) for n, c in (("a", 40), ("b", 60))]
    found = assess(files, problems=problems)
    assert found.headline.direction == "progress"
    assert (
        "nothing but accuracy could be compared, so that a reversal could not have been seen" in found.headline.sentence
    )
    assert any(each.startswith("one sample of a problem: no pass@k") for each in found.missing)


def test_no_change_shown_and_fewer_than_twenty_problems(tmp_path, problems):
    files = [checkpoint(tmp_path / f"{n}.jsonl", lambda i, _, c=c: i < c) for n, c in (("a", 50), ("b", 52))]
    assert assess(files, problems=problems).headline.direction == "no change shown"
    few = [checkpoint(tmp_path / f"{n}.jsonl", lambda i, _, c=c: i < c, count=15) for n, c in (("c", 0), ("d", 15))]
    found = assess(few, problems=problems)
    assert found.headline.direction == "no change shown"
    assert "of 15 problems; fewer than 20 decide nothing" in found.headline.sentence


def test_one_checkpoint_is_measured_and_has_no_direction(tmp_path, problems):
    found = assess([checkpoint(tmp_path / "a.jsonl", lambda i, _: i < 40)], problems=problems)
    assert (found.headline.direction, found.changes) == ("measured", ())
    assert found.value("pass@1", 1) == 0.4


@pytest.mark.slow
def test_where_nothing_changes_a_direction_is_rarely_shown(tmp_path):
    """Of 100 pairs of checkpoints that are alike, at most 1 in 20 shows any direction, with room for chance."""
    problems = lines(tmp_path / "p.jsonl", [problem(index, level=1 + index % 2) for index in range(60)])
    shown = 0
    for trial in range(100):
        draw = random.Random(trial)
        ease = [draw.random() for _ in range(60)]
        files = [
            checkpoint(
                tmp_path / f"{name}.jsonl",
                lambda i, _: draw.random() < ease[i],  # noqa: B023
                count=60,
                samples=3,
                text=lambda _: f"{draw.randrange(9)} words {draw.randrange(9)} {{}} of {draw.randrange(9)}",  # noqa: B023
            )
            for name in ("a", "b")
        ]
        shown += any(each.shown is not None for each in assess(files, problems=problems).changes)
    assert shown <= 11  # of a binomial of 100 at 5 %, exceeded in 1 of 200


# ---- numbers, by other roads ----


def test_metrics_are_what_a_plain_reading_of_the_definitions_gives(tmp_path, problems):
    def right(index, sample):
        return (index * 7 + sample * 3) % 5 < 2

    found = assess([checkpoint(tmp_path / "a.jsonl", right, samples=5)], problems=problems)
    counts = [sum(right(index, sample) for sample in range(5)) for index in range(100)]
    assert found.value("coverage", 1) == pytest.approx(sum(counts) / 500)
    for k in (2, 4, 5):
        assert found.value(f"pass@{k}", 1) == pytest.approx(sum(pass_at_k(5, c, k) for c in counts) / 100)
    texts = [[f"So it is {i}.\n#### {i}"] * c for i, c in enumerate(counts) if c]
    shares = [value for each in texts if (value := distinct_n(each, ngram_max=5)) is not None]
    if shares:
        assert found.value("distinct-n.correct", 1) == pytest.approx(sum(shares) / len(shares))


def test_accuracy_by_level_and_group_disparity(tmp_path):
    problems = lines(tmp_path / "p.jsonl", [problem(index, level=1 + index % 2) for index in range(100)])
    found = assess([checkpoint(tmp_path / "a.jsonl", lambda i, _: i % 2 == 0 or i < 50)], problems=problems)
    assert (found.value("pass@1.level-1", 1), found.value("pass@1.level-2", 1)) == (1.0, 0.5)
    assert found.value("group-disparity", 1) == 0.5


@pytest.mark.parametrize(("scores", "name"), [((0, 1), "gap.binary"), ((0.1, 0.9), "gap.quantile-0.8")])
def test_a_verifiers_scores_give_gaps(tmp_path, problems, scores, name):
    rows = [
        row(index, sample, right=sample < 2, score=scores[sample < 2]) for index in range(30) for sample in range(4)
    ]
    found = assess([lines(tmp_path / "a.jsonl", rows)], problems=problems)
    assert (found.value(name, 1), found.value(f"relative-{name}", 1)) == (0.5, 1.0)


@pytest.mark.slow
def test_programs_are_run_in_the_sandbox(tmp_path):
    rows = [
        {"task_id": index, "text": "Add.", "code": "def add(a):\n    return a + 1", "test_list": ["assert add(1) == 2"]}
        for index in range(20)
    ]
    problems = lines(tmp_path / "p.jsonl", rows)
    answers = ("def add(a):\n    return a + 1\n", "def add(a):\n    return a\n")
    files = [
        lines(
            tmp_path / f"{name}.jsonl",
            [{"problem_id": str(i), "sample_index": 0, "completion": answers[i >= right]} for i in range(20)],
        )
        for name, right in (("a", 2), ("b", 18))
    ]
    found = assess(files, problems=problems)
    assert found.checkpoints[0].task == "mbpp"
    assert [found.value("pass@1", t) for t in (1, 2)] == [0.1, 0.9]
    assert found.headline.direction == "progress"


def test_the_files_own_judgement_needs_neither_task_nor_problems(tmp_path):
    files = [
        lines(
            tmp_path / f"{name}.jsonl",
            [{"problem_id": str(i), "sample_index": 0, "completion": "?", "correct": i < right} for i in range(50)],
        )
        for name, right in (("a", 10), ("b", 30))
    ]
    found = assess(files, task="as-scored")
    assert (found.headline.direction, found.checkpoints[0].graded_by) == ("progress", "correct")
    with pytest.raises(InputError, match=r"give their file with --problems; or --task as-scored, which takes"):
        assess(files)


def test_one_file_with_iterations_holds_several_checkpoints(tmp_path, problems):
    rows = [row(i, 0, right=i < 30 * t, iteration=t) for t in (1, 2, 3) for i in range(100)]
    path = lines(tmp_path / "all.jsonl", rows)
    found = assess([path], problems=problems)
    assert [found.value("pass@1", t) for t in (1, 2, 3)] == [0.3, 0.6, 0.9]
    with pytest.raises(InputError, match=r"samples of iterations 1, 2, 3; expected one checkpoint a file"):
        assess([path, path], problems=problems)


# ---- what cannot be used, or not all of it ----


def test_problems_that_one_checkpoint_lacks_are_left_out_of_all_and_said(tmp_path, problems):
    files = [
        checkpoint(tmp_path / "a.jsonl", lambda i, _: i < 40),
        checkpoint(tmp_path / "b.jsonl", lambda i, _: i < 40, count=80),
    ]
    found = assess(files, problems=problems)
    assert (found.common, found.value("pass@1", 1)) == (80, 0.5)
    assert found.left_out == ("20 problems of checkpoint 1 that not all checkpoints have",)
    other = lines(tmp_path / "c.jsonl", [row(99, 0, right=True)])
    with pytest.raises(InputError, match=r"c\.jsonl: none of its 1 problems is one of all checkpoints'"):
        assess([files[1], other], problems=problems)


def test_other_kinds_of_samples_in_every_checkpoint_are_refused(tmp_path, problems):
    files = [
        checkpoint(tmp_path / "a.jsonl", lambda i, _: i < 40),
        checkpoint(tmp_path / "b.jsonl", lambda i, _: i < 40, samples=2),
    ]
    with pytest.raises(InputError, match="no kind of samples in common"):
        assess(files, problems=problems)


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([row(0, 0, right=True)] * 2, {}, r"s\.jsonl:2: sample 0 of problem 'p0' stands there twice"),
        ([row(500, 0, right=True)], {}, r"s\.jsonl:1: problem 'p500', which is not among the 100 problems"),
        ([row(0, 0, right=True, role="boss")], {}, r"s\.jsonl:1: role 'boss'; expected one of greedy, ood"),
        ([row(0, 0, right=True)], {"task": "mbpp"}, "problem p0: it has no tests"),
        ([row(0, 0, right=True)], {"task": "math"}, "problem p0: .*boxed"),
        ([row(0, 0, right=True)], {"task": "chess"}, "--task chess: no such task; known: gsm8k, "),
        ([row(0, 0, right=True)], {"task": "as-scored"}, r"s\.jsonl:1: no judgement of sample 0"),
        ([row(0, 0, right=True)], {"encoder": "nowhere"}, "--encoder nowhere: no config.json"),
        ([], {}, "no sample in it"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, problems, rows, options, said):
    with pytest.raises(InputError, match=said):
        assess([lines(tmp_path / "s.jsonl", rows)], problems=problems, **options)


def test_a_wrong_task_of_which_no_answer_is_read_is_noted(tmp_path, problems):
    path = checkpoint(tmp_path / "s.jsonl", lambda *_: True)
    found = assess([path], problems=problems, task="gsm8k_cot")
    assert any("100% of the samples give no answer that the rule of gsm8k_cot reads" in each for each in found.left_out)


def test_files_are_a_list(tmp_path):
    with pytest.raises(InputError, match="expected a list of files"):
        assess(str(tmp_path))
    with pytest.raises(InputError, match="no file of generations"):
        assess([])
    with pytest.raises(InputError, match="no such file or folder"):
        assess([tmp_path / "none"])


# ---- the Python API ----


def test_results_are_frozen_and_tables_are_data_frames(tmp_path, problems, monkeypatch):
    files = [checkpoint(tmp_path / f"{n}.jsonl", lambda i, _, c=c: i < c) for n, c in (("a", 40), ("b", 60))]
    found = selfimp_bench.assess(files, problems=str(problems), task="gsm8k")
    with pytest.raises(AttributeError):
        found.common = 3
    frame = found.to_pandas()
    assert list(frame[frame.metric == "pass@1"].value) == [0.4, 0.6]
    assert list(found.to_pandas("changes").columns)[:4] == ["metric", "split", "first", "last"]
    assert len(found.to_pandas("problem_values")) == len(found.problem_values)
    with pytest.raises(ValueError, match="no table 'x'"):
        found.to_pandas("x")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        found.to_pandas()


def test_parquet_and_lines_give_the_same_assessment(tmp_path, problems):
    path = checkpoint(tmp_path / "a.jsonl", lambda i, s: (i + s) % 3 == 0, samples=3)
    rows = list(map(json.loads, path.read_text().splitlines()))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "b.parquet")
    found = assess([path, tmp_path / "b.parquet"], problems=problems)
    assert [each.format for each in found.checkpoints] == ["samples, JSONL", "samples, Parquet"]
    assert all(each.estimate in (0.0, None) for each in found.changes)
    assert found.headline.direction == "no change shown"


def test_assessing_imports_nothing_heavy_and_the_package_alone_hardly_anything():
    code = (
        "import sys, selfimp_bench; assert not [n for n in sys.modules if n.startswith('selfimp_bench.')]; "
        f"selfimp_bench.assess([{str(MADE / 'lm-eval-sampled' / 't1')!r}]); "
        "print(sorted(n for n in ('torch', 'transformers', 'datasets', 'pandas', 'matplotlib') if n in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
