"""One thing wrong in an input file, with its place: what ``validate`` lists and a strict reader refuses with."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, order=True)
class Flaw:
    """``line`` and ``column`` count from 1, in characters; ``where`` is the place in the data (``$.sft.epochs``)."""

    file: str
    line: int
    column: int
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column} {self.where}: {self.message}"
