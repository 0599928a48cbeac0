"""What an image's power spectrum tells of the image behind blur and noise."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.signal.windows import tukey
from torch import Tensor

from skdeconv.operators._fourier import (
    fft,
    ifft,
    radial_frequency,
    spatial_axes,
    transfer_function,
)
from skdeconv.operators._grids import along

# Share of an axis over which the data fade out, lest opposite ends meet as an edge.
TAPER = 0.3

# Strengths of a penalty that are looked at: a factor of 10 ** (1 / 4) apart.
ALPHAS = torch.logspace(-6, 2, 33, dtype=torch.float64)

LEAKS = 2  # fits of the law, with what leaks under the one before
ROUNDS = 12  # Newton steps; six settle on photographs


def periodogram(y: Tensor, ndim: int) -> Tensor:
    """Power per pixel of tapered images, less their mean; the mean over channels.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Images.
    ndim : int
        Number of spatial axes.

    Returns
    -------
    power : Tensor of shape (batch, *spectrum)
        Shaped like the half spectrum; white noise has its variance everywhere.
    """
    window = _window(tuple(y.shape[2:]), y)
    total = window.square().sum()
    axes = spatial_axes(ndim)
    mean = (y * window.square()).sum(axes, keepdim=True) / total
    spectrum = fft((y - mean) * window, tuple(y.shape[2:]))
    return (spectrum.real.square() + spectrum.imag.square()).mean(1) / total


def _window(shape, like):
    window = torch.ones((), dtype=like.dtype, device=like.device)
    for axis, n in zip(spatial_axes(len(shape)), shape, strict=True):
        profile = tukey(n + 2, TAPER)[1:-1]
        window = window * along(torch.from_numpy(profile).to(like), axis)
    return window


def blurred_gain(psf: np.ndarray, shape: tuple[int, ...], exponent: Tensor) -> Tensor:
    r"""What a blur leaves of each wave of a power law in a periodogram.

    The taper lets waves leak into their neighbours: where the blur lets a wave vanish,
    its neighbours are seen, which the squared transfer function does not tell. In small
    images under directed blurs that would pass for power of the vanished wave.

    Parameters
    ----------
    psf : ndarray
        The blur.
    shape : tuple of int
        Spatial shape of the images.
    exponent : Tensor of shape (batch,)
        Of the power law :math:`f^{-\gamma}`.

    Returns
    -------
    gain : Tensor of shape (batch, *spectrum)
        Expected periodogram over the power law.
    """
    options = {"device": exponent.device, "dtype": exponent.dtype}
    grid = tuple(2 * n for n in shape)  # no lag of the window goes round
    frequency = radial_frequency(grid, **options).clamp_min(0.5 / max(shape))
    power = frequency ** -exponent[(..., *(None,) * len(shape))]
    transfer = transfer_function(psf, grid, **options).abs().square()
    window = _window(shape, exponent)
    taper = fft(window, grid)
    lags = ifft(taper * taper.conj(), grid)
    seen = ifft((power * transfer).to(taper), grid) * lags
    every = (slice(None, None, 2),) * len(shape)
    seen = fft(seen, grid).real[(..., *every)] / window.square().sum()
    return seen.clamp_min(0) / power[(..., *every)]


@dataclass(frozen=True)
class PowerLaw:
    r"""Power of images that falls with the frequency, :math:`A f^{-\gamma}`.

    Parameters
    ----------
    log_amplitude, exponent : Tensor of shape (batch,)
        :math:`\log A` and :math:`\gamma`.
    lowest : float
        Frequency below which the power rises no further.
    """

    log_amplitude: Tensor
    exponent: Tensor
    lowest: float

    def __call__(self, frequency: Tensor) -> Tensor:
        """Evaluate the law.

        Parameters
        ----------
        frequency : Tensor
            Distance from zero frequency in cycles per pixel.

        Returns
        -------
        power : Tensor of shape (batch, *frequency.shape)
            Power per pixel.
        """
        each = (..., *(None,) * frequency.ndim)
        octave = frequency.clamp_min(self.lowest).log()
        return (self.log_amplitude[each] - self.exponent[each] * octave).exp()


def fit_power_law(
    power: Tensor, gain: Tensor, noise_std: Tensor, shape: tuple[int, ...]
) -> PowerLaw:
    r"""Fit a power law to the image behind blur and noise, by maximum likelihood.

    Waves are independent, with the variance :math:`|\hat k|^2 A f^{-\gamma} +
    \sigma^2` (Whittle's likelihood); Newton's method with Fisher's information finds
    both parameters.

    Parameters
    ----------
    power : Tensor of shape (batch, *spectrum)
        Periodograms of the data.
    gain : Tensor broadcastable to (batch, *spectrum)
        What is seen of each wave's power.
    noise_std : Tensor of shape (batch,)
        Standard deviation of the noise.
    shape : tuple of int
        Spatial shape of the images.

    Returns
    -------
    law : PowerLaw
        What was fitted, per image.
    """
    frequency = radial_frequency(shape, device=power.device, dtype=power.dtype)
    lowest = 0.5 / max(shape)
    slope = -frequency.clamp_min(lowest).log().flatten()
    count = multiplicity(shape).to(power).flatten() * (slope < -np.log(1.5 * lowest))
    power, gain = power.flatten(1), gain.expand_as(power).flatten(1)
    tiny = torch.finfo(power.dtype).tiny ** 0.5
    noise = noise_std.square()[:, None].clamp_min(tiny)

    exponent = torch.full((len(power),), 2.0, dtype=power.dtype, device=power.device)
    model = (gain * torch.exp(2 * slope) * count).sum(1)
    amplitude = ((power * count).sum(1) / model.clamp_min(tiny)).clamp_min(tiny).log()

    def misfit(a, g):
        expected = gain * (a[:, None] + g[:, None] * slope).exp() + noise
        return ((expected.log() + power / expected) * count).sum(1), expected

    damping = torch.full_like(exponent, 1e-3)
    current, expected = misfit(amplitude, exponent)
    for _ in range(ROUNDS):
        share = 1 - noise / expected  # of the image; the derivative by log A
        pull = count * share * (1 - power / expected)
        gradient = torch.stack([pull.sum(1), (pull * slope).sum(1)], 1)
        weight = count * share.square()
        moments = [(weight * slope**k).sum(1) for k in range(3)]
        a, b, c = moments[0] * (1 + damping), moments[1], moments[2] * (1 + damping)
        determinant = (a * c - b * b).clamp_min(tiny)
        step = torch.stack(
            [c * gradient[:, 0] - b * gradient[:, 1],
             a * gradient[:, 1] - b * gradient[:, 0]], 1
        ) / determinant[:, None]  # fmt: skip
        step = step.clamp(-3, 3)
        trial = (amplitude - step[:, 0], (exponent - step[:, 1]).clamp(0, 6))
        value, there = misfit(*trial)
        better = value < current
        amplitude = torch.where(better, trial[0], amplitude)
        exponent = torch.where(better, trial[1], exponent)
        current = torch.where(better, value, current)
        expected = torch.where(better[:, None], there, expected)
        damping = torch.where(better, damping / 10, damping * 10)
    return PowerLaw(amplitude, exponent, lowest)


def multiplicity(shape: tuple[int, ...]) -> Tensor:
    """How often each wave of the half spectrum stands in the whole one."""
    last = shape[-1]
    count = torch.full((last // 2 + 1,), 2.0)
    count[0] = 1
    if last % 2 == 0:
        count[-1] = 1
    return count.expand(*shape[:-1], -1)


def image_power(
    y: Tensor, psf: np.ndarray, noise_std: Tensor
) -> tuple[Tensor, Tensor, PowerLaw]:
    """Estimate the power of the image behind blur and noise, wave by wave.

    The expectation given the data, with a fitted power law as the prior: where the
    blur leaves a wave above the noise the data decide, elsewhere the law.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Blurred, noisy images.
    psf : ndarray
        The blur.
    noise_std : Tensor of shape (batch,)
        Standard deviation of the noise.

    Returns
    -------
    power : Tensor of shape (batch, *spectrum)
        Power per pixel.
    gain : Tensor of shape (*spectrum)
        Squared magnitude of the transfer function.
    law : PowerLaw
        The prior.
    """
    shape = tuple(y.shape[2:])
    data = periodogram(y, len(shape))
    transfer = transfer_function(psf, shape, device=y.device, dtype=y.dtype)
    gain = transfer.real.square() + transfer.imag.square()
    exponent = torch.full_like(noise_std, 2.0)
    for _ in range(LEAKS):
        seen = blurred_gain(psf, shape, exponent)
        law = fit_power_law(data, seen, noise_std, shape)
        exponent = law.exponent
    prior = law(radial_frequency(shape, device=y.device, dtype=y.dtype))
    noise = noise_std.square()[(..., *(None,) * len(shape))]
    noise = noise.clamp_min(torch.finfo(y.dtype).tiny ** 0.5)
    total = gain * prior + noise
    data = data * total / (seen * prior + noise)  # less what leaked in
    return gain * (prior / total).square() * data + prior * noise / total, gain, law


def linear_risk(
    power: Tensor, gain: Tensor, penalty: Tensor, noise_std: Tensor, shape
) -> Tensor:
    r"""Mean squared error of a quadratic penalty, for the power of the image.

    .. math:: \left( \frac{p}{g + p} \right)^2 S + \frac{g}{(g + p)^2} \sigma^2

    summed over the waves, with the gain `g` and the penalty `p`. Without a blur and for
    a power estimated without a prior it is Stein's unbiased risk estimate.

    Parameters
    ----------
    power : Tensor of shape (batch, *spectrum)
        Power of the image.
    gain : Tensor of shape (*spectrum)
        Squared magnitude of the transfer function.
    penalty : Tensor broadcastable to (batch, *spectrum)
        Spectrum of the penalty.
    noise_std : Tensor of shape (batch,)
        Standard deviation of the noise.
    shape : tuple of int
        Spatial shape of the images.

    Returns
    -------
    risk : Tensor of shape (batch,)
        Per pixel.
    """
    count = multiplicity(shape).to(power)
    denominator = gain + penalty
    noise = noise_std.square()[(..., *(None,) * len(shape))]
    risk = (penalty.square() * power + gain * noise) / denominator.square()
    # In float64: near its minimum the risk is flat.
    total = (risk * count).flatten(1).sum(1, dtype=torch.float64)
    return total / count.sum()


def linear_risks(
    power: Tensor, gain: Tensor, penalty: Tensor, noise_std: Tensor, shape
) -> tuple[Tensor, Tensor]:
    """Mean squared errors of a quadratic penalty at many strengths.

    Parameters
    ----------
    power : Tensor of shape (batch, *spectrum)
        Power of the image.
    gain : Tensor of shape (*spectrum)
        Squared magnitude of the transfer function.
    penalty : Tensor broadcastable to (batch, *spectrum)
        Spectrum of the penalty at strength 1.
    noise_std : Tensor of shape (batch,)
        Standard deviation of the noise.
    shape : tuple of int
        Spatial shape of the images.

    Returns
    -------
    alphas : Tensor of shape (n_values,)
        Strengths, ascending by equal factors.
    risks : Tensor of shape (batch, n_values)
        Squared errors per pixel.
    """
    alphas = ALPHAS.to(power)
    risks = [linear_risk(power, gain, a * penalty, noise_std, shape) for a in alphas]
    return alphas, torch.stack(risks, 1)
