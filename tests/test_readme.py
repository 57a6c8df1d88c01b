"""The README's blocks that ci/readme runs, and the definition for Apptainer that it names."""

import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from selfimp_bench.cli import cli

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
        assert command in cli.commands
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
