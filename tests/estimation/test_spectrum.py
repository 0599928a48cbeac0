"""Power spectra, and the risk of linear filters."""

import numpy as np
import pytest
import torch

from skdeconv.estimation import (
    PowerLaw,
    fit_power_law,
    image_power,
    linear_risk,
    lowest,
    periodogram,
    sparse_alpha,
)
from skdeconv.operators import Blur
from skdeconv.operators._fourier import radial_frequency, transfer_function
from skdeconv.solvers import wiener

SHAPES = [(256,), (64, 66), (16, 18, 20)]


def power_law_images(n, shape, exponent, amplitude=1e-3):
    """Random images whose power falls as the frequency to the exponent."""
    generator = torch.Generator().manual_seed(0)
    white = torch.randn(n, 1, *shape, generator=generator, dtype=torch.float64)
    axes = tuple(range(-len(shape), 0))
    law = PowerLaw(
        torch.tensor([np.log(amplitude)]), torch.tensor([exponent]), 0.5 / max(shape)
    )
    power = law(radial_frequency(shape, dtype=torch.float64))[0]
    return torch.fft.irfftn(torch.fft.rfftn(white, dim=axes) * power.sqrt(), s=shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_white_noise_has_its_variance_everywhere(shape):
    noise = 3 * torch.randn(
        64, 2, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    assert float(periodogram(noise, len(shape)).mean()) == pytest.approx(9, rel=0.1)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_power_law_is_found_behind_noise(shape):
    x = power_law_images(4, shape, 2.0)
    noise = 0.02 * torch.randn(
        x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    level = torch.full((4,), 0.02, dtype=torch.float64)
    power = periodogram(x + noise, len(shape))
    law = fit_power_law(power, torch.ones_like(power[0]), level, shape)
    assert (law.exponent - 2).abs().mean() < 0.35


def test_risk_is_the_error_of_the_filter():
    shape = (128, 128)
    psf = np.outer([0.25, 0.5, 0.25], [0.2, 0.6, 0.2])
    x = power_law_images(1, shape, 2.4, amplitude=1e-2)
    transfer = transfer_function(psf, shape, dtype=torch.float64)
    blurred = torch.fft.irfftn(torch.fft.rfftn(x, dim=(-2, -1)) * transfer, s=shape)
    noise = 0.1 * torch.randn(
        x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    y, level = blurred + noise, torch.tensor([0.1], dtype=torch.float64)
    power, gain, _ = image_power(y, psf, level)
    for alpha in (0.01, 0.1, 1.0):
        found = wiener(y, Blur(psf, "periodic"), alpha=alpha, regularizer="identity").x
        risk = linear_risk(power, gain, torch.tensor(alpha), level, shape)
        assert float(risk) == pytest.approx(float((found - x).square().mean()), rel=0.2)


def test_lowest_is_the_vertex_of_a_parabola():
    values = torch.logspace(-2, 2, 9, dtype=torch.float64)
    curve = (values.log() - np.log(0.5)) ** 2
    assert float(lowest(values, curve[None])) == pytest.approx(0.5)
    assert float(lowest(values, values[None])) == pytest.approx(0.01)
    assert float(lowest(values, -values[None])) == pytest.approx(100)


def test_more_noise_wants_more_of_the_sparse_penalty():
    x = power_law_images(1, (64, 64), 2.0)
    psf = np.ones((3, 3)) / 9
    alphas = [
        float(sparse_alpha(x, psf, torch.tensor([s], dtype=torch.float64))[0])
        for s in (0.001, 0.01, 0.1)
    ]
    assert alphas == sorted(alphas)


@pytest.mark.parametrize("level", [0.0, 0.1])
def test_constant_images_do_no_harm(level):
    y = torch.full((1, 1, 16, 16), 0.5, dtype=torch.float64)
    noise = torch.tensor([level], dtype=torch.float64)
    chosen = sparse_alpha(y, np.ones((1, 1)), noise)[0]
    assert chosen.isfinite().all()
