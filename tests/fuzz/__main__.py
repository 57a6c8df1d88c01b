"""Read damaged files by the thousand. Exit code 1 where one gave a traceback, hung, or was accepted as it is not.

    PYTHONPATH=benchmark:tests python -m fuzz [TARGET ...] [--inputs 100000] [--seed S]

Edits are drawn at random; ``fuzz.coverage`` chooses by the code that inputs reach.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from fuzz.drive import Fed, feed, limit_memory, words
from fuzz.targets import targets


def main() -> int:
    """Feed the targets asked for."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("targets", nargs="*", metavar="TARGET")
    arguments.add_argument("--inputs", type=int, default=100_000, help="of all targets together, or of those named")
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    crashes = 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        known = targets(Path(scratch))
        chosen = [known[name] for name in given.targets] if given.targets else list(known.values())
        shares = sum(each.share for each in chosen)
        inputs = Path(scratch, "inputs")
        inputs.mkdir()
        limit_memory()
        for target in chosen:
            began, fed, draw = time.monotonic(), Fed(), random.Random(f"{given.seed} {target.name}")
            for number in range(len(target.seeds)):
                feed(target, number, [], inputs, fed)
            assert fed.counts == {"accepted": len(target.seeds)}, f"{target.name}, as they are: {fed}"
            for number in range(round(given.inputs * target.share / shares)):
                edits = [(draw.getrandbits(30), draw.getrandbits(30)) for _ in range(draw.randint(1, 4))]
                feed(target, number, edits, inputs, fed)
            sys.stdout.write(f"{words(target, fed, time.monotonic() - began)}\n")
            sys.stdout.flush()
            crashes += fed.counts["crashed"]
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
