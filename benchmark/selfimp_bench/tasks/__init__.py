"""One module per task: how its problems look, what its answers are."""
