"""The procedure of "Mind the Gap" (2412.02674)."""
