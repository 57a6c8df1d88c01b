"""The encoder of sentences."""
