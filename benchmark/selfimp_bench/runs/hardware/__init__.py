"""What a plan asks of GPUs: memory, hours, batch, disk, and why it cannot run on them. Needs neither GPU nor network.

``device.py`` the GPUs; ``calibration.py`` how much of their peak a run reaches; ``footprint.py`` and ``workload.py``
the formulas, with sources; ``sampling.py`` and ``training.py`` one step's cost; ``outlook.py`` a plan's; ``savings.py``
where its hours go, and what would save some.
"""
