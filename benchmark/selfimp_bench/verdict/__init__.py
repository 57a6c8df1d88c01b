"""Claims, measurements and tables become findings. Pure: a verdict needs no run."""
