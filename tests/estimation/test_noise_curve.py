"""Growth of the noise with intensity."""

import pytest
import torch
from skimage import data

from skdeconv.estimation import (
    _noise_curve,
    estimate_noise_curve,
    estimate_noise_std,
)
from skdeconv.estimation._patches import Patches


def photograph(name):
    return torch.from_numpy(getattr(data, name)()[:256, :256] * 1.0)[None, None]


def noisy(x, gain, std, seed=0):
    generator = torch.Generator().manual_seed(seed)
    if gain:
        x = torch.poisson(x / gain, generator=generator) * gain
    return x + std * torch.randn(x.shape, generator=generator, dtype=x.dtype)


def true_rms(x, gain, std):
    return (gain * x.mean() + std**2).sqrt().item()


@pytest.mark.parametrize(("gain", "std"), [(1, 0), (3, 0), (1, 4), (10, 10)])
@pytest.mark.parametrize("name", ["camera", "coins"])
def test_finds_growth_and_its_mean(name, gain, std):
    x = photograph(name)
    y = noisy(x, gain, std)
    curve = estimate_noise_curve(y, 2)
    assert curve.grows
    assert curve.rms(y).item() == pytest.approx(true_rms(x, gain, std), rel=0.1)
    assert curve.bright > 1.4 * curve.dark


@pytest.mark.parametrize("std", [0, 2, 5, 15, 50])
@pytest.mark.parametrize("name", ["camera", "moon", "coins", "brick", "grass"])
def test_constant_noise_does_not_grow(name, std):
    y = noisy(photograph(name), 0, std)
    assert not estimate_noise_curve(y, 2).grows
    assert not estimate_noise_curve(y.round().clamp(0, 255), 2).grows


def test_dark_scene_with_small_bright_parts():
    x = 255 * (photograph("camera").flip(2) / 255) ** 4 + 1
    y = noisy(x, 2, 2)
    curve = estimate_noise_curve(y, 2)
    assert curve.grows
    assert curve.rms(y).item() == pytest.approx(true_rms(x, 2, 2), rel=0.1)
    assert estimate_noise_std(y, 2) < 0.6 * true_rms(x, 2, 2)


def test_large_images_are_looked_at_in_parts(monkeypatch):
    ramp = torch.linspace(10, 200, 2000)[:, None].expand(1, 1, 2000, 1200)
    noisy = torch.poisson(ramp, generator=torch.Generator().manual_seed(0))
    seen = []
    monkeypatch.setattr(
        _noise_curve, "Patches", lambda x, *a: seen.append(x.numel()) or Patches(x, *a)
    )
    curve = estimate_noise_curve(noisy, ndim=2)
    assert curve.gain.item() == pytest.approx(1, rel=0.1)
    assert curve.grows
    assert seen == [8 * (2**21 // 1200 // 8) * 1200]


@pytest.mark.parametrize("black", [-100.0, 50.0, 1000.0])
def test_black_may_be_anywhere(black):
    x = photograph("camera")
    y = noisy(x, 1, 1)
    curve, moved = (estimate_noise_curve(v, 2) for v in (y, y + black))
    assert moved.grows
    torch.testing.assert_close(moved.gain, curve.gain, rtol=1e-3, atol=0)
    torch.testing.assert_close(moved.rms(y + black), curve.rms(y), rtol=1e-3, atol=0)


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**30])
def test_units_do_not_matter(scale):
    y = noisy(photograph("camera"), 1, 1).float()
    curve, scaled = (estimate_noise_curve(v, 2) for v in (y, y * scale))
    torch.testing.assert_close(scaled.gain, curve.gain * scale, rtol=1e-3, atol=0)
    torch.testing.assert_close(
        scaled.offset, curve.offset * scale**2, rtol=1e-3, atol=0
    )
    assert scaled.grows


def test_every_image_for_itself_and_channels_together():
    x = photograph("camera")
    y = torch.cat([noisy(x, 0, 9), noisy(x, 3, 0)])
    both = estimate_noise_curve(y, 2)
    assert both.grows.tolist() == [False, True]
    for k in range(2):
        alone = estimate_noise_curve(y[k : k + 1], 2)
        torch.testing.assert_close(alone.gain, both.gain[k : k + 1], rtol=1e-3, atol=0)
    colours = torch.cat([noisy(x / 2, 3, 0), noisy(x, 3, 0, 1)], 1)
    curve = estimate_noise_curve(colours, 2)
    assert curve.grows.shape == (1,)
    assert curve.gain.item() == pytest.approx(3, rel=0.1)


def test_unknown_pixels_are_left_out():
    x = photograph("camera")
    weight = torch.ones_like(x)
    weight[..., 100:140, :] = 0
    y = noisy(x, 2, 0).where(weight > 0, 1e4)
    curve = estimate_noise_curve(y, 2, weight=weight)
    assert curve.grows
    rms = true_rms(x[weight > 0], 2, 0)
    assert curve.rms(y, weight).item() == pytest.approx(rms, rel=0.1)


@pytest.mark.parametrize(
    "shape", [(300,), (5000,), (1, 1), (1, 9), (20, 30), (9, 10, 11)]
)
def test_small_images_and_other_numbers_of_axes(shape):
    y = noisy(torch.full((2, 2, *shape), 50.0, dtype=torch.float64), 0, 3)
    curve = estimate_noise_curve(y, len(shape))
    assert all(part.isfinite().all() for part in curve)
    assert not curve.grows.any()
    still = torch.full_like(y, 7.0)
    assert (estimate_noise_curve(still, len(shape)).offset == 0).all()


def test_volumes():
    x = torch.linspace(0, 1, 40, dtype=torch.float64)
    x = 5 + 100 * x[:, None, None] * x[:, None] * x
    y = noisy(x.expand(1, 1, 40, 40, 40), 2, 0)
    curve = estimate_noise_curve(y, 3)
    assert curve.grows
    assert curve.gain.item() == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("black", [0, 8])
def test_few_photons_are_not_clipped(black):
    # The darkest pixels, without any photon, are no heap of clipped ones.
    x = 255 * (photograph("camera") / 255) ** 3 + 16
    y = noisy(x, 12, 0) + black
    curve = estimate_noise_curve(y, 2)
    assert curve.grows
    assert curve.gain.item() == pytest.approx(12, rel=0.1)


@pytest.mark.parametrize("name", ["camera", "moon", "coins", "page", "brick"])
def test_photographs_themselves_have_no_noise_that_grows(name):
    assert not estimate_noise_curve(photograph(name), 2).grows
