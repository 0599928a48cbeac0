"""Variance of noise over intensity."""

import pytest
import torch

from skdeconv.estimation import estimate_noise_variance


def ramp(side=200):
    x = torch.linspace(5, 200, side, dtype=torch.float64)
    return (x[:, None] + 20 * torch.sin(x / 9)).clamp_min(1).expand(1, 1, side, side)


def noisy(gain, std, x=None, seed=0):
    x = ramp() if x is None else x
    generator = torch.Generator().manual_seed(seed)
    if gain:
        x = torch.poisson(x / gain, generator=generator) * gain
    noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return x + std * noise


@pytest.mark.parametrize(
    ("gain", "std"), [(0, 0), (0, 3), (0.1, 0), (2, 0), (1, 10), (0.5, 2)]
)
def test_finds_both_parts(gain, std):
    x = noisy(gain, std)
    constant, slope = (float(v) for v in estimate_noise_variance(x, 2))
    level = 100
    found, true = constant + slope * level, std**2 + gain * level
    assert abs(found - true) <= 0.12 * true + 1e-2
    assert abs(slope - gain) <= 0.15 * gain + 2e-3 * std**2 + 1e-3


@pytest.mark.parametrize("shape", [(3000,), (60, 70), (14, 15, 16)])
def test_any_number_of_axes_and_units(shape):
    x = noisy(2, 0, torch.full((3, 2, *shape), 50.0, dtype=torch.float64))
    constant, gain = estimate_noise_variance(x, len(shape))
    variance = constant + 50 * gain
    assert variance.shape == (3,)
    assert ((variance - 100).abs() < 25).all()
    scaled = estimate_noise_variance(x / 2**40, len(shape))
    torch.testing.assert_close(scaled[0] * 2.0**80, constant)
    torch.testing.assert_close(scaled[1] * 2.0**40, gain)
    alone = estimate_noise_variance(x[1:2], len(shape))
    torch.testing.assert_close(alone[1], gain[1:2])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (4, 4), (40, 40)])
def test_constant_and_tiny_images(shape):
    for level in (0.0, 7.0):
        x = torch.full((2, 1, *shape), level)
        constant, gain = estimate_noise_variance(x, 2)
        assert (constant == 0).all()
        assert (gain == 0).all()


def test_unknown_pixels_are_left_out():
    x = noisy(1, 0)
    weight = torch.ones_like(x)
    weight[..., 20:90, 50:55] = 0
    spoiled = x.where(weight > 0, 1000)
    constant, gain = estimate_noise_variance(spoiled, 2, weight)
    assert abs(float(constant + 100 * gain) / 100 - 1) < 0.1
    sparse = torch.zeros_like(x)
    sparse[..., ::2, ::2] = 1
    assert all(v.isfinite().all() for v in estimate_noise_variance(x, 2, sparse))
