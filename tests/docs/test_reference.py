"""The pages that are made of the code are those that the code makes."""

import importlib.util

from docs_pages import ROOT, name_of

RECIPE = ROOT / "benchmark" / "recipes" / "reference_pages.py"


def test_the_reference_is_made_of_the_code_as_it_is() -> None:
    spec = importlib.util.spec_from_file_location("reference_pages", RECIPE)
    assert spec is not None and spec.loader is not None
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    old = [name_of(page) for page, text in recipe.pages().items() if page.read_text(encoding="utf-8") != text]
    assert old == [], f"run `.venv/bin/python {name_of(RECIPE)}`"
