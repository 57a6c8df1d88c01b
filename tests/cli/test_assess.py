"""`assess` on a screen, as JSON and as a page; several files after one flag; and what `grade` reads with it."""

import json
import random
import re
import resource
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from page import read_page, seen_in

from selfimp_bench.cli.app import cli
from selfimp_bench.tasks.fields import TASK_FIELDS
from selfimp_bench.tasks.grading.graders import GRADERS

MADE = Path(__file__).parent.parent / "runs" / "generations" / "made"
GREEDY = [MADE / "lm-eval-greedy" / f"t{t}" for t in (1, 2, 3)]
SAMPLED = [MADE / "lm-eval-sampled" / f"t{t}" for t in (1, 2, 3)]


def call(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_the_answer_fits_eighty_columns_and_begins_with_the_headline():
    result = call("assess", *SAMPLED)
    assert result.exit_code == 0, result.output
    out = result.stdout.splitlines()
    assert max(map(len, out)) <= 80
    assert out[0].startswith("progress: coverage rose, +0.2875")
    assert "lm-evaluation-harness samples" in " ".join(result.stdout.split())
    assert any(line.startswith("- Sentence-BERT diversity: no sentence encoder") for line in out)


def test_the_json_holds_what_the_screen_says_and_the_page_is_whole(tmp_path):
    page_of = ("--report", tmp_path / "new" / "page.html", "--no-samples")
    found = json.loads(call("assess", *SAMPLED, "--json", *page_of).stdout)
    assert (found["schema"], found["headline"]["direction"], found["common"]) == (1, "progress", 40)
    page = (tmp_path / "new" / "page.html").read_text()
    read = read_page(page)
    targets = [each for each in read.targets if not each.startswith("data:")]  # files to take away
    assert {target.partition("#")[0] for target in targets} == {""} and len(targets) < len(read.targets)
    assert not {"script", "img", "link"} & read.tags
    text = seen_in(page)
    assert found["headline"]["sentence"] in text
    assert '<p class="sentence">Progress: coverage rose, 0.3875 to 0.675, by 0.2875 (0.1558 to 0.4192).</p>' in page
    answer, every = (
        page.partition(f'<section id="{name}"')[2].partition("</section>")[0] for name in ("answer", "all")
    )
    assert answer.index(">Shown<") < answer.index(">Measured<")
    assert "Not seen: out of distribution, distinct-n of correct outputs, in equal numbers (of 14 problems;" in answer
    assert 'class="up better"' in answer and 'class="unclear' in answer
    assert 'class="up"' in every and 'class="unclear' not in every
    assert re.search(r'rowgroup"[^>]*>Distinct-n of correct outputs, in equal numbers <', every)
    for each in found["measurements"]:
        assert each["value"] is None or f"{each['value']:.4f}".replace("-0.0000", "0.0000") in text, each["metric"]
    assert call("assess", *SAMPLED, "--report", tmp_path / "page.txt").exit_code == 2


def test_the_page_has_every_generation_to_browse(tmp_path):
    assert call("assess", *SAMPLED, "--report", tmp_path / "page.html").exit_code == 0
    page = (tmp_path / "page.html").read_text()
    assert "All 480 completions and judgements" in seen_in(page)
    (index,) = re.findall(r'id="samples-index">([^<]*)<', page)
    codes = ["".join(problem[4:]) for problem in json.loads(index)["problems"]]
    assert len(codes) == 40 and set(map(len, codes)) == {12}
    (part,) = re.findall(r'id="samples-part-0">([^<]*)<', page)
    files = [path for each in SAMPLED for path in each.glob("*.jsonl")]
    rows = [(path, json.loads(line)) for path in files for line in path.read_text().splitlines()]
    once = {(path, row["doc_id"]): row["resps"][0] for path, row in rows}  # a row a filter
    wrote = sorted(text for texts in once.values() for text in texts)
    assert sorted(each[0] for problem in json.loads(part) for own in problem["said"] for each in own) == wrote


def test_files_after_one_flag_are_all_taken(tmp_path):
    result = call("assess", *GREEDY, "--ood", *SAMPLED, "--json")
    found = json.loads(result.stdout)
    assert (found["common"], found["ood_common"]) == (40, 40)
    out = tmp_path / "g.jsonl"
    files = [next(each.glob("*.jsonl")) for each in GREEDY[:1]]
    done = call(
        "grade", "--task", "gsm8k", "--samples", *files, next(SAMPLED[0].glob("*.jsonl")), "--out", out, "--json"
    )
    assert done.exit_code == 0, done.output
    assert sum(json.loads(done.stdout)["outcomes"].values()) == 200
    assert len(out.read_text().splitlines()) == 200


def test_the_screen_of_one_checkpoint_has_no_direction():
    result = call("assess", GREEDY[0])
    assert result.stdout.startswith("measured: one checkpoint has no direction")
    assert "pass@1.level-5" in result.stdout


def test_the_page_of_one_checkpoint_has_no_answer_and_every_number(tmp_path):
    assert call("assess", GREEDY[0], "--report", tmp_path / "page.html", "--no-samples").exit_code == 0
    page = (tmp_path / "page.html").read_text()
    assert '<p class="sentence">Measured: one checkpoint has no direction;' in page
    assert 'id="answer"' not in page and "First to last" not in page
    assert "1 checkpoint, gsm8k, measured on 40 problems" in seen_in(page) and "Accuracy (pass@1), level 5" in page


def test_errors_are_words_and_exit_code_2(tmp_path):
    for arguments in ((tmp_path / "none",), (tmp_path,), (GREEDY[0], "--task", "chess"), (GREEDY[0], "--ood", *GREEDY)):
        result = call("assess", *arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("selfimp-bench: "), result.stderr
        assert "Traceback" not in result.output


def test_help_of_both_names_every_task_and_the_fields():
    assert TASK_FIELDS.keys() == GRADERS.keys()
    for command in ("grade", "assess"):
        text = " ".join(call(command, "--help").stdout.split())
        for task, fields in TASK_FIELDS.items():
            assert f"{task}: {fields}" in text
        assert "problem_id, sample_index" in text
        assert "lm-evaluation-harnesssamples(--log_samples)" in text.replace(" ", "")


@pytest.mark.slow
def test_1319_problems_with_64_samples_each(tmp_path):
    """Three checkpoints of the size of a whole GSM8K evaluation: within minutes of processor time, and in 2.5 GB."""
    draw = random.Random(1)
    problems = tmp_path / "p.jsonl"
    rows = [{"question": f"What is {i}?", "answer": f"So.\n#### {i}"} for i in range(1319)]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = []
    for share in (0.3, 0.4, 0.5):
        files.append(tmp_path / f"{share}.jsonl")
        with files[-1].open("w") as stream:
            for i in range(1319):
                for s in range(64):
                    a, b = draw.randrange(1, 90), draw.randrange(1, 90)
                    value = i if draw.random() < share else draw.randrange(2000)
                    text = f"She has {a} and gets {b}, so {a} + {b} = {a + b}. Then {a} * 2 = {2 * a}.\n#### {value}"
                    row = {"problem_id": str(i), "sample_index": s, "completion": text}
                    stream.write(json.dumps(row) + "\n")
    began = time.process_time()
    result = call("assess", *files, "--problems", problems, "--json")
    found = json.loads(result.stdout)
    assert found["headline"]["direction"] in ("progress", "reversal")
    assert found["checkpoints"][0]["samples"] == 1319 * 64
    assert time.process_time() - began < 600
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2.5e6
