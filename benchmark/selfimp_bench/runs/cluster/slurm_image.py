"""Slurm jobs inside the image: by Apptainer, which the job's own script calls, or by Pyxis, which srun knows.

In both the home has the path that it has outside, and is the image's volume, too; manifests' folders have theirs, and
nothing else of the machine is seen.
"""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from selfimp_bench.errors import InputError

PYTHON: Final = "/opt/venv/bin/python"
"""In the image (see the Dockerfile)."""

VOLUME: Final = "/data"
"""Likewise: where it expects its volume."""


class JobImage:
    """How a job gets into an image. ``python``: the command for its Python, as of a shell. ``srun``: options for it.

    image: ``FILE.sif`` is Apptainer's; anything else is a name or file that Pyxis takes (``--container-image``).
    Raises InputError for a file that is not there.
    """

    def __init__(self, image: str, home: Path, manifests: Iterable[Path]) -> None:
        is_file = image.endswith((".sif", ".sqsh"))
        if is_file and not Path(image).is_file():
            raise InputError(f"--slurm-image {image}: not found; docs/how-to/container.md says how it is made")
        path = str(Path(image).resolve()) if is_file else image
        folders = sorted(set(manifests))
        self.srun: Sequence[str] = ()
        if image.endswith(".sif"):
            binds = [f"{home}", f"{home}:{VOLUME}", *(f"{folder}:{folder}:ro" for folder in folders)]
            bound = [f"--bind={each}" for each in binds]
            self.python = shlex.join(["apptainer", "exec", "--nv", "--contain", "--no-home", *bound, path, PYTHON])
        else:
            mounts = [f"{home}:{home}", f"{home}:{VOLUME}", *(f"{folder}:{folder}:ro" for folder in folders)]
            self.python = PYTHON
            self.srun = (
                f"--container-image={path}",
                f"--container-mounts={','.join(mounts)}",
                "--no-container-mount-home",
            )
