"""What is to be verified: a run folder in its home."""

from pathlib import Path

from selfimp_bench.engines.hub.fetched import hub_folder
from selfimp_bench.errors import InputError
from selfimp_bench.runs.folders import find_run
from selfimp_bench.runs.verifying.found import Verification
from selfimp_bench.runs.verifying.steps import Kept
from selfimp_bench.runs.verifying.verify import verify_run


def verify(run: str, home: Path) -> Verification:
    """Verify a run by its name or folder. Raises InputError where it, or the store that it came from, is not there."""
    folder = find_run(run, home).resolve()
    own = _home_of(folder, home)
    kept = Kept(
        store=own / "store", runs=own / "runs", hub=hub_folder(home), left_out=lambda _stage, _block, _path: False
    )
    return verify_run(folder, kept)


def _home_of(folder: Path, home: Path) -> Path:
    """The home of a run folder: the one that it lies in, else the one named."""
    for own in (folder.parent.parent.parent, home):
        if (own / "store").is_dir() and folder.parent.parent.name == "runs":
            return own
    raise InputError(
        f"{folder}: the store with what its models wrote is not here; expected a run folder in its home "
        "(HOME/runs/NAME/ID beside HOME/store), or a bundle of the run"
    )
