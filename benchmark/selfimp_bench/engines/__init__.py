"""Adapters to what generates and trains. Only these modules import heavy packages, and only in child processes."""
