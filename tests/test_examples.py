"""The examples run, without a warning; their trainings are cut short."""

import runpy
from pathlib import Path

import matplotlib as mpl
import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("plot_*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.usefixtures("brief_trainings")
def test_example(path):
    mpl.use("Agg")
    runpy.run_path(str(path), run_name="__main__")
