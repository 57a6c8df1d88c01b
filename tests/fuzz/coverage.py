"""Coverage-guided: libFuzzer (atheris) goes on from inputs that reached code which none before them had reached.

    PYTHONPATH=benchmark:tests python -m fuzz.coverage TARGET FOLDER [libFuzzer's options, as -runs=10000]

FOLDER keeps what it goes on from, and is begun with the target's own files. atheris is installed beside (`pip install
atheris`; it has wheels for few versions of Python, and is no part of the locks). It ends at the first crash, with the
input in a file beside.
"""

import random
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["selfimp_bench"]):
    from fuzz.drive import Fed, feed_bytes, limit_memory, words
    from fuzz.edits import edited
    from fuzz.targets import targets


def main() -> None:
    """Explore one target."""
    name, folder, *options = sys.argv[1:]
    scratch = tempfile.TemporaryDirectory(prefix="fuzz-")
    place = Path(scratch.name)
    target = targets(place)[name]
    kept = Path(folder)
    kept.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (kept / seed.name).write_bytes(bytes([number]) + seed.content)
    inputs, fed = place / "inputs", Fed()
    inputs.mkdir()
    limit_memory()

    def one(data: bytes) -> None:
        seed = target.seeds[data[0] % len(target.seeds) if data else 0]
        feed_bytes(target, seed.name, data[1:], inputs, fed, "by coverage")
        if fed.crashes:
            raise RuntimeError(words(target, fed, 0))

    def mutate(data: bytes, most: int, number: int) -> bytes:
        draw = random.Random(number)
        seed = target.seeds[data[0] % len(target.seeds) if data else 0]
        if draw.random() < 0.3:
            return bytes(atheris.Mutate(data, most))
        edits = [(draw.getrandbits(30), draw.getrandbits(30)) for _ in range(draw.randint(1, 3))]
        return (data[:1] + edited(data[1:], seed.form, edits))[:most]

    longest = 2 * max(len(seed.content) for seed in target.seeds)
    atheris.Setup([sys.argv[0], folder, f"-max_len={longest}", *options], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
