"""Units of work: a plan, its fingerprints, the store, the runner, and one module a stage."""
