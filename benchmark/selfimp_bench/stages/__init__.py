"""What steps do: one pure function per stage, from inputs to rows and counts."""
