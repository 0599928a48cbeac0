"""The Python of the documentation runs, without a warning; trainings are cut short."""

import re
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

import skdeconv

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"\.\. code-block:: python\n\n((?:(?:   .*)?\n)+)")
PAGES = {
    path.stem: [
        (text[: block.start(1)].count("\n"), textwrap.dedent(block[1]))
        for text in [path.read_text(encoding="utf-8")]
        for block in BLOCK.finditer(text)
    ]
    for path in sorted(DOCS.glob("*.rst"))
}


@pytest.mark.parametrize("page", [page for page, blocks in PAGES.items() if blocks])
@pytest.mark.usefixtures("brief_trainings")
def test_page(page):
    names = {}
    for line, block in PAGES[page]:
        exec(compile("\n" * line + block, f"docs/{page}.rst", "exec"), names)


def test_blocks_are_found():
    assert len(PAGES["quickstart"]) > 5


def test_api_lists_every_package():
    """Names have a page where the top level or a listed package offers them."""
    listed = re.findall(r"^   (skdeconv\S*)$", (DOCS / "api.rst").read_text(), re.M)
    for package in (f"skdeconv.{name}" for name in skdeconv._PACKAGES if name != "cli"):
        names = set(import_module(package).__all__) - set(skdeconv.__all__)
        assert not names or package in listed
