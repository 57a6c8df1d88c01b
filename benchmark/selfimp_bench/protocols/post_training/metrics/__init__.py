"""Metrics of post-training, one pure function each."""
