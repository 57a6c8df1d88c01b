"""Counts in words."""


def plural(count: int, noun: str) -> str:
    """``1 case``, ``1,234 cases``: of nouns that end in s in the plural."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
