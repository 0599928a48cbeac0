"""The transform that stabilises the variance of counted light."""

import pytest
import torch

from skdeconv.solvers import anscombe, inverse_anscombe


def counts(photons, gain, std, black, size=400_000):
    generator = torch.Generator().manual_seed(0)
    rate = torch.as_tensor(photons, dtype=torch.float64)[:, None, None].expand(
        -1, 1, size
    )
    noise = torch.randn(rate.shape, generator=generator, dtype=rate.dtype)
    return gain * torch.poisson(rate, generator=generator) + black + std * noise


@pytest.mark.parametrize(
    ("gain", "std", "black"), [(1, 0, 0), (0.02, 0, 0), (3, 6, 0), (3, 6, 100)]
)
def test_noise_has_one_level(gain, std, black):
    y = counts([4.0, 10, 100, 1000], gain, std, black)
    stable = anscombe(y, gain, std**2 - gain * black)
    assert ((stable.std((1, 2)) - 1).abs() < 0.04).all()


@pytest.mark.parametrize(
    ("gain", "std", "black"), [(1, 0, 0), (0.02, 0, 0), (3, 6, 0), (3, 1, 100)]
)
def test_inverse_has_no_bias(gain, std, black):
    photons = torch.tensor([0.0, 0.2, 1, 2, 5, 20, 300], dtype=torch.float64)
    y = counts(photons, gain, std, black)
    offset = std**2 - gain * black
    mean = anscombe(y, gain, offset).mean((1, 2), keepdim=True)
    found = (inverse_anscombe(mean, gain, offset) - black) / gain
    error = (found.flatten() - photons).abs()
    chance = 4 * ((photons + (std / gain) ** 2) / y.shape[-1]).sqrt()
    assert (error < 0.05 + chance).all()


def test_algebraic_inverse_would_be_biased():
    y = counts([1.0], 1, 0, 0)
    mean = anscombe(y, 1, 0).mean()
    assert (mean / 2) ** 2 - 3 / 8 < 0.85
    exact = inverse_anscombe(mean.view(1, 1, 1), 1, 0)
    assert exact.item() == pytest.approx(1, abs=0.03)


def test_constant_noise_is_scaled():
    x = torch.linspace(-3, 5, 9, dtype=torch.float64).view(1, 1, 9)
    torch.testing.assert_close(anscombe(x, 0.0, 4.0), x / 2)
    torch.testing.assert_close(inverse_anscombe(x, 0.0, 4.0), x * 2)


def test_every_image_has_its_own_line():
    x = torch.rand(3, 2, 5, 4, dtype=torch.float64) * 100
    gain = torch.tensor([0.0, 1.0, 2.5])
    offset = torch.tensor([9.0, 4.0, -10.0])
    stable = anscombe(x, gain, offset)
    back = inverse_anscombe(stable, gain, offset)
    for k in range(3):
        part, line = slice(k, k + 1), (gain[k].item(), offset[k].item())
        torch.testing.assert_close(stable[part], anscombe(x[part], *line))
        alone = inverse_anscombe(stable[part], *line)
        torch.testing.assert_close(back[part], alone)


def test_brightness_is_kept_far_from_the_dark():
    x = torch.tensor([1e3, 1e4, 6e4], dtype=torch.float64).view(1, 1, 3)
    back = inverse_anscombe(anscombe(x, 1.0, 0.0), 1.0, 0.0)
    # The mean of transforms is a quarter of a photon below the transform of the mean.
    torch.testing.assert_close(back, x + 0.25, rtol=0, atol=2e-2)


def test_order_is_kept_and_no_light_is_the_least():
    d = torch.linspace(-1, 20, 4000, dtype=torch.float64).view(1, 1, -1)
    x = inverse_anscombe(d, 2.0, 7.0).flatten()
    assert (x.diff() >= 0).all()
    assert x[0].item() == pytest.approx(-3.5, abs=1e-12)


def test_slope_is_finite_everywhere():
    x = torch.tensor([-50.0, -3 / 8, 0, 1, 9]).view(1, 1, 5).requires_grad_()
    inverse_anscombe(anscombe(x, 1.0, 0.0), 1.0, 0.0).sum().backward()
    assert x.grad.isfinite().all()
