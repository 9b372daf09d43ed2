"""Sphinx's settings for the pages that `make run` writes. The sources are in build/.sphinx."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # for book.anchor

project = "Semantic segmentation"
author = ""
language = "en"
extensions = ["myst_nb", "sphinx_copybutton"]

# The notebooks come with their outputs.
nb_execution_mode = "off"
# Formulas, and nothing else that GitHub and Jupyter do not show in the same way.
myst_enable_extensions = ["dollarmath"]
myst_dmath_double_inline = True
myst_disable_syntax = ["myst_line_comment", "myst_block_break", "myst_target", "myst_role"]
myst_heading_anchors = 6
myst_heading_slug_func = "book.anchor"

# MathJax is one file that draws formulas as SVG: no network and no fonts.
MATHJAX = Path(find_spec("sphinx-mathjax-offline").submodule_search_locations[0])
mathjax_path = "tex-svg.js"

html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_theme = "sphinx_book_theme"
html_title = project
html_static_path = [str(MATHJAX / "static" / "mathjax" / mathjax_path), str(HERE / "book.css")]
html_css_files = ["book.css"]
html_copy_source = html_show_sourcelink = html_use_index = False
html_show_search_summary = False  # a page that is opened from a disk may not load others
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "navbar_persistent": [],
    "show_toc_level": 2,
    "footer_content_items": [],
}
if "GITHUB_REPOSITORY" in os.environ:  # where GitHub publishes the pages
    html_theme_options |= {
        "repository_url": f"https://github.com/{os.environ['GITHUB_REPOSITORY']}",
        "use_repository_button": True,
        "use_issues_button": True,
    }
copybutton_selector = "div.highlight pre:not(.output pre)"


def set_language(app, pagename, templatename, context, doctree):
    """Pages in Hindi say so, to readers' browsers and to programs that read aloud."""
    if pagename.endswith(".hi") or pagename.startswith("notebooks/hi/"):
        context["language"] = "hi"


def set_folder_of_figures(app):
    """MyST-NB would put the figures of the notebooks beside build/, into the repository."""
    folder = Path(app.srcdir).with_name("figures")
    app.env.mystnb_config = app.env.mystnb_config.copy(output_folder=str(folder))


def setup(app):
    app.connect("builder-inited", set_folder_of_figures, priority=900)  # after MyST-NB's own
    app.connect("html-page-context", set_language)
