"""Blocks of the pages: those that ci/readme runs, the cluster's, and what a page shows as printed."""

import re
import shlex
import subprocess

import click
import pytest
import yaml
from docs_pages import ALL_BLOCKS, COMMAND_LANGUAGES, FOR, PAGES, ROOT, Block, parse

NAMED = [block for block in ALL_BLOCKS if block.mark == "run"]


def test_host_and_container_on_cpu_and_gpu_each_have_a_block() -> None:
    assert {block.mark_value for block in NAMED} == {"host-cpu", "host-gpu", "container-cpu", "container-gpu"}


def test_every_mark_belongs_to_a_block_of_commands_and_says_something_known() -> None:
    written = sum(len(re.findall(r"^<!-- (?:run|for): ", page.read_text("utf-8"), re.MULTILINE)) for page in PAGES)
    marked = [block for block in ALL_BLOCKS if block.mark]
    assert len(marked) == written
    assert [block.place for block in marked if block.language not in COMMAND_LANGUAGES] == []
    assert {block.mark_value for block in marked if block.mark == "for"} <= set(FOR)


def test_a_block_on_two_pages_is_the_same() -> None:
    texts = {(block.mark_value, block.text) for block in NAMED}
    assert len(texts) == len({name for name, _ in texts})


def test_ci_readme_finds_the_blocks_as_they_are() -> None:
    listed = subprocess.run([ROOT / "ci/readme", "--list"], capture_output=True, text=True, check=True).stdout
    for block in NAMED:
        assert f"== {block.mark_value}\n{block.text}" in listed
    assert listed.count("\n== ") + 1 == len({block.mark_value for block in NAMED})


@pytest.mark.parametrize("block", [each for each in ALL_BLOCKS if each.commands()], ids=lambda block: block.place)
def test_a_block_is_a_script_of_things_that_exist(block: Block) -> None:
    text = "\n".join(block.commands())
    subprocess.run(["bash", "-n", "-c", text], check=True)
    for script in re.findall(r"^(?:\w+=\S+ )*(ci/\S+)", text, re.MULTILINE):
        assert (ROOT / script).stat().st_mode & 0o111


def cluster_blocks(first_word: str) -> list[Block]:
    """The blocks of the page on clusters that begin with a word."""
    return [each for each in ALL_BLOCKS if each.page == "docs/how-to/cluster.md" and each.text.startswith(first_word)]


def test_each_scheduler_s_command_is_one_that_the_command_line_takes() -> None:
    lines = [line for block in cluster_blocks(".venv/bin/selfimp-bench") for line in block.commands()]
    said = [parse(shlex.split(line)[1:]).params for line in lines]
    assert [each["executor_name"] for each in said] == ["slurm", "slurm", "ray"]
    assert [each["slurm_image"] is not None for each in said] == [False, True, False]
    with pytest.raises(click.UsageError):
        parse(["reproduce", "gsm8k-iter-sft", "--executor", "kubernetes"])


def test_the_kubernetes_job_runs_the_image_as_it_is_built() -> None:
    """The API's schemas (1.29 to 1.37, by the package kubernetes-validate) take it; they are too large to keep here."""
    (block,) = cluster_blocks("apiVersion:")
    job = yaml.safe_load(block.text)["spec"]
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
