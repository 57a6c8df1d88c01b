"""Generations that anybody made, read from the files of any tool: a format is found by looking at the file."""
