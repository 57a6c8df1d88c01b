"""What is wrong: the exceptions a user can meet, and one flaw of an input file.

    SelfimpError
    ├── InputError      the input is wrong: exit code 2
    │   └── NotReady        this machine lacks what a run needs, and no step has begun
    └── StepFailed      a step of a run failed: exit code 4
        └── MachineLost     because a machine that took part in it went away

Both print without a traceback. Any other exception is a bug of ours and keeps its traceback.
"""

from dataclasses import dataclass


class SelfimpError(Exception):
    """What a user can mend. The message says where, what was found, what was expected and what to do."""

    exit_code = 2


class InputError(SelfimpError):
    """A file, name, option or environment that cannot be used as it is."""


class NotReady(InputError):
    """A GPU, a volume or something to be fetched is missing, which is found before any step begins."""


class StepFailed(SelfimpError):
    """A step of a run could not finish; finished steps are kept, so the same command resumes."""

    exit_code = 4


class MachineLost(StepFailed):
    """A machine that took part in a step went away; elsewhere the step may well succeed."""


@dataclass(frozen=True, kw_only=True, order=True)
class Flaw:
    """``line`` and ``column`` count from 1, in characters; ``where`` is the place in the data (``$.sft.epochs``)."""

    file: str
    line: int
    column: int
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column} {self.where}: {self.message}"
