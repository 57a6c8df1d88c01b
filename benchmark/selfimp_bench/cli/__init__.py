"""The command line: one module a command. Nothing else prints, reads the environment or exits."""
