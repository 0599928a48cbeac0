"""StrengthDisplay."""

import matplotlib as mpl
import numpy as np
import pytest

from skdeconv import RichardsonLucyRestorer, WienerRestorer
from skdeconv.inspection import StrengthDisplay
from skdeconv.operators import gaussian_psf


@pytest.fixture(autouse=True)
def no_screen():
    mpl.use("Agg")
    yield
    mpl.pyplot.close("all")


@pytest.fixture
def images():
    return np.random.default_rng(0).random((3, 24, 24)).cumsum(1) / 12


@pytest.mark.parametrize(
    "restorer", [WienerRestorer(), RichardsonLucyRestorer(gaussian_psf(0.8))]
)
@pytest.mark.parametrize("pairs", [False, True])
def test_a_curve_per_image_or_one_for_the_pairs(restorer, pairs, images):
    restorer.set_params(data_range=1.0).fit(images, images if pairs else None)
    display = StrengthDisplay.from_estimator(restorer)
    assert len(display.lines_) == (1 if pairs else 3)
    assert display.label == restorer.criterion_
    assert display.ax_.get_xlabel() == display.name


def test_draws_where_told(images):
    figure, axis = mpl.pyplot.subplots()
    restorer = WienerRestorer(data_range=1.0).fit(images)
    display = StrengthDisplay.from_estimator(restorer, ax=axis)
    assert display.ax_ is axis
    assert display.figure_ is figure


def test_a_given_strength_has_no_curve(images):
    restorer = WienerRestorer(alpha=0.1, data_range=1.0).fit(images)
    with pytest.raises(ValueError, match="chose itself"):
        StrengthDisplay.from_estimator(restorer)
