"""How Sphinx makes a site of these pages, and of what lies beside the code; `ci/docs` runs it from the root."""

project = "selfimp-bench"
author = "The selfimp-bench authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "selfimp-bench"
html_show_copyright = False
html_copy_source = False
root_doc = "docs/index"
include_patterns = ["docs/**.md", "docs/**.png", "benchmark/*.md", "benchmark/decisions/*.md"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nitpicky = True
