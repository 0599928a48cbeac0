"""The examples run, without a warning; their trainings are cut short."""

import runpy
from pathlib import Path

import matplotlib as mpl
import pytest

from skdeconv.neural._schedule import LearningRate

SECONDS = 2.0
EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("plot_*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path, monkeypatch):
    begin = LearningRate.__init__

    def begin_briefly(self, schedule, n_steps, max_time=None):
        begin(self, schedule, n_steps, min(max_time or SECONDS, SECONDS))

    monkeypatch.setattr(LearningRate, "__init__", begin_briefly)
    mpl.use("Agg")
    runpy.run_path(str(path), run_name="__main__")
