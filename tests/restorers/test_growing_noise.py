"""Counted photons behind a blur, restored by what takes noise to be white."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from skdeconv import LeastSquaresRestorer, WienerRestorer
from skdeconv.operators import gaussian_psf
from skdeconv.restorers._noise_behind import noise_behind


def cells(shape, peak, offset=0.0):
    """Bright textured blobs on a dark ground, blurred and counted; and the scene."""
    rng = np.random.default_rng(0)
    blobs = gaussian_filter(rng.standard_normal(shape), 6)
    texture = gaussian_filter(rng.standard_normal(shape), 1)
    texture = 1 + 0.3 * texture / texture.std()
    scene = 1 + peak / 2 * np.clip(blobs / blobs.std(), 0, 2) * texture.clip(0)
    counts = rng.poisson(gaussian_filter(scene, 1.5)).astype(np.float32)
    return offset + counts[None], offset + scene[None].astype(np.float32)


def spectrum(peak=500):
    rng = np.random.default_rng(1)
    places = np.arange(512)
    lines = rng.uniform(0, 512, 12)[:, None], rng.uniform(0.8, 3, 12)[:, None]
    heights = rng.uniform(0, peak, 12)[:, None]
    scene = 5 + (heights * np.exp(-(((places - lines[0]) / lines[1]) ** 2) / 2)).sum(0)
    counts = rng.poisson(gaussian_filter(scene, 1.5)).astype(np.float32)
    return counts[None], scene[None].astype(np.float32)


def gain(restorer, observed, scene):
    restored = restorer.fit(observed).predict(observed)
    inside = (slice(None), *(slice(10, -10),) * (scene.ndim - 1))
    before, after = (
        -10 * np.log10(np.square((x - scene)[inside]).mean())
        for x in (observed, restored)
    )
    return after - before


def test_it_is_not_amplified(deblurrer):
    observed, scene = cells((128, 128), peak=1000)
    restorer = deblurrer(gaussian_psf(1.5), data_range=float(observed.max()))
    assert gain(restorer, observed, scene) > 1.5  # else -32 to -1


@pytest.mark.parametrize(
    ("shape", "offset"), [((60, 60), 0), ((60, 60), 100), ((128, 128), 100)]
)
@pytest.mark.parametrize("peak", [50, 3000])
def test_small_images_and_cameras_with_an_offset(shape, offset, peak):
    restorer = WienerRestorer(gaussian_psf(1.5), data_range=float(peak))
    assert gain(restorer, *cells(shape, peak, offset)) > 1


@pytest.mark.parametrize("kind", [WienerRestorer, LeastSquaresRestorer])
def test_signals(kind):
    counts, scene = spectrum()
    psf = gaussian_psf(1.5, ndim=1)
    assert gain(kind(psf, data_range=float(counts.max())), counts, scene) > 1


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_constant_noise_is_told_from_it(ndim):
    rng = np.random.default_rng(0)
    shape = (round(32768 ** (1 / ndim)),) * ndim
    scene = gaussian_filter(rng.standard_normal(shape), 2)
    scene = scene / scene.std() + 3
    x = torch.from_numpy(scene + 0.1 * rng.standard_normal(scene.shape))[None, None]
    noise = noise_behind(gaussian_psf(1.5, ndim=ndim), x, 6.0)
    assert not noise.grows.any()
    assert noise.level.item() == pytest.approx(0.1, rel=0.15)


def test_its_level_is_the_mean_over_the_image():
    observed, _ = cells((128, 128), peak=200)
    x = torch.from_numpy(observed)[:, None]
    noise = noise_behind(gaussian_psf(1.5), x, 200.0)
    assert noise.grows.all()
    assert not noise.plain.any()
    assert noise.level.item() == pytest.approx(np.sqrt(observed.mean()), rel=0.1)
    weight = torch.ones_like(x)
    weight[..., :40] = 0
    level = noise_behind(gaussian_psf(1.5), x, 200.0, weight).level.item()
    assert level == pytest.approx(np.sqrt(observed[..., 40:].mean()), rel=0.1)
