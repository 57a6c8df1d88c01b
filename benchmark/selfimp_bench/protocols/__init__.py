"""The procedures of the papers: each turns a manifest into a plan."""
