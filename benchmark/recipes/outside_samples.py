"""Have other tools answer the tiny test problems, with the checkpoints of a finished tiny run: what `assess` reads.

    python benchmark/recipes/outside_samples.py HOME OUT --lm-eval PYTHON --vllm PYTHON --inspect PYTHON [--problems 40]

HOME holds a finished `reproduce tiny-iter-sft`; each PYTHON is of an environment of its own with that tool (lm-eval
0.4.13, inspect_ai 0.3.285, vllm 0.32.0 with openai; all with torch 2.13.0 and transformers 5.19.0 made the files in
``tests/runs/generations/made``). Written under OUT: ``problems.jsonl``, and for each tool a folder with one file for
each of M_1, M_2 and M_3 (``t1`` ..), greedy answers, and of lm-eval and vLLM four samples of each problem, too.
``expected.json`` holds what the run itself measured of these problems, and what lm-eval and inspect_ai counted as
correct.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from selfimp_bench.runs.judge import read_run
from selfimp_bench.steps.dataset import read_problems

CHECKPOINTS = (1, 2, 3)
SAMPLES = 4
TEMPERATURE = 0.75
LM_EVAL_TASK = """task: gsm8k_tiny
dataset_path: json
dataset_kwargs: {{data_files: {{test: "{problems}"}}}}
output_type: generate_until
test_split: test
num_fewshot: 0
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_target: "{{{{answer}}}}"
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true, regexes_to_ignore: [",", "\\\\$", "(?s).*#### "]}}
generation_kwargs: {generation}
repeats: {repeats}
filter_list:
  - name: strict-match
    filter: [{{function: regex, regex_pattern: "#### (\\\\-?[0-9\\\\.\\\\,]+)"}}, {{function: take_first}}]
  - name: flexible-extract
    filter:
      - {{function: regex, group_select: -1, regex_pattern: "(-?[$0-9.,]{{2,}})|(-?[0-9]+)"}}
      - {{function: take_first}}
"""
INSPECT_TASK = """
import json
from pathlib import Path
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import match
from inspect_ai.solver import generate

@task
def gsm8k():
    rows = [json.loads(line) for line in Path("problems.jsonl").read_text().splitlines()]
    samples = [
        Sample(
            id=r["problem_id"],
            input=f"Question: {r['question']}\\nAnswer:",
            target=r["answer"].split("####")[1].strip(),
            metadata={"question": r["question"], "answer": r["answer"], "level": r["level"]},
        )
        for r in rows
    ]
    return Task(dataset=samples, solver=generate(), scorer=match(numeric=True))
"""
OF_VLLM = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1"}
READ_INSPECT = """
import sys
from inspect_ai.log import read_eval_log
print(read_eval_log(sys.argv[1], header_only=True).results.scores[0].metrics["accuracy"].value)
"""
PLAIN = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


MODEL_ARGS = {"model_path": "model", "chat_template": PLAIN, "device": "cpu", "do_sample": False}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("out", type=Path)
    for tool in ("lm-eval", "vllm", "inspect"):
        parser.add_argument(f"--{tool}", metavar="PYTHON")
    parser.add_argument("--problems", type=int, default=40)
    asked = parser.parse_args()
    out, home = asked.out.resolve(), asked.home.resolve()
    out.mkdir(parents=True, exist_ok=True)
    run = read_run(next((home / "runs" / "tiny-iter-sft").iterdir()))
    steps = {step.id: home / "store" / step.fingerprint for step in run.record.steps}
    problems = read_problems(steps["problems/test"] / "problems.parquet")[: asked.problems]
    rows = pq.read_table(steps["problems/test"] / "problems.parquet").to_pylist()[: asked.problems]
    kept = [{key: value for key, value in row.items() if value is not None} for row in rows]
    (out / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    ids = {problem.problem_id for problem in problems}
    expected = {
        "run": {
            str(t): sum(
                each.value or 0.0
                for each in run.problem_values
                if (each.metric, each.split, each.iteration) == ("pass@1", "test", t) and each.problem_id in ids
            )
            / len(ids)
            for t in CHECKPOINTS
        }
    }
    for t in CHECKPOINTS:
        model = steps[f"tiny-gsm-base/seed{run.record.seeds[0]}/t{t}/train"]
        if asked.lm_eval:
            expected.setdefault("lm-eval", {})[str(t)] = lm_eval(asked.lm_eval, model, out, t)
        if asked.vllm:
            vllm(asked.vllm, model, out, t)
        if asked.inspect:
            expected.setdefault("inspect", {})[str(t)] = inspect(asked.inspect, model, out, t)
    kept_before = json.loads((out / "expected.json").read_text()) if (out / "expected.json").is_file() else {}
    (out / "expected.json").write_text(json.dumps({**kept_before, **expected}, indent=1) + "\n")


def call(command: Sequence[str | Path], folder: Path) -> None:
    """Run a command; what it prints goes to a log."""
    with (folder / "log.txt").open("ab") as log:
        found = subprocess.run(
            [str(each) for each in command], cwd=folder, stdout=log, stderr=log, env={**os.environ, **OF_VLLM}
        )
    if found.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed; see {folder}/log.txt")


def lm_eval(python: str, model: Path, out: Path, t: int) -> float:
    """Greedy answers and samples by lm-evaluation-harness; its own accuracy of the greedy ones."""
    kinds = {
        "greedy": (1, "{until: [], do_sample: false, max_gen_toks: 64}"),
        "sampled": (SAMPLES, f"{{until: [], do_sample: true, temperature: {TEMPERATURE}, max_gen_toks: 64}}"),
    }
    accuracy = 0.0
    for kind, (repeats, generation) in kinds.items():
        work = out / "work" / f"lm-eval-{kind}-t{t}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        task = LM_EVAL_TASK.format(problems=out / "problems.jsonl", generation=generation, repeats=repeats)
        (work / "gsm8k_tiny.yaml").write_text(task)
        arguments = f"pretrained={model},dtype=float32,add_bos_token=False"
        call(
            [python, "-m", "lm_eval", "--model", "hf", "--model_args", arguments, "--tasks", "gsm8k_tiny",
             "--include_path", work, "--device", "cpu", "--batch_size", "16", "--output_path", work / "out",
             "--log_samples", "--seed", "1"],
            work,
        )  # fmt: skip
        (made,) = (work / "out").rglob("samples_*.jsonl")
        folder = out / f"lm-eval-{kind}" / f"t{t}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(made, folder / made.name)
        (results,) = (work / "out").rglob("results_*.json")
        if kind == "greedy":
            accuracy = json.loads(results.read_text())["results"]["gsm8k_tiny"]["exact_match,strict-match"]
    return accuracy


def vllm(python: str, model: Path, out: Path, t: int) -> None:
    """Greedy answers and samples by vLLM's batch runner (on CPUs it fails with a seed); those there are kept."""
    for kind, options in {"greedy": {"temperature": 0}, "sampled": {"temperature": TEMPERATURE, "n": SAMPLES}}.items():
        work = out / "work" / f"vllm-{kind}-t{t}"
        work.mkdir(parents=True, exist_ok=True)
        rows = [json.loads(line) for line in (out / "problems.jsonl").read_text().splitlines()]
        requests = [
            {
                "custom_id": row["problem_id"],
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {
                    "model": "tiny",
                    "messages": [{"role": "user", "content": f"Question: {row['question']}\nAnswer:"}],
                    "max_completion_tokens": 64,
                    **options,
                },
            }
            for row in rows
        ]
        (work / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in requests))
        (work / "plain.jinja").write_text(PLAIN)
        made = out / f"vllm-{kind}" / f"t{t}.jsonl"
        if made.is_file():
            continue
        made.parent.mkdir(parents=True, exist_ok=True)
        call(
            [python, "-m", "vllm.entrypoints.openai.run_batch", "-i", "in.jsonl", "-o", made, "--model", model,
             "--served-model-name", "tiny", "--dtype", "float32", "--enforce-eager", "--max-model-len", "512",
             "--chat-template", "plain.jinja", "--gpu-memory-utilization", "0.1"],
            work,
        )  # fmt: skip


def inspect(python: str, model: Path, out: Path, t: int) -> float:
    """Greedy answers by inspect_ai, as .eval and, of M_1, as .json; its own accuracy."""
    accuracy = 0.0
    for form in ("eval", "json") if t == 1 else ("eval",):
        work = out / "work" / f"inspect-{form}-t{t}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        (work / "task.py").write_text(INSPECT_TASK)
        (work / "model").symlink_to(model)
        (work / "model.json").write_text(json.dumps(MODEL_ARGS))
        shutil.copy(out / "problems.jsonl", work)
        call(
            [Path(python).with_name("inspect"), "eval", "task.py", "--model", "hf/tiny", "--model-config", "model.json",
             "--max-tokens", "64",
             "--log-dir", "logs", "--log-format", form, "--display", "plain", "--no-log-realtime"],
            work,
        )  # fmt: skip
        (made,) = (work / "logs").glob(f"*.{form}")
        kept = out / "inspect" / f"t{t}.{form}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(made, kept)
        if form == "eval":
            found = subprocess.run([python, "-c", READ_INSPECT, kept], capture_output=True, text=True, check=True)
            accuracy = float(found.stdout)
    return accuracy


if __name__ == "__main__":
    main()
