"""Parts of large images on which strengths are chosen."""

import numpy as np
import pytest
import torch

from skdeconv import LeastSquaresRestorer, TotalVariationRestorer
from skdeconv.datasets import load_photographs
from skdeconv.restorers._parts import BLOCK, LENGTH, PARTS, typical_parts


def texture(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_small_images_are_taken_whole():
    x = texture(2, 3, 250, 250)
    assert typical_parts(x, None, None) == (x, None)


@pytest.mark.parametrize("shape", [(500, 400), (2**17,), (80, 90, 100), (1, 90000)])
def test_parts_are_channels_of_one_image(shape):
    ndim, x = len(shape), texture(2, 3, *shape)
    parts, weight = typical_parts(x, torch.ones_like(x), None)
    assert parts.shape == weight.shape
    assert parts.shape[:2] == (2, 3 * PARTS)
    assert parts.shape[2:] == tuple(min(n, LENGTH[ndim]) for n in shape)
    for image, mine in zip(x, parts, strict=True):  # each image has its own
        assert torch.isin(mine, image).all()


def test_parts_hold_the_psf_twice_and_are_fewer_then():
    x, psf = texture(1, 1, 600, 600), np.ones((101, 11))
    parts, _ = typical_parts(x, None, psf)
    assert parts.shape == (1, 4, 202, 96)


def test_flat_and_rough_parts_count_by_their_share():
    x = texture(1, 1, 500, 500)
    x[..., 100:400, 100:400] = 0.5
    rough = typical_parts(x, None, None)[0].flatten(2).std(2)
    assert (rough > 0.5).sum() >= 4
    assert rough.min() < 0.3


def test_parts_of_which_nothing_is_known_are_left_out():
    x, weight = texture(1, 1, 400, 400), torch.zeros(1, 1, 400, 400)
    weight[..., :100, :100] = 1
    _, known = typical_parts(x, weight, None)
    assert (known.flatten(2).sum(2) > 0).all()


def test_an_offset_does_not_change_what_is_rough():
    x = texture(1, 1, 400, 400)
    x[..., :200, :] *= 0.1
    parts, _ = typical_parts(x + 1000, None, None)
    expected, _ = typical_parts(x, None, None)
    torch.testing.assert_close(parts - 1000, expected, rtol=0, atol=1e-3)
    assert BLOCK < LENGTH[2]


@pytest.mark.parametrize("kind", [TotalVariationRestorer, LeastSquaresRestorer])
def test_a_flat_middle_does_not_decide_for_the_rest(kind):
    photograph = load_photographs("test").images[0].astype(np.float32)
    scene = np.tile(photograph[:250, :250], (2, 2))[None]
    scene[:, 100:400, 100:400] = scene.mean()
    noisy = scene + np.random.default_rng(0).normal(0, 15, scene.shape)
    alone = kind(data_range=255).fit(noisy)
    best = kind(data_range=255).fit(noisy, scene)
    assert alone.score(noisy, scene) > best.score(noisy, scene) - 0.3
