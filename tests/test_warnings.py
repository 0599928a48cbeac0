"""Warnings point at the line that called the library."""

import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skdeconv import BlockMatchingRestorer, MedianRestorer, WienerRestorer
from skdeconv.exceptions import DataRangeWarning, OutlierWarning, PSFWarning
from skdeconv.operators import gaussian_psf

PSF = gaussian_psf(1.0)


def hot():
    images = np.full((2, 72, 72), 100.0)
    images[:, ::8, ::8] = 255
    return images


def wiener():
    return WienerRestorer(PSF, noise_std=5.0, data_range=255)


CASES = {
    "psf": (lambda: WienerRestorer(2 * PSF).fit(hot() / 255), PSFWarning),
    "range": (lambda: MedianRestorer().fit(hot()), DataRangeWarning),
    "pixels": (lambda: wiener().fit(hot()).predict(hot()), OutlierWarning),
    "transform": (lambda: wiener().fit_transform(hot()), OutlierWarning),
    "pipeline": (
        lambda: make_pipeline(wiener(), wiener()).fit(hot()).predict(hot()),
        OutlierWarning,
    ),
    "turns": (
        lambda: (
            BlockMatchingRestorer(PSF, noise_std=5.0, data_range=255)
            .fit(hot())
            .predict(hot())
        ),
        OutlierWarning,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_warnings_name_the_line_of_the_user(name):
    call, category = CASES[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    found = [w for w in caught if issubclass(w.category, category)]
    assert found
    assert {w.filename for w in found} == {__file__}
