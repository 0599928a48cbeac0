"""TrainingDisplay."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skdeconv import DeconvRestorer, WienerRestorer
from skdeconv.inspection import TrainingDisplay

X = np.random.default_rng(0).random((4, 12, 12), dtype=np.float32)


@pytest.fixture(autouse=True)
def no_screen():
    mpl.use("Agg")
    yield
    mpl.pyplot.close("all")


def trained(**parameters):
    short = {"module": "conv_transpose", "max_epochs": 3, "patches_per_epoch": 2}
    return DeconvRestorer(**short | {"random_state": 0} | parameters).fit(X, X)


def test_a_panel_for_each_curve():
    restorer = trained(validation_fraction=0.5)
    display = TrainingDisplay.from_estimator(restorer)
    labels = [axis.get_ylabel() for axis in display.axes_]
    assert labels == ["training loss", "validation PSNR, dB", "learning rate"]
    columns = ("train_loss", "valid_psnr", "lr")
    for line, name in zip(display.lines_, columns, strict=True):
        assert list(line.get_xdata()) == [1, 2, 3]
        assert np.allclose(line.get_ydata(), restorer.history_[:, name])
    best = max(restorer.history_[:, "valid_psnr"])
    assert f"{best:.2f} dB" in display.axes_[1].get_title()


@pytest.mark.parametrize("epochs", [1, 3])
def test_without_validation(epochs):
    restorer = trained(validation_fraction=0, max_epochs=epochs)
    display = TrainingDisplay.from_estimator(restorer)
    assert len(display.axes_) == len(display.lines_) == 2
    display.figure_.canvas.draw()


def test_validation_that_began_later():
    restorer = trained(validation_fraction=0, warm_start=True)
    restorer.set_params(validation_fraction=0.5).fit(X, X)
    display = TrainingDisplay.from_estimator(restorer)
    assert list(display.lines_[1].get_xdata()) == [4, 5, 6]


def test_draws_where_told():
    restorer = trained(validation_fraction=0)
    figure, axes = mpl.pyplot.subplots(1, 2)
    display = TrainingDisplay.from_estimator(restorer, ax=axes)
    assert list(display.axes_) == list(axes)
    divided = TrainingDisplay.from_estimator(restorer, ax=axes[0])
    assert divided.figure_ is figure
    assert len(divided.axes_) == 2
    with pytest.raises(ValueError, match="2 of them, got 3"):
        display.plot(ax=[*axes, axes[0]])
    with pytest.raises(ValueError, match="subplots"):
        display.plot(ax=figure.add_axes((0, 0, 1, 1)))


def test_the_last_of_a_pipeline():
    steps = make_pipeline(WienerRestorer(data_range=1.0), DeconvRestorer(max_epochs=1))
    steps.set_params(deconvrestorer__module="conv_transpose").fit(X, X)
    assert TrainingDisplay.from_estimator(steps).lines_


def test_without_a_history():
    with pytest.raises(ValueError, match=r"history_, got WienerRestorer"):
        TrainingDisplay.from_estimator(WienerRestorer(data_range=1.0).fit(X))
    with pytest.raises(NotFittedError):
        TrainingDisplay.from_estimator(DeconvRestorer())
