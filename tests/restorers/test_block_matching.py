"""Restoration by block matching, end to end."""

import warnings

import numpy as np
import pytest

from skdeconv import BlockMatchingRestorer, Degradation
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.exceptions import NoiseWarning, OutlierWarning
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, gaussian_psf, motion_psf


@pytest.fixture(scope="module")
def clean():
    return load_photographs("test").images[1][100:180, 200:270].astype(np.float32)


@pytest.mark.parametrize(("sigma", "least"), [(10, 31.5), (25, 27.0), (50, 23.5)])
def test_denoises_photographs(clean, sigma, least):
    noisy = clean + np.random.default_rng(0).normal(0, sigma, clean.shape)
    restorer = BlockMatchingRestorer(noise_std=sigma, data_range=255)
    assert restorer.fit(noisy[None]).score(noisy[None], clean[None]) > least


def test_noise_of_rounding_is_none(clean):
    X = clean[None] / 255
    restorer = BlockMatchingRestorer(noise_std=1e-16, data_range=1.0).fit(X)
    np.testing.assert_allclose(restorer.predict(X), X, atol=1e-6)


def test_colour_gains_from_its_channels(clean):
    colour = np.stack([clean, 0.9 * clean + 9, 0.8 * clean], axis=-1)[None]
    noisy = colour + np.random.default_rng(0).normal(0, 25, colour.shape)
    restorer = BlockMatchingRestorer(noise_std=25, data_range=255)
    together = restorer.fit(noisy).score(noisy, colour)
    apart = np.moveaxis(noisy[0], -1, 0), np.moveaxis(colour[0], -1, 0)
    assert together > restorer.fit(apart[0]).score(*apart) + 1


def test_noise_level_comes_from_pairs_images_or_the_user(clean):
    noisy = clean + np.random.default_rng(0).normal(0, 20, (2, *clean.shape))
    truth = np.stack([clean] * 2)
    restorer = BlockMatchingRestorer(data_range=255)
    assert restorer.fit(noisy, truth).noise_std_ == pytest.approx(20, rel=0.02)
    assert restorer.fit(noisy).noise_std_ == pytest.approx([20, 20], rel=0.1)
    restorer.set_params(noise_std=0.0)
    assert np.array_equal(restorer.fit(noisy).predict(noisy), noisy)


def test_deblurs_and_spares_the_border(clean, border_gain):
    psf = motion_psf(9, angle=30)
    degrade = Degradation([Blur(psf), GaussianNoise(2.55)], random_state=0)
    observed, truth = degrade.pair(clean[None])
    restorer = BlockMatchingRestorer(psf, noise_std=2.55, data_range=255)
    restored = restorer.fit(observed).predict(observed)
    before, after = (np.mean((x - truth) ** 2) for x in (observed, restored))
    assert after < 0.4 * before
    assert border_gain(psf, observed, truth, restored).min() > 0


def test_faint_noise_behind_a_long_motion():
    """Waves that it takes away hardly return from a start that amplifies them."""
    psf = motion_psf(21, angle=80)
    scene = load_photographs("test").images[1][40:180, 40:180].astype(np.float32)
    degrade = Degradation([Blur(psf), GaussianNoise(0.5)], random_state=0)
    observed, truth = degrade.pair(scene[None])
    restorer = BlockMatchingRestorer(psf, noise_std=0.5, data_range=255)
    gain = restorer.fit(observed).score(observed, truth) - psnr(
        truth, observed, data_range=255
    )
    assert gain > 5  # -8 from a start without momentum and a hundredth of its penalty


@pytest.mark.parametrize("psf", [None, gaussian_psf(1.0)], ids=["noisy", "blurred"])
def test_masked_pixels_do_no_harm(psf):
    scene = load_photographs("test").images[0][60:132, 60:132].astype(np.float32)
    steps = [GaussianNoise(8.0)] if psf is None else [Blur(psf), GaussianNoise(2.0)]
    observed, truth = Degradation(steps, random_state=0).pair(scene[None])
    mask = np.random.default_rng(1).random(observed.shape) < 0.9
    broken = np.where(mask, observed, 255)
    restorer = BlockMatchingRestorer(psf, data_range=255, max_iter=6)
    whole = restorer.fit(observed).score(observed, truth)
    restorer.fit(broken, mask=mask)
    assert restorer.noise_std_ == pytest.approx(8 if psf is None else 2, rel=0.5)
    assert restorer.score(broken, truth, mask=mask) > whole - 1
    with warnings.catch_warnings():
        for category in (OutlierWarning, NoiseWarning):
            warnings.simplefilter("ignore", category)
        assert restorer.score(broken, truth) < whole - 5
    garbage = np.where(mask, observed, 0)
    a, b = (restorer.predict(x, mask=mask) for x in (broken, garbage))
    np.testing.assert_array_equal(a, b)
    paired = restorer.fit(broken, truth, mask=mask).noise_std_
    assert paired == pytest.approx(8 if psf is None else 2, rel=0.1)


@pytest.mark.parametrize("size", [33, 60])
def test_noise_of_pairs_under_a_psf_as_large_as_the_image(size, photographs):
    places = np.hypot(*np.mgrid[-16:17, -16:17])
    psf = np.exp(-places / 2)
    psf /= psf.sum()
    truth = photographs[0][: size + 32, : size + 32][None]
    steps = [Blur(psf), GaussianNoise(3.0)]
    observed, truth = Degradation(steps, random_state=0).pair(truth)
    restorer = BlockMatchingRestorer(psf, data_range=255).fit(observed, truth)
    assert 2 < restorer.noise_std_ < 4


def test_pixels_that_only_neighbour_hidden_ones(photographs):
    X = np.stack([p[:80, :80] for p in photographs]) * 1.0
    y = X + np.random.default_rng(0).normal(0, 20, X.shape)
    i, j = np.indices(X.shape[1:])
    restorer = BlockMatchingRestorer(data_range=255)
    with pytest.warns(NoiseWarning, match="is unsure"):
        restorer.fit(y, mask=np.broadcast_to((i + j) % 2 > 0, X.shape))
    known = np.random.default_rng(1).random(X.shape) > 0.1
    filled = np.where(known, y, 3e38).astype("f4")
    expected = BlockMatchingRestorer(data_range=255).fit(y, X, mask=known).noise_std_
    restorer.fit(filled, X.astype("f4"), mask=known)
    assert restorer.noise_std_ == pytest.approx(expected, rel=1e-3)
