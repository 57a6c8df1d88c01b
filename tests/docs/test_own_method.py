"""The tables of the page on methods of one's own are made of the values by seed that lie beside the example."""

import importlib.util
from types import ModuleType

from docs_pages import ROOT

EXAMPLE = ROOT / "benchmark" / "examples" / "own-method"
PAGE = ROOT / "docs" / "how-to" / "own-method.md"
PAIRS = [("own-most-different", "own-sft"), ("own-ipo", "own-dpo")]


def _recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("paired_seeds", ROOT / "benchmark" / "recipes" / "paired_seeds.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_the_page_says_is_what_ten_seeds_gave() -> None:
    recipe = _recipe()
    values = recipe.read(EXAMPLE / "ten-seeds.csv")
    assert len(values) == 5
    for cells in values.values():
        assert {len(seeds) for seeds in cells.values()} == {10}
    text = PAGE.read_text(encoding="utf-8")
    for line in (*recipe.table(values), *recipe.differences(values, PAIRS)):
        assert f"\n{line}\n" in text
