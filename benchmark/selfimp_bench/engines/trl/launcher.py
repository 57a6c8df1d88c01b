"""torchrun that dies with the process that started it: ``python -m selfimp_bench.engines.trl.launcher ARG...``

Its workers die with it in turn (``worker.py``), so that none outlives the run.
"""

from torch.distributed.run import main

from selfimp_bench.engines.worker.child import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    main()
