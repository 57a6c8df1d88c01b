"""The sampler on transformers."""
