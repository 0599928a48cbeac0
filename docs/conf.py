"""Configuration of Sphinx; ``sphinx-build -W docs docs/_build`` builds the pages."""

import os
import re
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

# What the examples draw must not need a screen, and they may warn that it is not there.
os.environ["MPLBACKEND"] = "Agg"
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")

import skdeconv  # noqa: E402 - needs the path

project = "skdeconv"
author = "the skdeconv developers"
version = release = skdeconv.__version__

extensions = [
    "markdown",  # docs/_ext
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/**.ipynb"]
templates_path = ["_templates"]
default_role = "py:obj"
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}

html_theme = "furo"
html_title = f"skdeconv {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = html_show_sourcelink = html_show_copyright = False

# One page per name in ``__all__``: the template of a package lists its names, and
# autosummary writes a page for each. Nothing is registered by hand.
autosummary_ignore_module_all = False
autosummary_imported_members = True
# A name that the top level offers has its page there, and not in its package too.
autosummary_context = {"top_level": skdeconv.__all__}

autodoc_typehints = "none"
# The members of a class come from autodoc.
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "ignore_pattern": r"benchmarks|(?<!/)__init__|/(?!plot_)[^/]*\.py$",
    "doc_module": ("skdeconv",),
    "backreferences_dir": "api/generated/backreferences",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
}


def escape_stars(app, what, name, obj, options, lines):
    """Keep the star of ``(batch, channels, *spatial)`` from starting an emphasis."""
    for i, line in enumerate(lines):
        if re.match(r"\S.* : ", line):
            lines[i] = re.sub(r"(?<=[ (])\*(?=\w)", r"\*", line)


# What docstrings of ``set_fit_request`` and its kin refer to in scikit-learn's pages.
ROUTING = {
    ":term:`meta-estimator`": "meta-estimator",
    ":ref:`User Guide <metadata_routing>`": (
        "`User Guide <https://scikit-learn.org/stable/metadata_routing.html>`__"
    ),
}


def leave_for_sklearn(app, what, name, obj, options, lines):
    """Turn references that scikit-learn's docstrings bring along into links."""
    if name.endswith("_request"):
        for i, line in enumerate(lines):
            for reference, link in ROUTING.items():
                line = line.replace(reference, link)
            lines[i] = line


def setup(app):
    # Before numpydoc, which comes at 500.
    app.connect("autodoc-process-docstring", escape_stars, priority=400)
    app.connect("autodoc-process-docstring", leave_for_sklearn, priority=400)
