"""Hot and dead pixels are told of where they ruin a restoration."""

import warnings

import numpy as np
import pytest
import torch

from skdeconv import (
    BilateralRestorer,
    BlockMatchingRestorer,
    Degradation,
    LeastSquaresRestorer,
    MedianRestorer,
    NonLocalMeansRestorer,
    PlugAndPlayRestorer,
    PretrainedDenoiser,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    TotalVariationRestorer,
    WaveletRestorer,
    WienerRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise, PoissonNoise, SaltAndPepperNoise
from skdeconv.exceptions import NoiseWarning, OutlierWarning
from skdeconv.operators import Blur, airy_psf, disk_psf, gaussian_psf, motion_psf
from skdeconv.restorers._outliers import warn_of_outliers

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


DENOISERS = [
    BilateralRestorer(),
    BlockMatchingRestorer(),
    NonLocalMeansRestorer(),
    PlugAndPlayRestorer(),
    PretrainedDenoiser(),
    WaveletRestorer(noise_std=10.0),
    SparseCodingRestorer(noise_std=10.0, n_components=64),
    LeastSquaresRestorer(),
    TotalVariationRestorer(),
    WienerRestorer(),
]


def photographs():
    images = load_photographs("test").images
    return np.stack([p[100:172, 100:172] for p in images[:2]]).astype(np.float32)


@pytest.mark.parametrize("denoiser", DENOISERS, ids=lambda d: type(d).__name__)
def test_denoisers_tell_of_salt_and_pepper(denoiser):
    clean = photographs()
    degradation = Degradation([SaltAndPepperNoise(0.05, 255)], random_state=0)
    peppered, _ = degradation.pair(clean)
    denoiser.set_params(data_range=255)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        denoiser.fit(peppered)
    with pytest.warns(OutlierWarning, match="MedianRestorer removes them"):
        denoiser.predict(peppered[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("error", OutlierWarning)
        warnings.simplefilter("ignore", NoiseWarning)
        MedianRestorer(data_range=255).fit(peppered).predict(peppered)
        noisy = clean[:1] + np.random.default_rng(0).normal(0, 10, clean[:1].shape)
        denoiser.fit(noisy).predict(noisy)


def told_of(image):
    x = torch.as_tensor(np.asarray(image), dtype=torch.float32)[None, None]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warn_of_outliers(x, None, 255.0, None)
    return bool(told)


@pytest.mark.parametrize("fraction", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("noise_std", [0, 15])
def test_little_and_much_salt_and_pepper_is_seen(fraction, noise_std):
    steps = [GaussianNoise(noise_std), SaltAndPepperNoise(fraction, 255)]
    degradation = Degradation(steps, random_state=0)
    for image in load_photographs("test").images:
        assert told_of(degradation.pair(image[None].astype(np.float32))[0][0])


def test_hot_pixels_of_a_volume_and_a_binary_image_are_seen():
    random = np.random.default_rng(0)
    volume = random.normal(50, 5, (24, 24, 24))
    assert not told_of(volume)
    assert told_of(np.where(random.random(volume.shape) < 0.01, 250, volume))
    page = 255.0 * (np.indices((96, 96)) // 6 % 2).all(0)
    assert not told_of(page)
    u = random.random(page.shape)
    assert told_of(np.where(u < 0.02, 0, np.where(u > 0.98, 255, page)))


@pytest.mark.parametrize("kind", ["clean", "strong", "clipped", "photons", "few"])
def test_neither_scenes_nor_noise_nor_photons_are_outliers(kind):
    random = np.random.default_rng(0)
    page = 255.0 * (np.indices((96, 96)) // 12 % 2).all(0)
    for image in [*load_photographs("test").images, page]:
        level = image.astype(float)
        if kind in ("strong", "clipped"):
            level = random.normal(level, 50)
        if kind == "clipped":
            level = level.clip(0, 255).round()
        if kind in ("photons", "few"):
            gain = 10 if kind == "photons" else 2000
            level = random.poisson(level / gain) * gain
        assert not told_of(level)
