"""The definition for Apptainer is made of the Dockerfile and the locks."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


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
