"""torchrun that dies with the process that started it: ``python -m selfimp_bench.engines.trl.launcher ARG...``

Its workers die with it in turn (``lean.py``), so that none outlives the run.
"""

import os

from selfimp_bench.engines.worker.child import PARENT, die_with_parent

if __name__ == "__main__":
    die_with_parent()
    os.environ[PARENT] = str(os.getpid())

    from torch.distributed.run import main  # takes seconds, in which the run may end

    main()
