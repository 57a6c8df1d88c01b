"""The report of a run folder: ``write.write_report``."""
