"""Disturb runs, and say how often and what came of it. Exit code 1 where anything was lost, changed or left.

PYTHONPATH=benchmark:tests python -m faults [KIND ...] [--times N] [--seed S] [--folder F]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.dataset  # noqa: F401  # else every run imports it

from faults.kinds import KINDS


def main() -> int:
    """Do the kinds asked for, one after the other."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; all where none is named")
    arguments.add_argument("--times", type=int, help="faults of each kind, in place of its own number")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--folder", type=Path, help="where homes are made and left")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
        folder = given.folder or Path(scratch)
        faults = 0
        for kind in given.kinds or KINDS:
            began = time.monotonic()
            tally = KINDS[kind](folder / kind, given.times, given.seed)
            counts = ", ".join(f"{number} {name}" for name, number in sorted(tally.done.items()))
            sys.stdout.write(f"{kind}: {counts}; {len(tally.faults)} faults; {time.monotonic() - began:.1f} s\n")
            sys.stdout.writelines(f"  {fault}\n" for fault in tally.faults)
            sys.stdout.flush()
            faults += len(tally.faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
