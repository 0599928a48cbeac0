"""Hot and dead pixels are told of where they ruin a restoration."""

import warnings

import numpy as np
import pytest

from skdeconv import (
    BlockMatchingRestorer,
    Degradation,
    LeastSquaresRestorer,
    RichardsonLucyRestorer,
    WienerRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise, PoissonNoise
from skdeconv.exceptions import NoiseWarning, OutlierWarning
from skdeconv.operators import Blur, airy_psf, disk_psf, gaussian_psf, motion_psf

KINDS = [WienerRestorer, LeastSquaresRestorer, BlockMatchingRestorer]
PSFS = [gaussian_psf(0.6), gaussian_psf(1.0), disk_psf(2), motion_psf(9, angle=30)]


def observe(psf, noise, scenes=None):
    if scenes is None:
        images = load_photographs("test").images
        scenes = [p[:120, :120].astype(np.float32) for p in images]
    return Degradation([Blur(psf), noise], random_state=0).pair(np.stack(scenes))[0]


@pytest.mark.parametrize("kind", KINDS)
def test_hot_pixels_are_told_of_unless_masked(kind):
    psf = gaussian_psf(1.0)
    observed = observe(psf, GaussianNoise(2.55))[:1]
    hot = np.random.default_rng(0).random(observed.shape) < 0.02
    broken = np.where(hot, 255, observed)
    restorer = kind(psf, noise_std=2.55, data_range=255)
    if kind is BlockMatchingRestorer:  # restores nothing in fit
        restorer.fit(broken)
    else:
        with pytest.warns(OutlierWarning, match="Pass a mask"):
            restorer.fit(broken)
    with pytest.warns(OutlierWarning, match="Pass a mask"):
        restorer.predict(broken)
    restorer.fit(broken, mask=~hot).predict(broken, mask=~hot)
    restorer.set_params(psf=None).fit(broken)  # for a denoiser they are noise


def test_few_dead_pixels_of_a_small_image_are_told_of():
    psf = gaussian_psf(1.0)
    observed = observe(psf, GaussianNoise(2.55))[1:2, :36, :36]
    dead = np.random.default_rng(0).random(observed.shape) < 0.02
    with pytest.warns(OutlierWarning, match="Pass a mask"):
        WienerRestorer(psf, data_range=255).fit(np.where(dead, 0, observed))


def test_few_photons_are_no_outliers():
    psf = airy_psf(1.0)
    blurred = observe(psf, GaussianNoise(0.0)).clip(0)
    photons = np.random.default_rng(0).poisson(blurred / 100) * 100.0
    with warnings.catch_warnings():
        warnings.simplefilter("error", OutlierWarning)
        warnings.simplefilter("ignore", NoiseWarning)
        WienerRestorer(psf, data_range=255).fit(photons)


@pytest.mark.parametrize("psf", PSFS, ids=["narrow", "gaussian", "disk", "motion"])
@pytest.mark.parametrize(
    "noise", [GaussianNoise(0.5), GaussianNoise(25), PoissonNoise(0.1)], ids=repr
)
def test_blurred_photographs_and_stars_have_none(psf, noise):
    stars = np.where(np.random.default_rng(1).random((1, 90, 90)) < 0.01, 2500.0, 20.0)
    blurred = observe(psf, noise)
    small = np.concatenate([blurred[:, :50, :50], blurred[:, 50:100, 50:100]])
    for observed in (blurred, small, observe(psf, noise, stars)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoiseWarning)
            WienerRestorer(psf, data_range=255).fit(observed)


@pytest.mark.parametrize(
    "restorer",
    [
        RichardsonLucyRestorer(gaussian_psf(1.0), data_range=255),
        LeastSquaresRestorer(
            gaussian_psf(1.0), alpha=0, max_iter="auto", noise_std=2.55, data_range=255
        ),
    ],
)
def test_chosen_iterations_tell_of_hot_pixels(restorer):
    observed = observe(gaussian_psf(1.0), GaussianNoise(2.55))[:1].clip(0)
    hot = np.random.default_rng(0).random(observed.shape) < 0.02
    broken = np.where(hot, 255, observed)
    for action in (restorer.fit, restorer.predict):
        with pytest.warns(OutlierWarning, match="Pass a mask"):
            action(broken)
    restorer.fit(broken, mask=~hot).predict(broken, mask=~hot)


@pytest.mark.parametrize("unit", [1e-3, 16])
def test_hot_pixels_of_images_that_use_little_of_their_range(unit):
    psf = gaussian_psf(1.0)
    observed = unit * observe(psf, GaussianNoise(2.55))[:1].clip(0) / 255
    hot = np.random.default_rng(0).random(observed.shape) < 0.02
    broken = np.where(hot, unit, observed)
    restorer = WienerRestorer(psf, data_range=1000 * unit)
    with pytest.warns(OutlierWarning, match="Pass a mask"):
        restorer.fit(broken)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        restorer.fit(observed)
