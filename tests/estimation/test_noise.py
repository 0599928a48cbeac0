import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data

from skdeconv.estimation import estimate_noise_std
from skdeconv.estimation._noise import slabs


def noise(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("sigma", [5, 15, 50])
@pytest.mark.parametrize("name", ["camera", "moon", "coins"])
def test_within_a_tenth_on_photographs(name, sigma):
    image = torch.from_numpy(getattr(data, name)()[:256, :256]).double()
    noisy = image + sigma * noise(*image.shape)
    estimate = estimate_noise_std(noisy[None, None], 2)
    assert estimate.item() == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize("shape", [(2000,), (40, 50), (12, 14, 16)])
def test_pure_noise_in_any_number_of_axes(shape):
    levels = torch.tensor([0.5, 2.0], dtype=torch.float64)
    x = noise(2, 3, *shape) * levels.view(2, *(1,) * (1 + len(shape)))
    estimate = estimate_noise_std(x, len(shape))
    assert estimate.shape == (2,)
    torch.testing.assert_close(estimate, levels, rtol=0.1, atol=0)


def test_scales_with_the_image_and_ignores_an_offset():
    x = noise(2, 1, 30, 31)
    torch.testing.assert_close(
        estimate_noise_std(1000 * x + 7, 2), 1000 * estimate_noise_std(x, 2)
    )


@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (10,), (1, 1), (1, 7), (2, 3, 4)])
def test_tiny_and_constant_images(shape):
    x = noise(2, 1, *shape)
    estimate = estimate_noise_std(x, len(shape))
    assert torch.isfinite(estimate).all()
    assert (estimate >= 0).all()
    if max(shape) == 1:
        assert (estimate == 0).all()
    assert (estimate_noise_std(torch.full_like(x, 0.3), len(shape)) == 0).all()


def smooth(n=128):
    t = torch.linspace(0, 1, n, dtype=torch.float64)
    return 100 + 50 * torch.sin(3 * t)[:, None] * torch.cos(2 * t)


def pieces(n=128):
    t = torch.linspace(0, 1, n, dtype=torch.float64)
    disk = (t[:, None] - 0.5) ** 2 + (t - 0.6) ** 2 < 0.05
    return 50.0 * (t > 0.3) + 80.0 * (t[:, None] > 0.5) + 40.0 * disk


@pytest.mark.parametrize("scene", [smooth, pieces])
def test_synthetic_scenes(scene):
    clean = scene()[None, None]
    for sigma in (1, 10):
        noisy = clean + sigma * noise(1, 1, 128, 128)
        estimate, reliability = estimate_noise_std(noisy, 2, return_reliability=True)
        assert estimate.item() == pytest.approx(sigma, rel=0.05)
        assert reliability > 0.6
    assert estimate_noise_std(clean, 2) < 0.01


@pytest.mark.parametrize("name", ["camera", "moon", "coins", "brick"])
def test_blurred_photographs(name):
    image = ndimage.gaussian_filter(getattr(data, name)()[:256, :256] * 1.0, 1.6)
    noisy = torch.from_numpy(image) + 2.55 * noise(256, 256)
    estimate = estimate_noise_std(noisy[None, None], 2)
    assert estimate.item() == pytest.approx(2.55, rel=0.1)


def test_colour_photograph():
    image = torch.from_numpy(data.astronaut()[:200, :200] * 1.0).permute(2, 0, 1)
    noisy = image + 15 * noise(3, 200, 200)
    assert estimate_noise_std(noisy[None], 2).item() == pytest.approx(15, rel=0.06)


@pytest.mark.parametrize("level", [0, 100, 255])
def test_constant_regions_do_not_count(level):
    noisy = smooth() + 5 * noise(128, 128)
    noisy[:100] = level
    estimate = estimate_noise_std(noisy[None, None], 2)
    assert estimate.item() == pytest.approx(5, rel=0.1)


def test_saturated_pixels_do_not_count():
    noisy = (4 * smooth() - 300 + 8 * noise(128, 128)).clamp(0, 255)
    assert ((noisy == 0) | (noisy == 255)).double().mean() > 0.1
    for image in (noisy, noisy.round()):
        estimate = estimate_noise_std(image[None, None], 2)
        assert estimate.item() == pytest.approx(8, rel=0.1)


def test_every_image_and_channel_order_for_itself():
    x = torch.stack([smooth() + 5 * noise(128, 128), pieces() + 2 * noise(128, 128)])
    both = estimate_noise_std(x[:, None], 2)
    alone = torch.cat([estimate_noise_std(image[None, None], 2) for image in x])
    torch.testing.assert_close(both, alone, rtol=1e-10, atol=0)


def test_reliability_tells_texture_and_few_pixels():
    grass = torch.from_numpy(data.grass() * 1.0)[None, None]
    few = noise(1, 1, 8, 8)
    for image in (grass, few):
        _, reliability = estimate_noise_std(image, 2, return_reliability=True)
        assert reliability < 0.4


@pytest.mark.parametrize("shape", [(5_000_000,), (3000, 1500), (165, 165, 165)])
def test_large_images_are_looked_at_in_parts(shape):
    x = 10 * noise(1, 1, *shape) + torch.linspace(0, 200, shape[0]).reshape(
        -1, *(1,) * (len(shape) - 1)
    )
    assert estimate_noise_std(x, len(shape)).item() == pytest.approx(10, rel=0.1)
    weight = torch.ones_like(x, dtype=torch.bool)
    weight[:, :, : shape[0] // 2] = False
    x[~weight] *= 5
    told = estimate_noise_std(x, len(shape), weight=weight, return_reliability=True)
    assert told[0].item() == pytest.approx(10, rel=0.1)
    assert slabs(x).numel() <= 2**21


@pytest.mark.parametrize("offset", [100.0, -3000.0])
def test_offsets_leave_the_estimate_alone(offset):
    image = torch.from_numpy(data.camera()[100:300, 100:300] / 255)[None, None]
    generator = torch.Generator().manual_seed(0)
    noisy = image + 0.02 * torch.randn(image.shape, generator=generator)
    expected = estimate_noise_std(noisy, 2)
    moved = estimate_noise_std((noisy + offset).float(), 2)
    torch.testing.assert_close(moved.double(), expected, rtol=0.03, atol=0)


@pytest.mark.parametrize("n", [128, 300, 1000])
@pytest.mark.parametrize("period", [4, 8, 16, 32])
def test_oscillations_of_signals_are_not_noise(n, period):
    rng = np.random.default_rng(0)
    clean = np.sin(2 * np.pi * np.arange(n) / period + 1)
    noisy = clean + rng.normal(0, 0.02, (20, n))
    found = estimate_noise_std(torch.from_numpy(noisy)[:, None], ndim=1)
    assert 0.85 < float(found.median()) / 0.02 < 1.1
    assert float(found.max()) < 1.3 * 0.02


@pytest.mark.parametrize("shape", [(60, 64), (16, 17, 18)])
@pytest.mark.parametrize("pairs", [False, True])
def test_masks_that_leave_no_window_whole(shape, pairs):
    x = 3 * noise(2, 1, *shape)
    known = torch.ones(shape, dtype=torch.bool)
    known[..., ::2] = False
    if pairs:
        known[::3] = False
    estimate, reliability = estimate_noise_std(
        x.where(known, 100.0),
        len(shape),
        weight=known.double().expand_as(x),
        return_reliability=True,
    )
    expected = torch.full_like(estimate, 3)
    torch.testing.assert_close(estimate, expected, rtol=0.15, atol=0)
    assert (reliability > 0).all()
    assert (reliability < 0.3).all()
