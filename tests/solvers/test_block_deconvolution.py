"""Deblurring with collaborative filtering as the prior."""

import numpy as np
import pytest
import torch

from skdeconv.operators import Blur
from skdeconv.solvers import block_deconvolve
from skdeconv.solvers._collaborative import Stage

STAGES = (Stage(4, 3, 3, 0.75), Stage(8, 3, 3, 0.5))
PSFS = {
    1: np.array([0.2, 0.5, 0.2, 0.1]),
    2: np.array([[0.1, 0.2, 0.1], [0.1, 0.3, 0.2]]),
    3: np.full((2, 2, 3), 1 / 12),
}


def restore(y, blur, level, **options):
    return block_deconvolve(
        y, blur, level, patch_size=4, stages=STAGES, max_iter=4, **options
    ).x


def scene(*shape, seed=0):
    ramps = [torch.linspace(0, 3, n, dtype=torch.float64) for n in shape]
    steps = sum(torch.meshgrid(*ramps, indexing="ij")).round()
    return steps.expand(2, 1, *shape).contiguous()


def noise(x, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(x.shape, generator=generator, dtype=x.dtype)


@pytest.mark.parametrize("boundary", ["extended", "periodic"])
@pytest.mark.parametrize("shape", [(60,), (26, 30), (10, 11, 12)])
def test_sharpens_and_denoises(shape, boundary):
    blur = Blur(PSFS[len(shape)], boundary)
    truth = scene(*shape)
    y = blur(scene(*blur.input_shape(shape)))
    if boundary == "extended":
        truth = scene(*blur.input_shape(shape))[blur._seen(blur.input_shape(shape))]
    y = y + 0.1 * noise(y)
    x = restore(y, blur, torch.full((2,), 0.1))
    assert x.shape == y.shape
    assert (x - truth).square().mean() < 0.7 * (y - truth).square().mean()


def test_images_do_not_see_each_other():
    blur = Blur(PSFS[2], "extended")
    y = scene(20, 22) + noise(scene(20, 22))
    level = torch.tensor([1.0, 0.3])
    together = restore(y, blur, level)
    for i in range(2):
        alone = restore(y[i : i + 1], blur, level[i : i + 1])
        assert torch.allclose(alone[0], together[i], atol=1e-8)


def test_hidden_pixels_have_no_influence():
    blur = Blur(PSFS[2], "extended")
    y = scene(20, 22) + 0.1 * noise(scene(20, 22))
    weight = torch.ones_like(y)
    weight[..., 5:8, 9:11] = 0
    wild = torch.where(weight > 0, y, 1e3)
    level = torch.full((2,), 0.1)
    expected = restore(y, blur, level, weight=weight)
    assert torch.allclose(restore(wild, blur, level, weight=weight), expected)
    assert (expected - y).abs().max() < 2


def test_other_boundaries_are_refused():
    y = scene(20, 22)
    with pytest.raises(ValueError, match="boundary"):
        restore(y, Blur(PSFS[2], "reflect"), torch.ones(2))
