"""A point spread function that is wider than what blurred the data."""

import warnings

import numpy as np
import pytest

from skdeconv import (
    BlockMatchingRestorer,
    Degradation,
    LeastSquaresRestorer,
    PlugAndPlayRestorer,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    WienerRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.exceptions import PSFWarning
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, gaussian_psf

TRUE, WIDE = gaussian_psf(1.0), gaussian_psf(2.0)
CLEAN = load_photographs("test").images[1][None, 80:210, 120:250] * 1.0
BLURRED, SHARP = Degradation([Blur(TRUE), GaussianNoise(2.55)], random_state=0).pair(
    CLEAN
)


def test_less_is_undone_and_it_is_said(deblurrer):
    check_less_is_undone_and_it_is_said(deblurrer(TRUE))


@pytest.mark.parametrize(
    "restorer",
    [
        WienerRestorer(regularizer="spectrum"),
        LeastSquaresRestorer(alpha=0, max_iter="auto"),
    ],
    ids=lambda r: type(r).__name__,
)
def test_it_is_so_with_other_priors(restorer):
    check_less_is_undone_and_it_is_said(restorer)


def check_less_is_undone_and_it_is_said(restorer):
    def restored(psf):
        return (
            restorer.set_params(psf=psf, data_range=255).fit(BLURRED).predict(BLURRED)
        )

    given = psnr(SHARP, BLURRED, data_range=255)
    with warnings.catch_warnings():
        warnings.simplefilter("error", PSFWarning)
        assert psnr(SHARP, restored(TRUE), data_range=255) > given + 1
    with pytest.warns(PSFWarning, match="psf does not fit the data"):
        answer = restored(WIDE)
    assert psnr(SHARP, answer, data_range=255) > given - 10


@pytest.mark.parametrize(
    "restorer",
    [
        WienerRestorer(WIDE, noise_std=2.55),
        BlockMatchingRestorer(WIDE, noise_std=2.55, max_iter=2),
        PlugAndPlayRestorer(WIDE, noise_std=2.55, max_iter=2),
    ],
    ids=lambda r: type(r).__name__,
)
@pytest.mark.filterwarnings("ignore:noise_std of about")
def test_a_noise_level_that_is_told_stays_but_it_is_said(restorer):
    restorer.set_params(data_range=255)
    with pytest.warns(PSFWarning, match="psf does not fit the data"):
        restorer.fit(BLURRED).predict(BLURRED)


def test_masks_and_fixed_strengths_are_not_judged():
    mask = np.ones(BLURRED.shape[1:], bool)
    mask[40:50, 40:50] = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        WienerRestorer(WIDE, data_range=255).fit(BLURRED, mask=mask[None])
        WienerRestorer(WIDE, alpha=0.01, data_range=255).fit(BLURRED).predict(BLURRED)


@pytest.mark.filterwarnings("ignore:Conjugate gradients did not converge")
@pytest.mark.parametrize(
    "kind", [WienerRestorer, RichardsonLucyRestorer, SparseCodingRestorer]
)
@pytest.mark.parametrize("size", [64, 72])
def test_small_images_without_noise_are_sharpened(kind, size, photographs):
    psf = gaussian_psf(2.0)
    scene = photographs[0][: size + 16, : size + 16].astype(np.float64)[None]
    observed, truth = Degradation([Blur(psf)]).pair(scene)
    restorer = kind(psf, data_range=255).fit(observed)
    gain = restorer.score(observed, truth) - psnr(truth, observed, data_range=255)
    assert gain > 1
