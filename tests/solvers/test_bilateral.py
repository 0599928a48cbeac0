"""Bilateral filter: against its formula, and its limits."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from skdeconv.solvers import bilateral_filter


def random(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def test_equals_a_loop_over_pairs():
    y = random(1, 1, 8, 9)
    pixels, values = np.argwhere(np.ones((8, 9))), y.flatten().numpy()
    far = ((pixels[:, None] - pixels) ** 2).sum(-1)
    near = np.abs(pixels[:, None] - pixels).max(-1) <= 3
    unlike = (values[:, None] - values) ** 2
    w = near * np.exp(-far / 2 - unlike / (2 * 0.3**2))
    x = bilateral_filter(y, range_std=0.3, spatial_std=1).x
    assert np.allclose(x.flatten(), w @ values / w.sum(1))


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
