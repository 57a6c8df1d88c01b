"""Slurm's commands as scripts that work on this machine, for what submitit and we say to them."""

import os
from pathlib import Path

import pytest

SRUN = """#!/bin/sh
# Runs a command once for each of --ntasks, as processes of this machine.
printf '%s\\n' "$@" > "$0.said"
while :; do
  case "$1" in
    --ntasks=*) tasks=${1#*=}; shift ;;
    --*) shift ;;
    *) break ;;
  esac
done
for task in $(seq 0 $((tasks - 1))); do SLURM_PROCID=$task "$@" & last=$!; done
wait $last
"""
SBATCH = """#!/bin/sh
echo Submitted batch job 7
"""


def slurm_here(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Put srun and sbatch on the PATH, as on a job's first node. What srun is told goes to the file returned."""
    folder.mkdir()
    for name, script in (("srun", SRUN), ("sbatch", SBATCH)):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    patch.setenv("SLURMD_NODENAME", "first")
    return folder / "srun.said"
