"""Doing steps on other processes and machines that share the store: an executor is a ``Pool`` behind one scheduler."""
