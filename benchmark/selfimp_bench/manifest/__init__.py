"""Manifests: the pinned description of one experiment."""
