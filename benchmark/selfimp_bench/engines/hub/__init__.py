"""The hub over the network, and what was fetched from it."""
