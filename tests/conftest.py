"""Settings of the whole test session."""

import os

# scikit-learn checks array API support only where SciPy is told of it before import.
os.environ["SCIPY_ARRAY_API"] = "1"
# Processes that share the tests crawl where their threads wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

import matplotlib as mpl
import pytest

mpl.use("Agg")

# The longest that a training of the examples and pages may take.
BRIEFLY = 0.3


@pytest.fixture(autouse=True)
def _close_figures():
    """See that figures of one test are not held against the next."""
    yield
    import matplotlib.pyplot as plt  # noqa: PLC0415 - slow, and seldom needed

    plt.close("all")


@pytest.fixture
def brief_trainings(monkeypatch):
    """Cut every training short."""
    from skdeconv.neural._schedule import LearningRate  # noqa: PLC0415 - the same

    begin = LearningRate.__init__

    def begin_briefly(self, schedule, n_steps, max_time=None):
        begin(self, schedule, n_steps, min(max_time or BRIEFLY, BRIEFLY))

    monkeypatch.setattr(LearningRate, "__init__", begin_briefly)


@pytest.fixture
def few_batches(monkeypatch):
    """Short epochs: adapting a network that comes trained takes long in float32."""
    from skdeconv.neural import _pretrained  # noqa: PLC0415 - the same

    for name, value in {"patches_per_epoch": 12, "batch_size": 4}.items():
        monkeypatch.setitem(_pretrained.ADAPTING, name, value)
