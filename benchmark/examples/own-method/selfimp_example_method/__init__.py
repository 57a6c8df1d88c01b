"""An example of a method of one's own for selfimp-bench: copy it, and change it."""
