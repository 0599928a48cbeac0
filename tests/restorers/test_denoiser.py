"""noise_std="auto" says when it cannot know."""

import numpy as np
import pytest
from skimage import data

from skdeconv import (
    BilateralRestorer,
    BlockMatchingRestorer,
    LeastSquaresRestorer,
    NonLocalMeansRestorer,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    WaveletRestorer,
    WienerRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.exceptions import NoiseWarning
from skdeconv.metrics import psnr

PSF = np.full((3, 3), 1 / 9)


def test_texture_warns():
    grass = data.grass()[None, :128, :128]
    restorer = WaveletRestorer()
    with pytest.warns(NoiseWarning, match="unsure"):
        restorer.fit(grass)
    with pytest.warns(NoiseWarning, match="unsure"):
        restorer.predict(grass)
    with pytest.warns(NoiseWarning, match="Pass noise_std"):
        SparseCodingRestorer(np.full((3, 3), 1 / 9)).fit(grass)


@pytest.mark.parametrize("size", [160, 512])
@pytest.mark.parametrize("texture", [data.grass, data.gravel])
def test_texture_that_looks_like_noise_in_patches_warns(texture, size):
    """Its level in coarse pixels is that of no white noise."""
    with pytest.warns(NoiseWarning, match="unsure"):
        WaveletRestorer().fit(texture()[None, :size, :size])


@pytest.mark.parametrize("std", [10, 25])
def test_white_noise_on_photographs_does_not_warn(std):
    clean = np.stack([p[:160, :160] for p in load_photographs("test").images]).astype(
        "f4"
    )
    noise = np.random.default_rng(0).standard_normal(clean.shape).astype("f4")
    WaveletRestorer(data_range=255).fit(clean + std * noise)


@pytest.mark.parametrize(
    ("restorer", "advice"),
    [
        (WienerRestorer(PSF), "noise_std"),
        (WienerRestorer(PSF, regularizer="spectrum"), "noise_std"),
        (LeastSquaresRestorer(PSF), "noise_std"),
        (SparseCodingRestorer(PSF), "noise_std"),
        (RichardsonLucyRestorer(PSF), "max_iter"),
    ],
    ids=str,
)
def test_each_call_warns_once(restorer, advice):
    grass = data.grass()[None, :128, :128]
    for call, images in ((restorer.fit, grass), (restorer.predict, grass[:, ::-1])):
        with pytest.warns(NoiseWarning, match=f"Pass {advice}") as caught:
            call(images)
        assert sum(w.category is NoiseWarning for w in caught) == 1


def test_a_known_level_does_not_warn():
    grass = data.grass()[None, :64, :64].astype(float)
    noisy = grass + np.random.default_rng(0).normal(0, 10, grass.shape)
    WaveletRestorer(noise_std=10.0, data_range=255).fit(noisy).predict(noisy)
    WaveletRestorer(data_range=255).fit(noisy, grass).predict(noisy)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_constant_images_do_not_warn(level):
    X = np.full((2, 80, 80), level)
    assert (WaveletRestorer().fit(X).noise_std_ == 0).all()


DENOISERS = [
    WaveletRestorer(data_range=255.0),
    BilateralRestorer(data_range=255.0),
    NonLocalMeansRestorer(data_range=255.0),
    BlockMatchingRestorer(data_range=255.0),
    SparseCodingRestorer(
        patch_size=6, n_components=64, data_range=255.0, random_state=0
    ),
]


def photons(gain, black=0.0, seed=0):
    """A dark scene with bright parts, counted by photons."""
    scene = 255 * (data.camera()[None, 100:300, 100:300] / 255.0) ** 2
    counts = np.random.default_rng(seed).poisson(scene / gain)
    return gain * counts + black, scene + black


@pytest.mark.parametrize("restorer", DENOISERS, ids=lambda r: type(r).__name__)
def test_noise_that_grows_is_stabilised(restorer):
    noisy, clean = photons(8.0, black=20.0)
    restorer.set_params(noise_std="auto").fit(noisy)
    rms = np.sqrt(8 * (clean.mean() - 20))
    assert restorer.noise_std_ == pytest.approx(rms, rel=0.15)
    alone = psnr(clean, restorer.predict(noisy), data_range=255)
    told = restorer.set_params(noise_std=rms).fit(noisy).predict(noisy)
    restorer.set_params(noise_std="auto")
    assert alone > psnr(clean, told, data_range=255) + 0.3
    assert alone > psnr(clean, noisy, data_range=255) + 3


def test_each_image_is_stabilised_or_not():
    noisy, clean = photons(8.0)
    steady = clean + np.random.default_rng(1).normal(0, 10, clean.shape)
    both = np.concatenate([steady, noisy])
    restorer = WaveletRestorer(data_range=255.0).fit(both)
    restored = restorer.predict(both)
    assert restorer.noise_std_[0] == pytest.approx(10, rel=0.1)
    for k, image in enumerate((steady, noisy)):
        alone = restorer.fit(image).predict(image)
        np.testing.assert_allclose(restored[k : k + 1], alone, rtol=1e-6, atol=1e-4)


def test_stabilising_knows_no_units():
    noisy, _ = photons(8.0)
    restored = WaveletRestorer(data_range=255.0).fit(noisy).predict(noisy)
    small = WaveletRestorer(data_range=1.0).fit(noisy / 256).predict(noisy / 256)
    np.testing.assert_allclose(256 * small, restored, rtol=1e-5, atol=1e-3)


def test_missing_pixels_are_stabilised_too():
    noisy, clean = photons(8.0)
    mask = np.ones(noisy.shape, dtype=bool)
    mask[:, 40:43] = False
    holes = np.where(mask, noisy, 1e5)
    restorer = BlockMatchingRestorer(data_range=255.0).fit(holes, mask=mask)
    restored = restorer.predict(holes, mask=mask)
    whole = psnr(clean, restorer.fit(noisy).predict(noisy), data_range=255)
    assert psnr(clean, restored, data_range=255) > whole - 1
