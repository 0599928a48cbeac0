"""Bilateral filter: against scikit-image's, and its limits."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.restoration import denoise_bilateral

from skdeconv.solvers import bilateral_filter


def random(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def test_agrees_with_skimage_away_from_borders():
    y = random(1, 1, 32, 33)
    expected = denoise_bilateral(
        y[0, 0].numpy(), win_size=7, sigma_color=0.3, sigma_spatial=1, bins=100_000
    )
    x = bilateral_filter(y, range_std=0.3, spatial_std=1).x[0, 0].numpy()
    assert np.abs(x - expected)[3:-3, 3:-3].max() < 1e-3


def test_wide_range_is_a_gaussian_filter():
    y = random(1, 1, 40)
    x = bilateral_filter(y, range_std=1e6, spatial_std=1.0).x
    expected = ndimage.gaussian_filter(y[0, 0].numpy(), 1.0, truncate=3)
    assert np.allclose(x[0, 0, 3:-3], expected[3:-3])


@pytest.mark.parametrize("shape", [(5,), (1, 1), (4, 1), (2, 3, 4)])
def test_no_range_changes_nothing(shape):
    y = random(2, 2, *shape)
    assert torch.equal(bilateral_filter(y, range_std=torch.zeros(2)).x, y)


def test_every_image_has_its_range():
    y = random(2, 1, 9, 8)
    both = bilateral_filter(y, range_std=torch.tensor([0.1, 0.5])).x
    for image, std, expected in zip(y, (0.1, 0.5), both, strict=True):
        alone = bilateral_filter(image[None], range_std=std).x[0]
        torch.testing.assert_close(alone, expected)


def test_equal_channels_are_filtered_as_one():
    y = random(1, 1, 9, 8)
    grey = bilateral_filter(y, range_std=0.2).x
    colour = bilateral_filter(y.expand(-1, 3, -1, -1), range_std=0.2).x
    torch.testing.assert_close(colour, grey.expand_as(colour))
