"""Engines as child processes."""
