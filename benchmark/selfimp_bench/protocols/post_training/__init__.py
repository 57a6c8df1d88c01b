"""The procedure of "Progress or Regress?" (2407.05013, Algorithm 1)."""
