"""What kind of work a task's grading is: apart from the graders, which are much to import."""

from typing import Final

UNTRUSTED: Final = frozenset({"mbpp"})
"""Tasks whose answers are programs, which run in the sandbox."""

PARALLEL: Final = UNTRUSTED | {"math", "minerva_math"}
"""Tasks whose grader may be asked from several threads at once with profit: the work is done in other processes."""
