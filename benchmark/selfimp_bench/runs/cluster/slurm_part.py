"""A node's share of a training that spans a Slurm job's nodes.

``srun ... python -m selfimp_bench.runs.cluster.slurm_part``.

Its arguments are those of ``meeting_arguments``. The node where the training began is none of srun's, and number 0.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from selfimp_bench.engines.trl.machines import Meeting
from selfimp_bench.engines.trl.trainer import take_part


def meeting_arguments(meeting: Meeting) -> list[str]:
    """A meeting as arguments, without a machine's own number."""
    return [str(meeting.job), str(meeting.machines), meeting.address, str(meeting.port), *meeting.stages]


def meeting_of(arguments: Sequence[str], machine: int) -> Meeting:
    """The meeting that arguments say, as that machine."""
    job, machines, address, port, *stages = arguments
    return Meeting(
        job=Path(job),
        stages=tuple(stages),
        machines=int(machines),
        machine=machine,
        address=address,
        port=int(port),
    )


if __name__ == "__main__":
    left = take_part(meeting_of(sys.argv[1:], int(os.environ["SLURM_PROCID"]) + 1))
    sys.stderr.write(left.log)
    sys.exit(abs(left.code))
