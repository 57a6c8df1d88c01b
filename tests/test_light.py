"""The wheel alone, in an empty environment: what a reviewer installs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_what_a_reviewer_installs_looks_at_everything_and_says_what_a_run_needs() -> None:
    run = subprocess.run(
        [ROOT / "ci" / "light"],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "trl needs trl, transformers, accelerate" in run.stdout
    assert "pip install 'selfimp-bench[run]'" in run.stdout
