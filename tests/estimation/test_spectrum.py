"""Power spectra, and the risk of linear filters."""

import numpy as np
import pytest
import torch

from skdeconv import Degradation, WienerRestorer
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.estimation import (
    PowerLaw,
    fit_power_law,
    image_power,
    linear_risk,
    lowest,
    periodogram,
    sparse_alpha,
)
from skdeconv.estimation._spectrum import blurred_gain
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, motion_psf
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


def test_leaks_explain_the_periodogram_under_a_directed_blur():
    psf, shape = motion_psf(11, angle=30), (48, 48)
    blur = Blur(psf, "extended")
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(300, 1, 256, 256, generator=generator, dtype=torch.float64)
    frequency = radial_frequency((256, 256), dtype=torch.float64)
    law = frequency.clamp_min(1 / 256) ** -1.0  # the square root of a power law
    field = torch.fft.irfft2(torch.fft.rfft2(noise) * law, (256, 256))
    seen = blur(field[..., : 48 + psf.shape[0] - 1, : 48 + psf.shape[1] - 1])
    found = periodogram(seen, 2).mean(0)
    waves = radial_frequency(shape, dtype=torch.float64)
    expected = blurred_gain(psf, shape, torch.full((1,), 2.0, dtype=torch.float64))
    expected = expected[0] * waves.clamp_min(0.5 / 48) ** -2.0
    middle = (waves > 0.05) & (waves < 0.5)
    ratio = (found / expected)[middle]
    assert 0.8 < ratio.median() < 1.25
    assert ((ratio > 0.5) & (ratio < 2)).double().mean() > 0.98
    transfer = transfer_function(psf, shape, dtype=torch.float64).abs().square()
    naive = (found / (transfer * waves.clamp_min(0.5 / 48) ** -2.0))[middle]
    assert (naive > 2).double().mean() > 0.1


def test_small_images_under_motion_are_not_taken_for_rough():
    psf = motion_psf(11, angle=30)
    images = load_photographs("test").images[:3]
    scenes = np.stack([p[150:208, 150:208] for p in images]).astype(np.float32)
    degrade = Degradation([Blur(psf), GaussianNoise(2.55)], random_state=0)
    observed, truth = degrade.pair(scenes)
    options = {"data_range": 255, "reduction": "none"}
    scores = [
        psnr(
            truth,
            WienerRestorer(psf, alpha=a, data_range=255)
            .fit(observed)
            .predict(observed),
            **options,
        )
        for a in np.geomspace(1e-4, 1e1, 21)
    ]
    chosen = (
        WienerRestorer(psf, noise_std=2.55, data_range=255)
        .fit(observed)
        .predict(observed)
    )
    assert (np.max(scores, 0) - psnr(truth, chosen, **options) < 1).all()
