"""A run's evidence: verifying it from the raw generations alone, and handing it on as a bundle."""
