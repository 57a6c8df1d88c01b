"""selfimp-bench: run a published self-improvement experiment from one pinned file and get an honest verdict."""
