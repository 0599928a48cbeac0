"""Noise behind a blur: what undoing it meets, beside what the pixels show."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from skdeconv._warnings import warn_caller
from skdeconv.estimation import (
    estimate_noise_curve,
    estimate_noise_std,
    estimate_noise_variance,
    unexplained_noise_std,
)
from skdeconv.estimation._misfit import LN2
from skdeconv.estimation._noise import mean_intensity
from skdeconv.estimation._spectrum import blurred_gain, periodogram
from skdeconv.exceptions import PSFWarning
from skdeconv.operators._fourier import radial_frequency
from skdeconv.restorers._shared_noise import shared_noise

# Noise that was smoothed, as by demosaicking, scaling or JPEG, has more power in coarse
# pixels than white noise of its level. Behind a blur of at least this deviation in all
# directions it is told from texture, which the blur has taken: by levels of coarse
# pixels that are so many times too high, more so the less reliable they are, in images
# of at least so many pixels along an axis; and more reliable than this and a quarter of
# what those of the pixels are, as smoothed noise does not fill all directions.
WIDE, EXCESS, RELIABLE_EXCESS, LONG, SURE, DOUBT = 0.8, 1.7, 1.2, 64, 0.375, 0.25
# More than so many times is no noise: what is left of the texture where there is none.
TOO_MUCH = 20.0

# Texture that a blur leaves in some directions is not in the waves of the band, in
# cycles per pixel, that it spares least: smoothed noise has there, in these quantiles
# of them, this part at least of what coarse pixels have, and hardly less in the last
# ones than in the others. The slope is that of the power of images.
BAND, SLOPE = (0.1, 0.3), 2.0
QUIET, QUIETEST = 0.25, 0.05
LEAST_QUIET, STEADY = 0.8, 0.7

# Noise of signals, and of images of so few pixels, grows where it is so many times
# stronger on average than in the smoothest parts, mostly by a part that is proportional
# to the intensity.
SMALL, GROWN = 2**13, 1.2

# Whether a PSF fits is told in the middle of larger images, of so many pixels if it
# holds the PSF twice, but not of more than the second number.
SAMPLE, MOST = 2**16, 2**20

# Noise counts as at least this part of what data span, somewhat more than rounding them
# to 8 bits makes; whole numbers span as many at least.
ROUNDED, BYTE = 1.2e-3, 255


@dataclass(frozen=True)
class NoiseBehind:
    """Noise of each image, as undoing a blur will meet it.

    Parameters
    ----------
    level, reliability : Tensor of shape (batch,)
        Noise level that the pixels show, and how far it is to be trusted; the root mean
        square over the image where noise grows with the intensity.
    grows : Tensor of bool of shape (batch,)
        Whether it does.
    correlated : Tensor of bool of shape (batch,)
        Whether neighbouring pixels share it, without a blur.
    factor : Tensor of shape (batch,)
        How many times more of it coarse pixels have than of white noise.
    unexplained : Tensor of shape (batch,)
        Level of what the blur does not explain.
    """

    level: Tensor
    reliability: Tensor
    grows: Tensor
    correlated: Tensor
    factor: Tensor
    unexplained: Tensor

    @property
    def total(self) -> Tensor:
        """Level of white noise that is as strong where deblurring makes most of it."""
        return torch.hypot(self.factor * self.level, self.unexplained)

    @property
    def plain(self) -> Tensor:
        """Whether it is the level that the pixels show, all of them."""
        white = (self.factor == 1) & ~self.correlated
        return white & (self.unexplained == 0) & ~self.grows


def noise_behind(
    psf: np.ndarray | None, x: Tensor, data_range: float, weight: Tensor | None = None
) -> NoiseBehind:
    """Estimate the noise of blurred images, and what else will pass for it.

    The arguments are those of :func:`smoothed_noise_factor` and the span of the
    intensities.
    """
    level, reliability = estimate_noise_std(
        x, x.ndim - 2, weight=weight, return_reliability=True
    )
    factor = smoothed_noise_factor(x, level, reliability, psf, weight)
    level, grows = _where_it_grows(x, level, psf, weight)
    correlated = torch.zeros_like(grows)
    if psf is None:
        shown = level
        _, level, reliability = shared_noise(x, level, reliability, data_range, weight)
        correlated = level != shown
    white = factor == 1
    unexplained = unexplained_by(psf, x, factor * level, data_range, weight, white)
    return NoiseBehind(level, reliability, grows, correlated, factor, unexplained)


def _where_it_grows(x, level, psf, weight):
    """Noise levels; root mean squares where noise plainly grows with the intensity.

    Undoing a blur spreads the noise of bright parts over dark ones, where levels are
    measured first, and what has one strength everywhere suits noise of the mean level.
    Behind a blur, signals and small images have too few patches for a curve.
    """
    blurred = psf is not None
    if blurred and np.sqrt(np.mean(_deviations(psf) ** 2)) < WIDE:
        return level, torch.zeros_like(level, dtype=torch.bool)
    ndim = x.ndim - 2
    if not blurred or (x[0].numel() > SMALL and ndim > 1):
        curve = estimate_noise_curve(x, ndim, weight=weight, blurred=blurred)
        return torch.where(curve.grows, curve.rms(x, weight), level), curve.grows
    darkest = x if weight is None else x.where(weight > 0, torch.inf)
    x = x - darkest.amin(tuple(range(1, x.ndim)), keepdim=True)
    constant, gain = estimate_noise_variance(x, ndim, weight)
    growth = gain * mean_intensity(x, weight)
    rms = (constant + growth).sqrt()
    grows = (growth > constant) & (rms > GROWN * level)
    return torch.where(grows, rms, level), grows


def smoothed_noise_factor(
    x: Tensor,
    level: Tensor,
    reliability: Tensor,
    psf: np.ndarray | None,
    weight: Tensor | None = None,
) -> Tensor:
    """How many times stronger noise is in coarse pixels than white noise would be.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    level, reliability : Tensor of shape (batch,)
        Noise level that their pixels show, and how far it is to be trusted.
    psf : ndarray or None
        What blurred them; without, texture cannot be told from smoothed noise.
    weight : Tensor broadcastable to the shape of x, or None, default=None
        Pixels of weight 0 are left out.

    Returns
    -------
    factor : Tensor of shape (batch,)
        1 where the noise is white, or where that is not plain.
    """
    one = torch.ones_like(level)
    if psf is None or psf.ndim != 2 or min(x.shape[2:]) < LONG:
        return one
    if _deviations(psf).min() < WIDE:  # leaves texture across its direction
        return one
    factor, sure = in_coarse_pixels(x, level, weight)
    plain = (factor > EXCESS) & (sure * factor > RELIABLE_EXCESS) & (level > 0)
    plain &= (sure > SURE + DOUBT * reliability) & (factor < TOO_MUCH)
    if plain.any():
        quiet, quietest = _in_quiet_waves(x, psf)
        plain &= (quiet > LEAST_QUIET * factor * level) & (quietest > STEADY * quiet)
    return factor.where(plain, one)


def _in_quiet_waves(x, psf):
    """Levels of the waves of a few pixels that the blur spares little, and least."""
    shape = tuple(x.shape[2:])
    power = periodogram(x.double(), 2).flatten(1)
    gain = blurred_gain(psf, shape, power.new_full((1,), SLOPE)).flatten()
    frequency = radial_frequency(shape, device=x.device).flatten()
    band = (frequency > BAND[0]) & (frequency < BAND[1])
    power, gain = power[:, band], gain[band]
    return [
        (power[:, gain <= gain.quantile(share)].median(1).values / LN2).sqrt().to(x)
        for share in (QUIET, QUIETEST)
    ]


def in_coarse_pixels(x, level, weight):
    """How many times more noise coarse pixels have than of white noise, how surely."""
    known = None if weight is None else (weight > 0).expand(x.shape).to(x)
    coarse, sure = estimate_noise_std(
        F.avg_pool2d(x, 2),
        2,
        weight=None if known is None else -F.max_pool2d(-known, 2),
        return_reliability=True,
    )
    return 2 * coarse / level.clamp_min(torch.finfo(x.dtype).tiny), sure


def _deviations(psf):
    """Standard deviations of a PSF along its own axes, ascending."""
    places = np.stack(np.meshgrid(*map(np.arange, psf.shape), indexing="ij"))
    places = places.reshape(psf.ndim, -1)
    centre = (psf.ravel() * places).sum(1, keepdims=True)
    away = places - centre
    variances = np.linalg.eigvalsh((psf.ravel() * away) @ away.T)
    return np.sqrt(np.maximum(variances, 0))


def unexplained_by(
    psf: np.ndarray | None,
    x: Tensor,
    noise_std: Tensor,
    data_range: float,
    weight: Tensor | None = None,
    white: Tensor | None = None,
) -> Tensor:
    """Level of what a PSF does not explain, beside the noise; 0 where it is not plain.

    Images are judged by their middle. Signals have too few waves to tell, and missing
    pixels make waves of their own.
    """
    nothing = torch.zeros_like(noise_std)
    if psf is None or psf.ndim == 1 or weight is not None:
        return nothing
    part = middle(x, psf)
    if (min(part.shape[2:]) < LONG and psf.ndim == 2) or part[0, 0].numel() > MOST:
        return nothing
    least = torch.maximum(noise_std, least_noise(x, data_range)).double()
    return unexplained_noise_std(part.double(), psf, least, white).to(noise_std)


def least_noise(x: Tensor, data_range: float) -> Tensor:
    """Levels of noise that rounding makes, if it is to 8 bits of what images span."""
    return ROUNDED * spanned(x, data_range)


def spanned(x: Tensor, data_range: float) -> Tensor:
    """What each image spans, at most the range; whole numbers at least 255 steps."""
    low, high = x.flatten(1).aminmax(dim=1)
    span = high - low
    whole = (x == x.round()).flatten(1).all(1)
    span = torch.where(whole, span.clamp_min(BYTE), span)
    return span.where(span > 0, data_range).clamp_max(data_range)


def middle(x: Tensor, psf: np.ndarray) -> Tensor:
    """Cut out the middle of larger images, not narrower than twice the PSF."""
    size = round(SAMPLE ** (1 / psf.ndim))
    edges = [
        (n, min(n, max(size, 2 * k)))
        for n, k in zip(x.shape[2:], psf.shape, strict=True)
    ]
    return x[(..., *(slice((n - m) // 2, (n + m) // 2) for n, m in edges))]


def check_told_noise(
    noise_std: Tensor | float | str,
    psf: np.ndarray | None,
    x: Tensor,
    data_range: float,
    weight: Tensor | None = None,
) -> None:
    """Warn where told noise levels leave it plain that a PSF does not fit."""
    if isinstance(noise_std, str) or psf is None:
        return
    level = torch.as_tensor(noise_std, dtype=x.dtype, device=x.device).expand(len(x))
    warn_of_misfit(unexplained_by(psf, x, level, data_range, weight))


def warn_of_misfit(unexplained: Tensor) -> None:
    """Tell of PSFs that are too wide."""
    if (unexplained > 0).any():
        warn_caller(
            "psf does not fit the data: it takes away waves that an image shows "
            "plainly. It may be too wide, pixels saturated (hide them by a mask), or "
            "the noise far from white. Undoing it would amplify them without limit. "
            "Where noise_std='auto', they count as noise, "
            f"{float(unexplained.max()):.3g} in the units of X, and less is undone.",
            PSFWarning,
        )
