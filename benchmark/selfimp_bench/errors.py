"""The exceptions a user can meet.

    SelfimpError
    ├── InputError      the input is wrong: exit code 2
    └── StepFailed      a step of a run failed: exit code 4
        └── MachineLost     because a machine that took part in it went away

Both print without a traceback. Any other exception is a bug of ours and keeps its traceback.
"""


class SelfimpError(Exception):
    """What a user can mend. The message says where, what was found, what was expected and what to do."""

    exit_code = 2


class InputError(SelfimpError):
    """A file, name, option or environment that cannot be used as it is."""


class StepFailed(SelfimpError):
    """A step of a run could not finish; finished steps are kept, so the same command resumes."""

    exit_code = 4


class MachineLost(StepFailed):
    """A machine that took part in a step went away; elsewhere the step may well succeed."""
