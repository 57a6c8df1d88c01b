"""Judging completions: pure answer checking."""
