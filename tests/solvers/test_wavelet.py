"""Wavelet shrinkage: limits, thresholds, photographs."""

import numpy as np
import pytest
import torch
from skimage import data
from skimage.metrics import peak_signal_noise_ratio as psnr

from skdeconv.solvers import wavelet_denoise


def normal(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shifts", [None, 1, 3])
@pytest.mark.parametrize("shrinkage", ["local", "bayes"])
@pytest.mark.parametrize("shape", [(5,), (1, 1), (4, 1), (2, 3, 4), (17, 16)])
def test_no_noise_changes_nothing(shape, shrinkage, shifts):
    y = normal(2, 2, *shape)
    x = wavelet_denoise(
        y,
        torch.zeros(2),
        shrinkage=shrinkage,
        wavelet="db2",
        levels=2,
        shifts=shifts,
    ).x
    torch.testing.assert_close(x, y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shrinkage", ["local", "bayes"])
@pytest.mark.parametrize("shifts", [None, 1])
def test_pure_noise_goes(shrinkage, shifts):
    y = normal(1, 1, 64, 64)
    x = wavelet_denoise(y, 1.0, shrinkage=shrinkage, strength=2.0, shifts=shifts).x
    assert x.std() < (0.2 if shifts is None else 0.4)


@pytest.mark.parametrize(
    ("shrinkage", "wavelet", "gain"), [("local", "haar", 7.5), ("bayes", "db2", 6)]
)
def test_gain_on_a_photograph(shrinkage, wavelet, gain):
    clean = data.camera()[100:228, 150:278].astype(float)
    noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    x = wavelet_denoise(
        torch.from_numpy(noisy)[None, None], 25, shrinkage=shrinkage, wavelet=wavelet
    ).x
    before = psnr(clean, noisy, data_range=255)
    assert psnr(clean, x[0, 0].numpy(), data_range=255) > before + gain


def test_local_shrinkage_of_a_lone_coefficient_by_hand():
    y = torch.zeros(1, 1, 64, dtype=torch.float64)
    y[..., 32] = 8.0
    x = wavelet_denoise(y, 1.0, levels=1, strength=1.0).x
    # Two details of 4 and -4: five around either hold both, noise has 1/2 in each.
    gain = 1 - 5 * 0.5 / 32
    expected = torch.zeros(64, dtype=torch.float64)
    expected[31:34] = torch.tensor([2 - 2 * gain, 4 + 4 * gain, 2 - 2 * gain])
    torch.testing.assert_close(x[0, 0], expected)


def test_every_image_has_its_level():
    y = normal(2, 3, 9, 8)
    both = wavelet_denoise(y, torch.tensor([0.1, 0.5])).x
    for image, std, expected in zip(y, (0.1, 0.5), both, strict=True):
        torch.testing.assert_close(wavelet_denoise(image[None], std).x[0], expected)


def test_unknown_shrinkage_is_refused():
    with pytest.raises(ValueError, match="shrinkage must be one of"):
        wavelet_denoise(normal(1, 1, 9), 0.1, shrinkage="hard")


@pytest.mark.parametrize("shifts", [None, 1])
@pytest.mark.parametrize("wavelet", ["haar", "db8"])
def test_scales_beyond_the_image_are_none(wavelet, shifts):
    y = normal(1, 1, 20, 24)
    options = {"wavelet": wavelet, "shifts": shifts}
    coarsest = wavelet_denoise(y, 0.5, levels=10, **options).x
    beyond = wavelet_denoise(y, 0.5, levels=60, **options).x
    torch.testing.assert_close(beyond, coarsest, rtol=0, atol=0)
    torch.testing.assert_close(
        coarsest, wavelet_denoise(y, 0.5, levels=5, **options).x, rtol=0, atol=0.2
    )
