"""The README's blocks that ci/readme runs, and the definition for Apptainer that it names."""

import csv
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from selfimp_bench.cli.app import COMMANDS, cli

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
BLOCKS = dict(re.findall(r"^<!-- run: (.+?) -->\n```\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))


def test_host_and_container_on_cpu_and_gpu_each_have_a_block() -> None:
    assert set(BLOCKS) == {"host-cpu", "host-gpu", "container-cpu", "container-gpu"}
    assert TEXT.count("<!-- run: ") == len(BLOCKS)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_a_script_of_things_that_exist(name: str) -> None:
    subprocess.run(["bash", "-n", "-c", BLOCKS[name]], check=True)
    for script in re.findall(r"^(ci/\S+)", BLOCKS[name], re.MULTILINE):
        assert (ROOT / script).stat().st_mode & 0o111
    for command, experiment in re.findall(r"(?:bin/selfimp-bench|selfimp-bench:\w+) (\S+) (\S+)", BLOCKS[name]):
        assert command in COMMANDS
        assert CliRunner().invoke(cli, ["show", experiment, "--json"]).exit_code == 0


@pytest.mark.parametrize("accelerator", ["cpu", "cuda"])
def test_the_apptainer_definition_installs_the_same_lock_with_hashes(accelerator: str) -> None:
    made = subprocess.run([ROOT / "ci" / "apptainer", accelerator], capture_output=True, text=True, check=True).stdout
    base = re.search(
        r"^ARG BASE_IMAGE=(\S+):\S+(@sha256:[0-9a-f]{64})$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert base is not None
    assert [line for line in made.splitlines() if line.startswith("From:")] == [f"From: {base[1]}{base[2]}"] * 2
    assert f"ci/locks/{accelerator}.lock /build/ci/locks/{accelerator}.lock" in made
    assert f"export ACCELERATOR={accelerator}" in made and 'exec selfimp-bench "$@"' in made
    for step in made.splitlines():
        for install in re.findall(r"pip (?:install|wheel|--python \S+ install) [^&]*", step):
            assert "--require-hashes" in install or "--no-index" in install
    for script in re.findall(r"%post\n(.*?)\n\n", made, re.DOTALL):
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def cluster_blocks(first_word: str) -> list[str]:
    """The blocks of Clusters that begin with a word."""
    section = TEXT[TEXT.index("\n## Clusters\n") : TEXT.index("\n## What the miniature says\n")]
    blocks = re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if block.startswith(first_word)]


def parse(words: list[str]) -> click.Context:
    """A command as the command line takes it, not run. Raises click's errors."""
    outer = click.Context(cli)
    command = cli.get_command(outer, words[0])
    assert command is not None
    return command.make_context(words[0], list(words[1:]), parent=outer)


def test_each_scheduler_s_command_is_one_that_the_command_line_takes() -> None:
    text = "".join(cluster_blocks(".venv/bin/selfimp-bench")).replace("\\\n", " ")
    said = [parse(shlex.split(line)[1:]).params for line in text.splitlines()]
    assert [each["executor_name"] for each in said] == ["slurm", "slurm", "ray"]
    assert [each["slurm_image"] is not None for each in said] == [False, True, False]
    with pytest.raises(click.UsageError):
        parse(["reproduce", "gsm8k-iter-sft", "--executor", "kubernetes"])


def test_the_kubernetes_job_runs_the_image_as_it_is_built() -> None:
    """The API's schemas (1.29 to 1.37, by the package kubernetes-validate) take it; they are too large to keep here."""
    (block,) = cluster_blocks("apiVersion:")
    job = yaml.safe_load(block)["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"--uid {pod['securityContext']['runAsUser']} " in dockerfile
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
    assert f"SELFIMP_BENCH_VOLUME={mounts['data']} " in dockerfile
    assert parse(container["args"]).params["only"]
    assert job["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [1, 2, 3]
    assert pod["restartPolicy"] == "Never"  # with another one Kubernetes takes no podFailurePolicy


MINIATURE = {
    "greedy pass@1": "test.pass@1",
    "pass@8": "test.pass@8",
    "coverage": "test.coverage",
    "distinct-n of correct outputs": "test.distinct-n.correct",
    "distinct equations of correct outputs": "test.distinct-equations.correct",
    "Sentence-BERT diversity of correct outputs": "test.sbert-diversity.correct",
    "greedy pass@1, out of distribution": "ood.pass@1",
    "group disparity, out of distribution": "ood.group-disparity",
}


GAP = {
    "accuracy": "accuracy",
    "pass@8": "pass@8",
    "gap, multiple choice (quantile 0.8)": "gap.mc.q0.8",
    "gap, chain of thought, binary": "gap.cot-binary.t1",
    "gap, chain of thought, score 8 and more": "gap.cot-score.t8",
    "gap, tournament of three rounds": "gap.tournament.r3",
    "gap, the first three together": "gap.and(mc.q0.8+cot-binary.t1+cot-score.t8)",
    "relative gap, multiple choice (quantile 0.7)": "relative-gap.mc.q0.7",
}

ROUNDS = {
    "accuracy": "test.accuracy",
    "pass@8": "test.pass@8",
    "gap, chain of thought, binary": "test.gap.cot-binary.t1",
    "share that the verifier keeps": "test.kept-share.cot-binary.t1",
}


def cells(name: str) -> dict[str, str]:
    """Mean and standard deviation, as the README writes them, by row of a reference table."""
    with (ROOT / f"reference_results/tiny/{name}.v1.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: f"{float(row['printed']):.3f} ± {float(row['sd']):.3f}" for row in csv.DictReader(file)}


def test_what_the_miniature_says_is_what_its_reference_tables_say() -> None:
    columns = (("sft", 1), ("sft", 5), ("dpo", 5), ("sft-dpo", 5))
    tables = {method: cells(f"tiny-iter-{method}") for method, _ in columns}
    for words, cell in MINIATURE.items():
        row = " | ".join(tables[method][f"{cell}.t{t}"] for method, t in columns)
        assert f"\n| {words} | {row} |\n" in TEXT


def test_what_the_miniature_says_of_the_gap_is_what_its_reference_tables_say() -> None:
    table = cells("tiny-gv-gap")
    for words, cell in GAP.items():
        row = " | ".join(table[f"tiny-verifier-{size}.test.{cell}.t0"] for size in ("xs", "s", "m", "l"))
        assert f"\n| {words} | {row} |\n" in TEXT
    table = cells("tiny-iter-rejection")
    for words, cell in ROUNDS.items():
        row = " | ".join(table[f"{cell}.t{t}"] for t in range(4))
        assert f"\n| {words} | {row} |\n" in TEXT


def test_the_assessment_shown_is_what_the_command_says(monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"^<!-- shown -->\n```\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    command, *shown = block.splitlines()
    words = shlex.split(command.removeprefix("$ selfimp-bench "))
    folder = words.pop().removesuffix("{1,2,3}")
    monkeypatch.chdir(ROOT)
    said = CliRunner().invoke(cli, [*words, *(f"{folder}{t}" for t in (1, 2, 3))]).stdout.splitlines()
    assert [line for line in shown if line and not line.startswith("[")] == [
        line for line in said if line in shown and line
    ]
    assert sum(line in said for line in shown) > 8
