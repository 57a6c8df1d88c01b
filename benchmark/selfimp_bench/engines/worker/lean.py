"""Runs a module as if packages were not installed, and ends it with the process that started it.

``python -m selfimp_bench.engines.worker.lean PACKAGE,... MODULE ARG...``:

transformers and TRL import what they find: scikit-learn and SciPy for methods that no engine uses, PEFT and
bitsandbytes where no adapter is trained, DeepSpeed where it does not run. Starting a trainer without them takes two
thirds of the processor time: 10 s with, 7 s without them, on two busy cores.
"""

import runpy
import sys
from typing import Any

from selfimp_bench.engines.worker.child import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    packages, module, *arguments = sys.argv[1:]
    hidden: dict[str, Any] = dict.fromkeys(packages.split(","))  # None: neither found nor imported
    sys.modules.update(hidden)
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
