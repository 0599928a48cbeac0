"""Non-local means: limits, invariants, scikit-image on a photograph."""

import numpy as np
import pytest
import torch
from skimage import data
from skimage.metrics import peak_signal_noise_ratio as psnr
from skimage.restoration import denoise_nl_means

from skdeconv.solvers import nonlocal_means


def random(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("sigma", [25, 50])
def test_better_than_skimage_with_the_same_windows(sigma):
    clean = data.camera()[100:228, 150:278].astype(float)
    noisy = clean + np.random.default_rng(0).normal(0, sigma, clean.shape)
    ours = nonlocal_means(torch.from_numpy(noisy)[None, None], sigma).x[0, 0].numpy()
    theirs = [
        denoise_nl_means(
            noisy, patch_size=5, patch_distance=6, h=k * sigma, sigma=sigma
        )
        for k in (0.6, 0.7, 0.8)
    ]
    best = max(psnr(clean, x, data_range=255) for x in theirs)
    assert psnr(clean, ours, data_range=255) > best


@pytest.mark.parametrize("shape", [(5,), (1, 1), (4, 1), (2, 3, 4)])
def test_no_noise_changes_nothing(shape):
    y = random(2, 2, *shape)
    assert torch.equal(nonlocal_means(y, torch.zeros(2)).x, y)


def test_great_strength_averages_the_neighbourhood():
    y = random(1, 1, 9)
    x = nonlocal_means(y, 1.0, search_radius=2, strength=1e4, refine=False).x
    torch.testing.assert_close(x[..., 4], y[..., 2:7].mean(-1))


def test_every_image_has_its_level():
    y = random(2, 1, 9, 8)
    both = nonlocal_means(y, torch.tensor([0.1, 0.5])).x
    for image, std, expected in zip(y, (0.1, 0.5), both, strict=True):
        torch.testing.assert_close(nonlocal_means(image[None], std).x[0], expected)


def test_axes_are_alike():
    y = random(1, 1, 6, 7, 8)
    x = nonlocal_means(y, 0.2, search_radius=2).x
    turned = nonlocal_means(y.permute(0, 1, 4, 2, 3), 0.2, search_radius=2).x
    torch.testing.assert_close(turned, x.permute(0, 1, 4, 2, 3))


def test_even_patches_are_refused():
    with pytest.raises(ValueError, match="patch_size must be odd"):
        nonlocal_means(random(1, 1, 9), 0.1, patch_size=4)
