"""sparse_invert: missing and coarse pixels."""

import pytest
import torch
from skimage import data

from skdeconv.operators import Blur, Downsample, Identity, Mask
from skdeconv.operators._filling import fill_in
from skdeconv.solvers import sparse_deconvolve, sparse_invert


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.fixture(scope="module")
def camera():
    image = data.camera()[100:164, 200:264] / 255.0
    return torch.from_numpy(image)[None, None]


def error(x, y):
    return float((x - y).square().mean())


def test_missing_pixels_are_filled(camera):
    seen = random(*camera.shape[2:]) > 0
    y = Mask(seen.numpy())(camera)
    x = sparse_invert(y, Mask(seen.numpy()), alpha=1e-3).x
    assert x.shape == camera.shape
    # The mean of the known neighbours is what any user would try first.
    assert error(x, camera) < 0.7 * error(fill_in(y, seen.expand_as(y)), camera)


def test_weights_do_what_a_mask_does(camera):
    seen = random(*camera.shape[2:]) > 0
    masked = sparse_invert(
        Mask(seen.numpy())(camera), Mask(seen.numpy()), alpha=1e-3, max_iter=20
    ).x
    for garbage in (0.0, 1e6):
        weighted = sparse_invert(
            torch.where(seen, camera, garbage),
            Identity(),
            alpha=1e-3,
            weight=seen.to(camera).expand_as(camera),
            max_iter=20,
        ).x
        torch.testing.assert_close(weighted, masked)


def test_coarse_pixels_are_refined(camera):
    y = Downsample(2)(camera)
    x = sparse_invert(y, Downsample(2), alpha=1e-3).x
    cubic = torch.nn.functional.interpolate(y, scale_factor=2, mode="bicubic")
    assert error(x, camera) < error(cubic, camera)


def test_agrees_with_deconvolution_where_both_serve(camera):
    # The balanced and the analysis approach differ, but not by much.
    blur = Blur([[0.25, 0.5, 0.25]], boundary="extended")
    y = blur(camera)
    scene = sparse_invert(y, blur, alpha=1e-3, max_iter=300, tol=0).x
    frame = scene[..., 1:-1]
    other = sparse_deconvolve(y, blur, alpha=1e-3, max_iter=300, tol=0).x
    assert error(frame, other) < 0.1 * error(y, other)


@pytest.mark.parametrize("shape", [(9,), (8, 1), (1, 12), (4, 6, 8)])
def test_scales_and_keeps_constants(shape):
    operator = Identity(len(shape))
    y = random(2, 2, *shape)
    once, scaled = (sparse_invert(k * y, operator, alpha=0.1 * k).x for k in (1, 100))
    torch.testing.assert_close(scaled, 100 * once)
    flat = torch.full_like(y, 0.3)
    torch.testing.assert_close(sparse_invert(flat, operator, alpha=0.1).x, flat)


def test_images_do_not_know_each_other(camera):
    y = torch.cat([camera, camera.flip(-1) + 0.1])
    both = sparse_invert(y, Identity(), alpha=1e-2).x
    torch.testing.assert_close(both[1:], sparse_invert(y[1:], Identity(), alpha=1e-2).x)
