"""selfimp-bench: run a published self-improvement experiment from one pinned file and get an honest verdict.

``selfimp_bench.assess(files, ...)`` is the Python API: progress or regress, of anybody's generations.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selfimp_bench.runs.assess.assess import assess as assess

__all__ = ["assess"]


def __getattr__(name: str) -> Any:
    if name == "assess":
        from selfimp_bench.runs.assess.assess import assess

        return assess
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
