"""``python -m selfimp_bench`` is the command line."""

from selfimp_bench.cli.app import main

main()
